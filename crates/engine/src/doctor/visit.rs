//! A node that is being looked at.

use super::finding::Finding;
use super::node::{Node, Seat};
use super::postgres::{IndexUse, Told};
use crate::driver::{Bounds, Connection};
use crate::error::{Error, Result};
use crate::migrate::Revision;
use crate::query::Batch;

/// What was seen of a node. What a look that is broken off has put here stays.
pub(super) struct Seen {
    pub(super) node: Node,
    pub(super) findings: Vec<Finding>,
    /// Why it was not reached.
    pub(super) failure: Option<Finding>,
    /// What a server told for comparison with others.
    pub(super) told: Option<Told>,
    /// How often its large indexes were used.
    pub(super) indexes: Vec<IndexUse>,
}

/// A connection to a node, and where what is seen of it goes.
pub(super) struct Visit<'a> {
    pub(super) connection: Connection,
    pub(super) seat: &'a Seat,
    pub(super) revisions: &'a [Revision],
    /// PostgreSQL's name of who looks.
    pub(super) user: String,
    pub(super) seen: &'a mut Seen,
}

/// The node went away.
pub(super) struct Lost;

impl Seen {
    pub(super) fn new(seat: &Seat) -> Self {
        Self { node: seat.node(), findings: Vec::new(), failure: None, told: None, indexes: Vec::new() }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        let finding = finding.at(&self.node.node);
        self.findings.push(finding);
    }
}

impl Visit<'_> {
    /// Sends a batch that only reads.
    pub(super) async fn fetch<B: Batch>(&mut self, batch: B) -> Result<B::Output> {
        let bounds = Bounds { read_only: true, ..Bounds::default() };
        self.connection.fly(batch, bounds).await?.finish()
    }

    /// A check that this user's rights, or the size of the database, do not let see all.
    pub(super) fn is_unseen(&mut self, check: &'static str) {
        self.seen.node.unseen.push(check);
    }

    /// Notes what came of a check. One that failed is no reason not to make the others.
    pub(super) fn take(
        &mut self,
        check: &'static str,
        outcome: Result<Vec<Finding>>,
    ) -> std::result::Result<(), Lost> {
        match outcome {
            Ok(findings) if findings.is_empty() => {
                if !self.seen.node.unseen.contains(&check) {
                    self.seen.node.passed.push(check);
                }
            }
            Ok(findings) => findings.into_iter().for_each(|finding| self.seen.push(finding)),
            Err(error) if error.is_connection_lost() => {
                self.seen.push(lost(check, &error));
                return Err(Lost);
            }
            Err(error) if is_damage(&error) => {
                self.is_unseen(check);
                self.seen.push(damaged(check, &error));
            }
            Err(error) => {
                self.is_unseen(check);
                let finding = failed(check, &error, &self.user);
                self.seen.push(finding);
            }
        }
        Ok(())
    }
}

fn lost(check: &'static str, error: &Error) -> Finding {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Finding::critical(
        "connection",
        format!("the connection was lost during the check {check}{cause}"),
        "the server was stopped, crashed, or somebody ended the connection; programs lose theirs the same way",
    )
    .advise("look at the end of the server's log, then run tallybook doctor again")
}

/// Whether a read came upon damage: SQLite's codes carry the kind above the low byte.
fn is_damage(error: &Error) -> bool {
    let sqlite = |code: &str| code.len() < 5 && code.parse().is_ok_and(|code: u32| code & 0xff == 11);
    error.code().is_some_and(|code| matches!(code, "XX001" | "XX002") || sqlite(code))
}

fn damaged(check: &'static str, error: &Error) -> Finding {
    Finding::critical(
        check,
        format!("the check {check} came upon damage: {}", error.without_detail()),
        "reads fail or return what is wrong, and each write can make it worse",
    )
    .advise("stop the programs that write, and copy the files aside before anything else")
    .advise(
        "go back to the last backup or to a standby; or save what can be read: pg_dump, or sqlite3 FILE \
        .recover",
    )
}

/// A statement of a check that the server refused or that took too long.
fn failed(check: &'static str, error: &Error, user: &str) -> Finding {
    let why = match error.code() {
        Some("42501") => "this user may not see it, so nobody knows whether it is well",
        Some("55P03") => "somebody holds a lock that the look waits for: a change of a table, or VACUUM FULL",
        Some("57014") => "the server took longer than a check may: it is busy, or its disk is slow",
        _ => "so nobody knows whether it is well",
    };
    let finding =
        Finding::note(check, format!("the check {check} could not be made: {}", error.without_detail()), why);
    match error.code() {
        Some("42501") if check == super::revisions::NAME => finding.sql(format!(
            "GRANT SELECT ON tallybook_revisions, tallybook_steps TO \"{user}\"; -- or look as the owner of \
             the tables"
        )),
        Some("42501") => finding.sql(format!("GRANT pg_monitor TO \"{user}\"; -- as a superuser")),
        Some("55P03") => finding.sql(
            "SELECT pid, usename, application_name, state, xact_start FROM pg_stat_activity WHERE pid IN \
             (SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted);",
        ),
        _ => finding.run("tallybook doctor"),
    }
}
