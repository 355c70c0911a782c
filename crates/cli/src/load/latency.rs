//! Counts and latencies.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;
use tallybook::Counts;

use super::operation::{KINDS, Kind};

/// The largest recorded latency, in nanoseconds: one hour. Longer ones count as this.
const MAX_LATENCY: u64 = 3_600_000_000_000;

/// The statistics of one kind of operation.
#[derive(Clone, Debug)]
struct KindStats {
    /// Latencies in nanoseconds.
    latencies: Histogram<u64>,
    errors: u64,
    counts: Counts,
}

/// The statistics of all kinds.
#[derive(Debug)]
pub(crate) struct Tally {
    kinds: Vec<KindStats>,
    pub(crate) first_error: Option<String>,
}

/// The figures of a kind, for output.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) kind: &'static str,
    /// Number of successful operations. Latencies cover only these.
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    pub(crate) statements: u64,
    pub(crate) round_trips: u64,
}

impl Tally {
    pub(crate) fn new() -> Result<Self> {
        let seen = KindStats {
            latencies: Histogram::new_with_max(MAX_LATENCY, 3)?,
            errors: 0,
            counts: Counts::default(),
        };
        Ok(Self { kinds: vec![seen; KINDS.len()], first_error: None })
    }

    /// Records a completed operation.
    pub(super) fn record(&mut self, kind: Kind, took: Duration, ended: tallybook::book::Result<Counts>) {
        let seen = &mut self.kinds[kind as usize];
        match ended {
            Ok(counts) => {
                let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                seen.latencies.saturating_record(nanos);
                seen.counts.statements += counts.statements;
                seen.counts.round_trips += counts.round_trips;
            }
            Err(error) => {
                seen.errors += 1;
                self.first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.kinds.iter().map(|seen| seen.latencies.len() + seen.errors).sum()
    }

    pub(crate) fn errors(&self) -> u64 {
        self.kinds.iter().map(|seen| seen.errors).sum()
    }

    /// Returns the figures of the kinds that ran.
    pub(crate) fn figures(&self, lasted: Duration) -> Vec<Figures> {
        let kinds = KINDS.into_iter().zip(&self.kinds);
        let ran = kinds.filter(|(_, seen)| seen.latencies.len() + seen.errors > 0);
        ran.map(|(kind, seen)| seen.figures(kind.name(), lasted)).collect()
    }

    /// Returns the figures of all kinds together.
    pub(crate) fn total(&self, lasted: Duration) -> Figures {
        let mut all = self.kinds[0].clone();
        for seen in &self.kinds[1..] {
            all.add(seen);
        }
        all.figures("all", lasted)
    }
}

impl KindStats {
    fn add(&mut self, other: &Self) {
        self.latencies += &other.latencies;
        self.errors += other.errors;
        self.counts.statements += other.counts.statements;
        self.counts.round_trips += other.counts.round_trips;
    }

    fn figures(&self, kind: &'static str, lasted: Duration) -> Figures {
        let quantile = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        Figures {
            kind,
            count: self.latencies.len(),
            errors: self.errors,
            per_second: self.latencies.len() as f64 / lasted.as_secs_f64(),
            p50_us: quantile(0.5),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: self.latencies.max() as f64 / 1e3,
            statements: self.counts.statements,
            round_trips: self.counts.round_trips,
        }
    }
}
