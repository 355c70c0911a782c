//! The outcome of a check, which may be that it failed.

use tallybook_sql::error::{Error, Result};

use super::finding::Finding;
use super::probe::Probe;
use super::revisions;

/// The connection was lost; no further check can run.
pub(super) struct ConnectionLost;

impl Probe<'_> {
    /// Records the outcome of a check. A failed check is a finding and does not stop the others, unless the
    /// connection is lost.
    pub(super) fn record(
        &mut self,
        check: &'static str,
        outcome: Result<Vec<Finding>>,
    ) -> std::result::Result<(), ConnectionLost> {
        match outcome {
            Ok(findings) if findings.is_empty() => {
                if !self.report.node.skipped.contains(&check) {
                    self.report.node.passed.push(check);
                }
            }
            Ok(findings) => findings.into_iter().for_each(|finding| self.report.push(finding)),
            Err(error) if error.is_connection_lost() => {
                self.report.push(lost(check, &error));
                return Err(ConnectionLost);
            }
            Err(error) if is_damage(&error) => {
                self.skip(check);
                self.report.push(damaged(check, &error));
            }
            Err(error) => {
                self.skip(check);
                let finding = failed(check, &error, &self.user);
                self.report.push(finding);
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
        "the server stopped or crashed, or somebody ended the connection; programs lose theirs too",
    )
    .advise("look at the end of the server's log, then run tallybook doctor again")
}

/// Returns whether the error reports corruption. SQLite's extended codes carry the primary code in the low
/// byte.
fn is_damage(error: &Error) -> bool {
    let sqlite = |code: &str| code.len() < 5 && code.parse().is_ok_and(|code: u32| code & 0xff == 11);
    error.code().is_some_and(|code| matches!(code, "XX001" | "XX002") || sqlite(code))
}

fn damaged(check: &'static str, error: &Error) -> Finding {
    Finding::critical(
        check,
        format!("the check {check} came upon damage: {}", error.without_detail()),
        "reads fail or return wrong data, and each write can make it worse",
    )
    .advise("stop the programs that write, and copy the files aside before anything else")
    .advise(
        "go back to the last backup or to a standby; or rescue the readable part: pg_dump, or sqlite3 FILE \
        .recover",
    )
}

/// Returns the finding about a check whose statement was refused or timed out.
fn failed(check: &'static str, error: &Error, user: &str) -> Finding {
    let why = match error.code() {
        Some("42501") => "this user lacks the rights, so the state is unknown",
        Some("55P03") => {
            "another session holds a lock that the check waits for: a schema change, or VACUUM FULL"
        }
        Some("57014") => {
            "the statement exceeded the check's time limit: the server is busy, or its disk is slow"
        }
        _ => "its state is unknown",
    };
    let finding = Finding::note(check, format!("the check {check} failed: {}", error.without_detail()), why);
    match error.code() {
        Some("42501") if check == revisions::NAME => finding.sql(format!(
            "GRANT SELECT ON tallybook_revisions, tallybook_steps TO \"{user}\"; -- or run the doctor as the \
             owner of the tables"
        )),
        Some("42501") => finding.sql(format!("GRANT pg_monitor TO \"{user}\"; -- as a superuser")),
        Some("55P03") => finding.sql(
            "SELECT pid, usename, application_name, state, xact_start FROM pg_stat_activity WHERE pid IN \
             (SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted);",
        ),
        _ => finding.run("tallybook doctor"),
    }
}
