//! Looking at an SQLite file.

mod deleted;
mod disk;
mod facts;
mod file;
mod indexes;
mod integrity;
mod pages;
mod statistics;

use tokio::time::timeout;

use super::node::{CONNECT_LIMIT, Seat};
use super::revisions;
use super::visit::{Lost, Seen, Visit};
use crate::driver::{self, Connector};
use crate::migrate::Revision;
use crate::settings::{FileAccess, SqliteLocation, Target};
use crate::waiting::Lookout;

macro_rules! checks {
    ($visit:ident: $($check:ident),+ $(,)?) => {$(
        let found = $check::look($visit).await;
        $visit.take($check::NAME, found)?;
    )+};
}

pub(super) async fn look(seat: &Seat, location: &SqliteLocation, revisions: &[Revision], seen: &mut Seen) {
    if let SqliteLocation::File(path) = location {
        seen.findings.extend(deleted::look(path).into_iter().map(|finding| finding.at(&seat.name)));
        // Opening would make it.
        if let Some(failure) = file::judge(seat, path) {
            return seen.failure = Some(failure);
        }
        seen.findings.extend(disk::look(path).into_iter().map(|finding| finding.at(&seat.name)));
    }
    let connector = Connector::new(&Target::Sqlite(location.clone()), FileAccess::to_look());
    let connection = match timeout(CONNECT_LIMIT, connector.connect(driver::Role::Read)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return seen.failure = Some(file::failed(seat, &error)),
        Err(_) => {
            let holders = Lookout::new(connector).look().await;
            return seen.failure = Some(file::locked(seat, &holders));
        }
    };
    let mut visit = Visit { connection, seat, revisions, user: String::new(), seen };
    // What ended it was noted.
    let _ = examine(&mut visit).await;
    visit.connection.close().await;
}

async fn examine(visit: &mut Visit<'_>) -> Result<(), Lost> {
    if let Err(error) = facts::ask(visit).await {
        return visit.take(facts::NAME, Err(error));
    }
    visit.seen.node.passed.push(facts::NAME);
    checks!(visit: pages, statistics);
    let found = revisions::look(visit).await;
    visit.take(revisions::NAME, found)?;
    checks!(visit: indexes, integrity);
    Ok(())
}
