//! Latencies and outcomes before, during and after a fault.

use std::fmt;
use std::time::Duration;

/// A phase of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Until all connections are open; not measured.
    Start,
    Before,
    During,
    After,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Start, Self::Before, Self::During, Self::After];

    /// Returns the phase of an operation that spans two: a fault counts for everything it touches.
    pub(crate) fn of(began: Self, ended: Self) -> Self {
        if [began, ended].contains(&Self::During) { Self::During } else { began }
    }
}

/// Latencies and outcomes of reads or of writes.
#[derive(Default)]
pub(crate) struct PhaseStats {
    phases: [Sample; 4],
    /// Failures in the order of time.
    pub(crate) failures: Vec<String>,
}

#[derive(Default)]
struct Sample {
    times: Vec<Duration>,
    failed: usize,
    /// Length of the phase.
    span: Duration,
}

impl PhaseStats {
    pub(crate) fn add(&mut self, phase: Phase, time: Duration, outcome: Result<(), String>) {
        let sample = &mut self.phases[phase as usize];
        sample.times.push(time);
        if let Err(failure) = outcome {
            sample.failed += 1;
            self.failures.push(format!("{phase:?}, after {time:?}: {failure}"));
        }
    }

    pub(crate) fn lasted(&mut self, phase: Phase, span: Duration) {
        self.phases[phase as usize].span += span;
    }

    /// Returns operations per second.
    pub(crate) fn rate(&self, phase: Phase) -> f64 {
        self.count(phase) as f64 / self.phases[phase as usize].span.as_secs_f64()
    }

    pub(crate) fn count(&self, phase: Phase) -> usize {
        self.phases[phase as usize].times.len()
    }

    pub(crate) fn failed(&self, phase: Phase) -> usize {
        self.phases[phase as usize].failed
    }

    /// Returns the latency that this fraction of operations did not exceed.
    pub(crate) fn quantile(&self, phase: Phase, quantile: f64) -> Duration {
        let mut times = self.phases[phase as usize].times.clone();
        times.sort_unstable();
        let rank = (quantile * times.len() as f64).ceil() as usize;
        times.get(rank.max(1) - 1).copied().unwrap_or_default()
    }
}

impl fmt::Display for PhaseStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in [Phase::Before, Phase::During, Phase::After] {
            if self.count(phase) == 0 {
                continue;
            }
            let millis = |quantile| self.quantile(phase, quantile).as_secs_f64() * 1e3;
            let (count, rate, failed) = (self.count(phase), self.rate(phase), self.failed(phase));
            let (p50, p99, max) = (millis(0.5), millis(0.99), millis(1.0));
            let name = format!("{phase:?}:");
            write!(
                f,
                "\n    {name:<8}{count:>6} ({rate:.0}/s), {failed} failed; p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms"
            )?;
        }
        Ok(())
    }
}

/// Prints the results of a test for `--nocapture`.
#[expect(clippy::print_stdout, reason = "the docs quote the results")]
pub(crate) fn report(what: impl fmt::Display) {
    println!("{what}");
}
