//! Measures the phases of a statement.

use std::time::{Duration, Instant};

/// One row in this many is timed while it is decoded, beginning with the first; the others are assumed to take as long.
/// Reading the clock twice for each row would cost a tenth of decoding it.
const SAMPLED: u64 = 32;

/// The phases of a statement's execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From sending the statement, or from the end of the previous one of the pipeline, to the first row, or to the end
    /// if there are no rows.
    pub execute: Duration,
    /// Receiving the rows after the first.
    pub fetch: Duration,
    /// Decoding the rows.
    pub decode: Duration,
}

impl Timing {
    /// Returns the sum of the phases.
    pub fn total(&self) -> Duration {
        self.execute + self.fetch + self.decode
    }
}

/// Measures one statement.
#[derive(Debug)]
pub struct Stopwatch {
    is_on: bool,
    first: Option<Instant>,
    rows: u64,
    samples: u32,
    sampled: Duration,
}

impl Stopwatch {
    /// Returns a stopwatch. One that is off never reads the clock.
    pub fn new(is_on: bool) -> Self {
        Self { is_on, first: None, rows: 0, samples: 0, sampled: Duration::ZERO }
    }

    /// Decodes a row and measures it.
    pub fn decode<T>(&mut self, decode: impl FnOnce() -> T) -> T {
        let index = self.rows;
        self.rows += 1;
        if !self.is_on || !index.is_multiple_of(SAMPLED) {
            return decode();
        }
        let start = Instant::now();
        self.first.get_or_insert(start);
        let row = decode();
        self.sampled += start.elapsed();
        self.samples += 1;
        row
    }

    /// Stops. Returns the phases since `since`, and the current time; `None` without `since`.
    pub fn stop(&self, since: Option<Instant>) -> Option<(Timing, Instant)> {
        let since = since?;
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        let rest = now - first;
        let decode = match self.samples {
            0 => Duration::ZERO,
            // The usual case, without the arithmetic.
            _ if self.rows == 1 => self.sampled,
            // At most the time measured: the sampled rows may be slower than the others.
            samples => self.sampled.mul_f64(self.rows as f64 / f64::from(samples)).min(rest),
        };
        Some((Timing { execute: first - since, fetch: rest - decode, decode }, now))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    #[test]
    fn the_phases_are_distinguished_and_add_up() {
        let start = Instant::now();
        let mut watch = Stopwatch::new(true);
        sleep(MOMENT);
        watch.decode(|| ());
        sleep(MOMENT * 2);
        watch.decode(|| ());
        let (timing, end) = watch.stop(Some(start)).unwrap();
        assert!(timing.execute >= MOMENT && timing.fetch >= MOMENT * 2, "{timing:?}");
        assert!(timing.decode < timing.fetch, "{timing:?}");
        assert_eq!(timing.total(), end - start);
    }

    #[test]
    fn decoding_is_estimated_from_the_rows_that_were_timed() {
        let start = Instant::now();
        let mut watch = Stopwatch::new(true);
        for row in 0..SAMPLED * 2 {
            watch.decode(|| sleep(if row % SAMPLED == 0 { MOMENT } else { Duration::ZERO }));
        }
        let (timing, _) = watch.stop(Some(start)).unwrap();
        assert!(timing.decode >= MOMENT * 2, "{timing:?}");
    }

    #[test]
    fn without_rows_all_is_execution() {
        let start = Instant::now();
        let (timing, end) = Stopwatch::new(true).stop(Some(start)).unwrap();
        assert_eq!(timing, Timing { execute: end - start, ..Timing::default() });
    }

    #[test]
    fn a_stopwatch_that_is_off_measures_nothing() {
        let mut watch = Stopwatch::new(false);
        watch.decode(|| ());
        assert_eq!(watch.stop(None), None);
    }
}
