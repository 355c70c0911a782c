//! Whether a standby gets and replays the log.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::{one, optional};

pub(super) const NAME: &str = "replay";

const PAUSED: &str = "SELECT pg_is_wal_replay_paused()";
/// Whoever may not see it sees that it is there.
const RECEIVER: &str = "SELECT slot_name FROM pg_stat_wal_receiver";

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let (is_paused,) = visit.fetch(one::<(bool,)>(PAUSED, params![])).await?;
    let receiver = visit.fetch(optional::<(Option<String>,)>(RECEIVER, params![])).await?;
    let mut findings = Vec::new();
    if is_paused {
        findings.push(paused());
    }
    let receives = receiver.is_some();
    if let (Some(told), Some((slot,))) = (&mut visit.seen.told, receiver) {
        told.slot = slot;
    }
    if !receives {
        findings.push(alone(!server.settings.text("restore_command").is_empty()));
    }
    Ok(findings)
}

fn paused() -> Finding {
    Finding::critical(
        NAME,
        "the replay is paused: nothing that is written on the primary is seen here",
        "reads grow older by the minute, and the log that is not replayed fills its disk",
    )
    .sql("SELECT pg_wal_replay_resume();")
}

fn alone(has_archive: bool) -> Finding {
    let what = "the standby does not stream: it has no connection to a primary";
    let next = |finding: Finding| {
        finding
            .sql(
                "SELECT name, setting FROM pg_settings WHERE name IN ('primary_slot_name', \
                'restore_command', 'recovery_target_timeline');",
            )
            .advise(
                "the standby's log says why its wal receiver ends: the primary is gone, refuses it, or \
                has removed the log it needs",
            )
    };
    let why = "what is written on the primary does not arrive: reads grow older, and a fail-over to it loses \
        all since then";
    if has_archive {
        let why = "it gets the log from the archive only, so its reads are as old as the last file there";
        return next(Finding::warning(NAME, what, why));
    }
    next(Finding::critical(NAME, what, why))
}
