//! Checks of an SQLite file.

mod deleted;
mod disk;
mod facts;
mod file;
mod indexes;
mod integrity;
mod pages;
mod statistics;

pub(super) use indexes::redundant as redundant_indexes;

use tallybook_core::driver::Connector;
use tallybook_core::settings::ConnectTarget;
use tallybook_core::waiting::BlockerLookup;
use tallybook_migrate::Revision;
use tallybook_sql::driver;
use tallybook_sqlite::config::{FileAccess, SqliteLocation};
use tokio::time::timeout;

use super::node::{CONNECT_LIMIT, NodeConfig};
use super::node_report::NodeReport;
use super::outcome::ConnectionLost;
use super::probe::Probe;
use super::revisions;

macro_rules! checks {
    ($probe:ident: $($check:ident),+ $(,)?) => {$(
        let found = $check::check($probe).await;
        $probe.record($check::NAME, found)?;
    )+};
}

pub(super) async fn check(
    config: &NodeConfig,
    location: &SqliteLocation,
    revisions: &[Revision],
    report: &mut NodeReport,
) {
    if let SqliteLocation::File(path) = location {
        report.findings.extend(deleted::check(path).into_iter().map(|finding| finding.at(&config.name)));
        // Opening the database would create the file.
        if let Some(failure) = file::evaluate(config, path) {
            return report.failure = Some(failure);
        }
        report.findings.extend(disk::check(path).into_iter().map(|finding| finding.at(&config.name)));
    }
    let connector = connector(location);
    let connection = match timeout(CONNECT_LIMIT, connector.connect(driver::Role::Read)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return report.failure = Some(file::failed(config, &error)),
        Err(_) => {
            let holders = BlockerLookup::new(connector).look().await;
            return report.failure = Some(file::locked(config, &holders));
        }
    };
    let mut probe = Probe { connection, config, revisions, user: String::new(), report };
    // The finding about a lost connection is recorded already.
    let _ = examine(&mut probe).await;
    probe.connection.close().await;
}

/// Returns a connector to a file.
pub(super) fn connector(location: &SqliteLocation) -> Connector {
    Connector::new(&ConnectTarget::Sqlite(location.clone()), FileAccess::to_look())
}

async fn examine(probe: &mut Probe<'_>) -> Result<(), ConnectionLost> {
    if let Err(error) = facts::read(probe).await {
        return probe.record(facts::NAME, Err(error));
    }
    probe.report.node.passed.push(facts::NAME);
    checks!(probe: pages, statistics);
    let found = revisions::check(probe).await;
    probe.record(revisions::NAME, found)?;
    checks!(probe: indexes, integrity);
    Ok(())
}
