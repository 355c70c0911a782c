//! Checks of a PostgreSQL server.

mod archiver;
mod autovacuum;
mod checkpoints;
mod conflicts;
mod connections;
mod corruption;
mod duplicate_indexes;
mod durability;
mod failure;
mod foreign_keys;
mod index_use;
mod invalid_indexes;
mod lag;
mod limits;
mod locks;
mod memory;
mod pooler;
mod replay;
mod rights;
mod sequences;
mod server;
mod server_settings;
mod slots;
mod standbys;
mod synchronous;
mod tables;
mod tls;
mod transactions;
mod version;
mod wraparound;

use std::time::Duration;

use tallybook_core::driver::Connector;
use tallybook_core::settings::ConnectTarget;
use tallybook_migrate::Revision;
use tallybook_postgres::config::PostgresTarget;
use tallybook_sql::driver;
use tallybook_sql::error::Result;
use tallybook_sqlite::config::FileAccess;
use tokio::time::timeout;

use super::node::{CONNECT_LIMIT, NodeConfig, Role};
use super::node_report::NodeReport;
use super::outcome::ConnectionLost;
use super::probe::Probe;
use super::revisions;

pub(super) use duplicate_indexes::redundant as redundant_indexes;
pub(crate) use failure::silent_after_connect;
pub(super) use index_use::collect as collect_index_use;
pub(super) use version::of as major_of;

/// A silent server gets a little longer than one that refuses to connect, so that the findings differ.
const ANSWER_LIMIT: Duration = CONNECT_LIMIT.saturating_add(Duration::from_millis(500));

/// Runs checks in order; returns early if the connection is lost.
macro_rules! checks {
    ($probe:ident, $server:ident: $($check:ident),+ $(,)?) => {$(
        let found = $check::check($probe, &$server).await;
        $probe.record($check::NAME, found)?;
    )+};
}

pub(super) async fn check(
    config: &NodeConfig,
    target: &PostgresTarget,
    revisions: &[Revision],
    report: &mut NodeReport,
) {
    let connector = connector(target);
    let connection = match timeout(ANSWER_LIMIT, connector.connect(driver::Role::Inspect)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return report.failure = Some(failure::evaluate(config, target, &error)),
        Err(_) => return report.failure = Some(failure::silent_server(target)),
    };
    let mut probe = Probe { connection, config, revisions, user: String::new(), report };
    // The finding about a lost connection is recorded already.
    let _ = examine(&mut probe).await;
}

/// Returns a connector to a node.
pub(super) fn connector(target: &PostgresTarget) -> Connector {
    Connector::new(&ConnectTarget::Postgres(Box::new(target.clone())), FileAccess::to_look())
}

/// Reads the facts of a node, its role among them.
pub(super) async fn read_facts(probe: &mut Probe<'_>) -> Result<()> {
    server::read(probe).await.map(drop)
}

async fn examine(probe: &mut Probe<'_>) -> Result<(), ConnectionLost> {
    let server = match server::read(probe).await {
        Ok(server) => server,
        Err(error) => return probe.record(server::NAME, Err(error)),
    };
    probe.report.node.passed.push(server::NAME);
    checks!(probe, server: rights, tls, pooler, version, connections, locks, transactions);
    checks!(probe, server: durability, corruption, limits, memory);
    match server.role {
        Role::Standby => {
            checks!(probe, server: replay, conflicts);
        }
        Role::Writable => {
            checks!(probe, server: slots, standbys, synchronous, archiver, checkpoints, autovacuum, wraparound);
            let found = revisions::check(probe).await;
            probe.record(revisions::NAME, found)?;
            checks!(probe, server: invalid_indexes, duplicate_indexes, foreign_keys, tables, sequences);
        }
    }
    checks!(probe, server: index_use);
    if server.role == Role::Standby {
        checks!(probe, server: lag);
    }
    Ok(())
}
