//! Intervals over time, as many as a chart can show.

use std::mem;

use tallybook::Interval;

/// More intervals than this are joined in pairs: a chart has fewer pixels.
const MAX_INTERVALS: usize = 960;

/// Intervals in their order. Its size is bounded: the longer the time, the longer its intervals.
#[derive(Debug)]
pub(crate) struct Timeline {
    steps: Vec<Step>,
    /// The number of intervals that make a step.
    joined: usize,
    /// Set if the next interval does not follow the last one.
    is_interrupted: bool,
}

#[derive(Debug)]
struct Step {
    interval: Interval,
    /// The number of intervals in it.
    intervals: usize,
    /// Set if nothing is known of the time before it.
    is_after_gap: bool,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { steps: Vec::new(), joined: 1, is_interrupted: true }
    }
}

impl Timeline {
    /// Adds the next interval.
    pub(super) fn add(&mut self, interval: Interval) {
        // Between two reports of one moment nothing happened.
        if interval.elapsed.is_zero() {
            return;
        }
        let is_after_gap = mem::take(&mut self.is_interrupted);
        let step = Step { interval, intervals: 1, is_after_gap };
        self.push(step);
        if self.steps.len() > MAX_INTERVALS {
            self.joined *= 2;
            for step in mem::take(&mut self.steps) {
                self.push(step);
            }
        }
    }

    /// Notes that nothing is known between the last interval and the next.
    pub(super) fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    fn push(&mut self, step: Step) {
        match self.steps.last_mut() {
            Some(last) if !step.is_after_gap && last.intervals + step.intervals <= self.joined => {
                last.interval.add(&step.interval);
                last.intervals += step.intervals;
            }
            _ => self.steps.push(step),
        }
    }

    /// Returns the intervals in their order, with `None` for a gap.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = Option<&Interval>> {
        self.steps.iter().enumerate().flat_map(|(index, step)| {
            let gap = (step.is_after_gap && index > 0).then_some(None);
            gap.into_iter().chain([Some(&step.interval)])
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::sample;

    /// Returns an interval of one second with this number of statements.
    fn second(calls: u64) -> Interval {
        let mut interval = Interval::of(&sample::report());
        interval.elapsed = Duration::from_secs(1);
        interval.calls = calls;
        interval
    }

    #[test]
    fn a_long_time_is_joined_and_nothing_of_it_is_lost() {
        let mut timeline = Timeline::default();
        for calls in 0..10_000 {
            timeline.add(second(calls));
        }
        let intervals: Vec<_> = timeline.intervals().map(Option::unwrap).collect();
        assert!((MAX_INTERVALS / 2..=MAX_INTERVALS).contains(&intervals.len()), "{}", intervals.len());
        assert_eq!(intervals.iter().map(|interval| interval.calls).sum::<u64>(), 9_999 * 10_000 / 2);
        assert_eq!(
            intervals.iter().map(|interval| interval.elapsed).sum::<Duration>(),
            Duration::from_secs(10_000)
        );
    }

    #[test]
    fn a_restart_is_a_gap() {
        let mut timeline = Timeline::default();
        timeline.add(second(1));
        timeline.interrupt();
        timeline.add(second(2));
        timeline.add(second(3));
        let calls: Vec<_> =
            timeline.intervals().map(|interval| interval.map(|interval| interval.calls)).collect();
        assert_eq!(calls, [Some(1), None, Some(2), Some(3)]);
    }
}
