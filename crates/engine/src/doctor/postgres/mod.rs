//! Looking at a PostgreSQL server.

mod archiver;
mod checkpoints;
mod conflicts;
mod connections;
mod corruption;
mod duplicate_indexes;
mod durability;
mod facts;
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
mod server_settings;
mod slots;
mod standbys;
mod synchronous;
mod tables;
mod tls;
mod transactions;
mod vacuum;
mod version;
mod wraparound;

use std::time::Duration;

use tokio::time::timeout;

use super::node::{CONNECT_LIMIT, Role, Seat};
use super::revisions;
use super::visit::{Lost, Seen, Visit};
use crate::driver::{self, Connector};
use crate::migrate::Revision;
use crate::settings::{FileAccess, PostgresTarget, Target};

pub(super) use facts::Told;
pub(super) use failure::mute;
pub(super) use index_use::IndexUse;
pub(super) use standbys::Stream;
pub(super) use version::of as major_of;

use server_settings::ServerSettings;

/// A server that accepts a connection and says nothing is noticed later than one that does not even accept it.
const ANSWER_LIMIT: Duration = CONNECT_LIMIT.saturating_add(Duration::from_millis(500));

/// A look must not wait for those who hold locks, nor be what a busy server is busy with.
const LIMITS: &str = "SET statement_timeout = '3s'; SET lock_timeout = '1s'";

/// Runs checks in their order, and ends when the server is gone.
macro_rules! checks {
    ($visit:ident, $server:ident: $($check:ident),+ $(,)?) => {$(
        let found = $check::look($visit, &$server).await;
        $visit.take($check::NAME, found)?;
    )+};
}

/// What checks know of the server before they ask.
struct Server {
    settings: ServerSettings,
    version: i64,
    role: Role,
    user: String,
    is_superuser: bool,
    /// Whether it is told what other sessions do and how replication goes.
    sees_all: bool,
}

pub(super) async fn look(seat: &Seat, target: &PostgresTarget, revisions: &[Revision], seen: &mut Seen) {
    let connector = Connector::new(&Target::Postgres(Box::new(target.clone())), FileAccess::to_look());
    let connection = match timeout(ANSWER_LIMIT, connector.connect(driver::Role::Read)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return seen.failure = Some(failure::judge(seat, target, &error)),
        Err(_) => return seen.failure = Some(failure::silent(target)),
    };
    let mut visit = Visit { connection, seat, revisions, user: String::new(), seen };
    // What ended it was noted.
    let _ = examine(&mut visit).await;
}

async fn examine(visit: &mut Visit<'_>) -> Result<(), Lost> {
    let server = match facts::ask(visit).await {
        Ok(server) => server,
        Err(error) => return visit.take(facts::NAME, Err(error)),
    };
    visit.seen.node.passed.push(facts::NAME);
    checks!(visit, server: rights, tls, pooler, version, connections, locks, transactions);
    checks!(visit, server: durability, corruption, limits, memory);
    match server.role {
        Role::Standby => {
            checks!(visit, server: replay, conflicts);
        }
        Role::Writable => {
            checks!(visit, server: slots, standbys, synchronous, archiver, checkpoints, vacuum, wraparound);
            let found = revisions::look(visit).await;
            visit.take(revisions::NAME, found)?;
            checks!(visit, server: invalid_indexes, duplicate_indexes, foreign_keys, tables, sequences);
        }
    }
    checks!(visit, server: index_use);
    if server.role == Role::Standby {
        checks!(visit, server: lag);
    }
    Ok(())
}
