//! What can be asked of the benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

/// Measures Tallybook's pool beside deadpool-postgres, bb8-postgres and sqlx on a private PostgreSQL server.
#[derive(Debug, Parser)]
pub struct Options {
    /// Shorter trials and one round of over-subscription: less than a minute.
    #[arg(long)]
    pub quick: bool,
    /// Rounds of each comparison; every round measures every pool once.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Leave over-subscription out, which takes most of the time.
    #[arg(long)]
    pub no_oversubscription: bool,
    /// Measure nothing: only keep this pool busy with hot check-outs, for a profiler; part of a name is enough.
    #[arg(long, value_name = "POOL")]
    pub profile: Option<String>,
    /// Tasks of --profile.
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "profile")]
    pub tasks: usize,
    /// Write everything that was measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// How long and how often.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    /// Rounds of the hot check-outs.
    pub(super) rounds: u32,
    /// One trial of hot check-outs.
    pub(super) trial: Duration,
    /// Rounds of over-subscription.
    pub(super) crowded_rounds: u32,
    /// One trial of over-subscription; the reference before and behind it takes a quarter each.
    pub(super) crowded_trial: Duration,
    /// Check-outs through the proxy that counts bytes.
    pub(super) counted_checkouts: u32,
}

impl Options {
    pub(super) fn plan(&self) -> Plan {
        let rounds = self.rounds.unwrap_or(5);
        let (trial, crowded_rounds, crowded_trial) = if self.quick {
            (Duration::from_millis(100), 1, Duration::from_secs(3))
        } else {
            (Duration::from_millis(500), rounds, Duration::from_secs(10))
        };
        let crowded_rounds = if self.no_oversubscription { 0 } else { crowded_rounds };
        Plan { rounds, trial, crowded_rounds, crowded_trial, counted_checkouts: 10_000 }
    }
}
