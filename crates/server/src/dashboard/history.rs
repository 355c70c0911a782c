//! The samples of the last hour.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use tallybook::Interval;

use super::sample::Sample;

/// One a second for five minutes.
const MAX_FINE: usize = 300;
/// One each ten seconds for an hour.
const MAX_COARSE: usize = 360;
/// The time that a coarse sample covers.
const COARSE: Duration = Duration::from_secs(10);
/// Ticks come a little early or late.
const TOLERANCE: Duration = Duration::from_millis(500);

/// The samples of the last minutes and of the last hour, oldest first.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct History {
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
    /// The next coarse sample so far.
    #[serde(skip)]
    next: Option<Interval>,
    /// The coarse sample that the newest fine one completed.
    #[serde(skip)]
    completed: Option<Sample>,
}

impl History {
    /// Adds the newest interval. Returns whether it completed a coarse sample.
    pub(super) fn add(&mut self, interval: &Interval) -> bool {
        push(&mut self.fine, Sample::of(interval), MAX_FINE);
        match &mut self.next {
            Some(next) => next.add(interval),
            None => self.next = Some(interval.clone()),
        }
        let full = self.next.take_if(|next| next.elapsed + TOLERANCE >= COARSE);
        self.completed = full.map(|interval| Sample::of(&interval));
        if let Some(completed) = &self.completed {
            push(&mut self.coarse, completed.clone(), MAX_COARSE);
        }
        self.completed.is_some()
    }

    pub(super) fn newest(&self) -> Option<&Sample> {
        self.fine.back()
    }

    /// Returns the coarse sample that the newest fine one completed.
    pub(super) fn completed(&self) -> Option<&Sample> {
        self.completed.as_ref()
    }

    /// Returns the samples of the last minutes, oldest first.
    pub(super) fn fine(&self) -> &VecDeque<Sample> {
        &self.fine
    }

    /// Returns the samples of the last hour, oldest first.
    pub(super) fn coarse(&self) -> &VecDeque<Sample> {
        &self.coarse
    }
}

fn push(ring: &mut VecDeque<Sample>, sample: Sample, most: usize) {
    if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(sample);
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Program;
    use super::*;

    /// Returns the history after so many seconds with ten statements each.
    fn after(seconds: usize) -> History {
        let (mut program, mut history) = (Program::new(1), History::default());
        let mut earlier = program.run(1, |_| 0);
        for _ in 0..seconds {
            let report = program.run(1, |_| 10);
            history.add(&Interval::of(&report.since(&earlier).unwrap()));
            earlier = report;
        }
        history
    }

    #[test]
    fn five_fine_minutes_and_a_coarse_hour_are_kept() {
        let history = after(3_700);
        assert_eq!((history.fine().len(), history.coarse().len()), (300, 360));
        assert!(history.fine().iter().chain(history.coarse()).all(|sample| sample.rate == 10.0));
        let span = |ring: &VecDeque<Sample>| ring.back().unwrap().t - ring.front().unwrap().t;
        assert_eq!((span(history.fine()), span(history.coarse())), (299.0, 3_590.0));
    }

    #[test]
    fn each_tenth_second_completes_a_coarse_sample() {
        let completed = |seconds| after(seconds).completed().map(|sample| sample.t);
        assert_eq!((completed(9), completed(10), completed(11)), (None, Some(11.0), None));
        assert_eq!(after(25).coarse().len(), 2);
    }
}
