//! Processor time of the PostgreSQL backends that serve the peers.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use tokio_postgres::{Client, NoTls};

use crate::processor_time;

const PIDS: &str =
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// Watches the backends of a server on this machine, through a connection of its own.
pub(super) struct Backends(Client);

/// The processor time of each backend at a moment.
pub(super) struct Reading(HashMap<i32, Duration>);

impl Backends {
    pub(super) async fn watch(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// Reads all of them; only one peer works at a time, so the others add nothing between two readings.
    pub(super) async fn read(&self) -> Result<Reading> {
        let rows = self.0.query(PIDS, &[]).await?;
        let pids = rows.iter().map(|row| row.get::<_, i32>(0));
        Ok(Reading(pids.filter_map(|pid| Some((pid, processor_time::of_other(pid)?))).collect()))
    }
}

impl Reading {
    /// The processor time since an earlier reading, of the backends that are there now. `None` if there are none.
    pub(super) fn since(&self, before: &Self) -> Option<Duration> {
        let spent = |(pid, time): (&i32, &Duration)| {
            time.saturating_sub(before.0.get(pid).copied().unwrap_or_default())
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(spent).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(times: &[(i32, u64)]) -> Reading {
        Reading(times.iter().map(|(pid, ms)| (*pid, Duration::from_millis(*ms))).collect())
    }

    #[test]
    fn a_backend_that_was_not_there_before_counts_from_its_start() {
        let (before, after) = (reading(&[(1, 10), (2, 5)]), reading(&[(1, 14), (3, 2)]));
        assert_eq!(after.since(&before), Some(Duration::from_millis(6)));
    }

    #[test]
    fn without_backends_nothing_was_measured() {
        assert_eq!(reading(&[]).since(&reading(&[(1, 10)])), None);
    }
}
