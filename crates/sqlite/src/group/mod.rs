//! Transactions of several callers in one: they share BEGIN, the pages that they change, COMMIT and the flush.
//!
//! Each runs inside a savepoint of its own, one after the other. One that fails, panics or is abandoned is rolled back to
//! its savepoint, and the others are committed. What a savepoint can't contain runs in a transaction of its own, after the
//! others: statements other than plain reads and changes of rows, databases with deferred foreign keys (which are
//! checked at COMMIT, for all at once), a statement that rolled the whole transaction back (`RAISE(ROLLBACK)`,
//! `OR ROLLBACK`, a full disk), and one that takes long, because the others wait for the COMMIT. In the latter two cases
//! the others run again, each by itself. Nobody is answered before the COMMIT and the flush that cover it.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection as Sqlite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::grouped_transaction::{GroupedTransaction, TransactionEnd};
use tallybook_sql::query::Query;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use crate::Connection;
use crate::checked_results::CheckedResults;
use crate::connection::{Durability, Flush, check_transaction, roll_back};
use crate::inline_budget::InlineBudget;
use crate::pipeline::{control, run_all};
use crate::wal::PendingFlush;

/// Time after which a group is committed, so that its first members do not wait for slow ones.
const GROUP_TIME: Duration = Duration::from_millis(10);
/// Keywords of the statements that a savepoint undoes completely.
const PLAIN_KEYWORDS: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "REPLACE", "VALUES"];

const SET: &str = "SAVEPOINT tallybook_member";
const KEEP: &str = "RELEASE SAVEPOINT tallybook_member";
const UNDO: &str = "ROLLBACK TO SAVEPOINT tallybook_member";

/// Members of a group.
pub type Members = Vec<Box<dyn GroupedTransaction>>;

/// A group that ran. Those of its members who had to wait for nothing more are told already.
#[derive(Default)]
pub struct ExecutedGroup {
    /// Members to be told how they ended.
    pub ended: Vec<(Box<dyn GroupedTransaction>, TransactionEnd)>,
    /// Members that are committed, and end with the flush.
    pub unflushed: Members,
    /// Their flush.
    pub flush: Option<PendingFlush>,
}

impl Connection {
    /// Runs and commits the transactions of several callers, in one hop.
    ///
    /// `waiting` is the number of writers that wait for the connection: if there are any, the flush is left to the caller,
    /// so that the connection can be used meanwhile. Must be awaited to its end.
    pub async fn execute_group(&mut self, members: Members, waiting: &Arc<AtomicUsize>) -> ExecutedGroup {
        let mut prepared = Members::new();
        for member in members {
            match self.prepare_group().await {
                Ok(()) => prepared.push(member),
                Err(error) => member.end(TransactionEnd::Failed(error)),
            }
        }
        let group = Group {
            checked: Arc::clone(&self.checked),
            durability: self.durability(),
            budget: Arc::clone(&self.inline_budget),
            deferred_keys: Arc::clone(&self.deferred_keys),
            waiting: Arc::clone(waiting),
        };
        // If the thread is gone, the members are dropped, which their callers see.
        let ran = self.thread().call(move |sqlite| group.run(sqlite, prepared)).await;
        let (mut group, flush) = ran.unwrap_or((ExecutedGroup::default(), Flush::Done));
        group.flush = self.flush_of(flush);
        group
    }

    async fn prepare_group(&mut self) -> Result<()> {
        self.check_file(Instant::now())?;
        if self.is_unprepared() { Box::pin(self.prepare_write()).await } else { Ok(()) }
    }
}

/// Whether a schema has deferred foreign keys, and its version, in one number; see [`Group::has_deferred_keys`].
#[derive(Debug, Default)]
pub(super) struct DeferredKeys(AtomicU64);

/// What the connection's thread needs to run a group.
struct Group {
    checked: Arc<CheckedResults>,
    durability: Durability,
    budget: Arc<InlineBudget>,
    deferred_keys: Arc<DeferredKeys>,
    waiting: Arc<AtomicUsize>,
}

/// A member that ran.
enum Ran {
    /// To be kept.
    Kept,
    /// Its work is undone.
    Undone(TransactionEnd),
    /// It must run in a transaction of its own.
    Alone,
}

impl Group {
    fn run(&self, sqlite: &mut Sqlite, members: Members) -> (ExecutedGroup, Flush) {
        let (mut kept, alone) = match members.len() {
            0 | 1 => (Members::new(), members),
            _ => self.run_together(sqlite, members),
        };
        for member in alone {
            // Those who are committed do not wait for the ones that run alone.
            for (member, end) in self.flushed(kept) {
                member.end(end);
            }
            kept = self.run_alone(sqlite, member).into_iter().collect();
        }
        let has_waiting = self.durability.can_wait() && self.waiting.load(Ordering::Relaxed) > 0;
        if has_waiting && !kept.is_empty() {
            return (ExecutedGroup { unflushed: kept, ..ExecutedGroup::default() }, Flush::Due);
        }
        (ExecutedGroup { ended: self.flushed(kept), ..ExecutedGroup::default() }, Flush::Done)
    }

    /// Flushes the commit of these members, and returns them with their ends.
    fn flushed(&self, members: Members) -> Vec<(Box<dyn GroupedTransaction>, TransactionEnd)> {
        let mut is_flushed = false;
        let end = |member| {
            // An error belongs to one caller, so the next one asks again.
            let flushed = if is_flushed { Ok(()) } else { self.durability.settle_commit() };
            is_flushed = flushed.is_ok();
            (member, flushed.map_or_else(TransactionEnd::Failed, |()| TransactionEnd::Committed))
        };
        members.into_iter().map(end).collect()
    }

    /// Runs the members in one transaction. Returns those that are committed, and those that must run alone.
    fn run_together(&self, sqlite: &mut Sqlite, members: Members) -> (Members, Members) {
        let begun = control(sqlite, Begin::Write.sql(Dialect::Sqlite));
        if begun.is_err() || self.has_deferred_keys(sqlite).unwrap_or(true) {
            // Alone, each gets an error of its own.
            let _ = roll_back(sqlite);
            return (Members::new(), members);
        }
        let deadline = Instant::now() + GROUP_TIME;
        let (mut kept, mut undone, mut alone) = (Members::new(), Vec::new(), Members::new());
        let mut waiting = members.into_iter();
        while let Some(mut member) = waiting.next() {
            let ran = self.budget.limited(deadline, || self.run_in_savepoint(sqlite, &mut *member));
            match ran {
                Ok(Ran::Kept) => kept.push(member),
                Ok(Ran::Undone(end)) => undone.push((member, end)),
                Ok(Ran::Alone) => alone.push(member),
                // What the others did is undone too.
                Err(_) => {
                    let _ = roll_back(sqlite);
                    let again = kept.into_iter().chain(undone.into_iter().map(|(member, _)| member));
                    return (Members::new(), again.chain(alone).chain([member]).chain(waiting).collect());
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        alone.extend(waiting);
        if let Err(error) = commit(sqlite) {
            let _ = roll_back(sqlite);
            // What was refused may have been so because of what others did.
            kept.extend(undone.into_iter().map(|(member, _)| member));
            for member in kept {
                member.end(TransactionEnd::Failed(again(&error)));
            }
            return (Members::new(), alone);
        }
        for (member, end) in undone {
            member.end(end);
        }
        (kept, alone)
    }

    /// Runs a member inside a savepoint.
    ///
    /// # Errors
    ///
    /// Fails if the member rolled back the whole transaction, or its savepoint could not be set or ended.
    fn run_in_savepoint(&self, sqlite: &Sqlite, member: &mut dyn GroupedTransaction) -> Result<Ran> {
        if member.is_abandoned() {
            return Ok(Ran::Undone(TransactionEnd::RolledBack));
        }
        control(sqlite, SET)?;
        let mut is_plain = true;
        let ran = self.run_member(sqlite, member, &mut |queries| {
            is_plain =
                queries.iter_mut().all(|query| is_plain_sql(query.request().statement.sql(Dialect::Sqlite)));
            is_plain
        });
        check_transaction(sqlite)?;
        let ran = match ran {
            _ if !is_plain || self.budget.has_interrupted() => Ran::Alone,
            Ok(true) if !member.is_abandoned() => Ran::Kept,
            Ok(_) => Ran::Undone(TransactionEnd::RolledBack),
            Err(panic) => Ran::Undone(TransactionEnd::Panicked(panic)),
        };
        if !matches!(ran, Ran::Kept) {
            control(sqlite, UNDO)?;
        }
        control(sqlite, KEEP)?;
        Ok(ran)
    }

    /// Runs a member in a transaction of its own. Returns it if it is committed.
    fn run_alone(
        &self,
        sqlite: &mut Sqlite,
        mut member: Box<dyn GroupedTransaction>,
    ) -> Option<Box<dyn GroupedTransaction>> {
        if member.is_abandoned() {
            return None;
        }
        let ran = control(sqlite, Begin::Write.sql(Dialect::Sqlite))
            .map(|()| self.run_member(sqlite, &mut *member, &mut |_| true));
        let end = match ran {
            Ok(Ok(true)) if member.is_abandoned() => TransactionEnd::RolledBack,
            Ok(Ok(true)) => match commit(sqlite) {
                Ok(()) => return Some(member),
                Err(error) => TransactionEnd::Failed(error),
            },
            Ok(Ok(false)) => TransactionEnd::RolledBack,
            Ok(Err(panic)) => TransactionEnd::Panicked(panic),
            Err(error) => TransactionEnd::Failed(error),
        };
        let _ = roll_back(sqlite);
        member.end(end);
        None
    }

    /// Runs the batches of a member that `accepts` lets pass. Returns whether it wants to be kept.
    fn run_member(
        &self,
        sqlite: &Sqlite,
        member: &mut dyn GroupedTransaction,
        accepts: &mut dyn FnMut(&mut [&mut dyn Query]) -> bool,
    ) -> Result<bool, Box<dyn Any + Send>> {
        let framing = TransactionFraming { continues: true, ..TransactionFraming::default() };
        let mut execute = |queries: &mut [&mut dyn Query], since| {
            if !accepts(queries) {
                // It runs again.
                return Err(Error::new(ErrorDetail::Lost));
            }
            run_all(sqlite, &self.checked, queries, framing, since, None)
        };
        // A statement is reset when it is dropped, and the member's work is rolled back.
        catch_unwind(AssertUnwindSafe(|| member.run(&mut execute)))
    }

    /// Returns whether the schema mentions deferred foreign keys. Their violations are counted for the whole transaction, so
    /// one member's could hide behind another's.
    fn has_deferred_keys(&self, sqlite: &Sqlite) -> rusqlite::Result<bool> {
        const KNOWN: u64 = 1 << 62;
        const DEFERRED: u64 = 1 << 61;
        let version: u32 = sqlite.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        let known = self.deferred_keys.0.load(Ordering::Relaxed);
        if known & !DEFERRED == KNOWN | u64::from(version) {
            return Ok(known & DEFERRED != 0);
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE sql LIKE '%deferred%')";
        let is_deferred: bool = sqlite.query_row(sql, [], |row| row.get(0))?;
        let found = KNOWN | u64::from(version) | if is_deferred { DEFERRED } else { 0 };
        self.deferred_keys.0.store(found, Ordering::Relaxed);
        Ok(is_deferred)
    }
}

fn commit(sqlite: &Sqlite) -> Result<()> {
    check_transaction(sqlite)?;
    control(sqlite, End::Commit.sql())
}

/// Returns whether a savepoint undoes a statement completely, as far as its first word shows. A comment before it hides the
/// word.
fn is_plain_sql(sql: &str) -> bool {
    let sql = sql.trim_ascii_start();
    let end = sql.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(sql.len());
    PLAIN_KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(&sql[..end]))
}

/// Returns the error of a COMMIT for another caller.
fn again(error: &Error) -> Error {
    match std::error::Error::source(error).and_then(|source| source.downcast_ref()) {
        Some(rusqlite::Error::SqliteFailure(failure, message)) => {
            crate::error::convert(rusqlite::Error::SqliteFailure(*failure, message.clone()))
        }
        _ => Error::new(ErrorDetail::TransactionEnded),
    }
}
