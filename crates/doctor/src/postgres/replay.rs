//! Check `replay`: a standby receives and replays the log.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{one, optional};

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "replay";

const PAUSED: &str = "SELECT pg_is_wal_replay_paused()";
/// A user without rights still sees the row, with NULLs.
const RECEIVER: &str = "SELECT slot_name FROM pg_stat_wal_receiver";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let (is_paused,) = probe.fetch(one::<(bool,)>(PAUSED, params![])).await?;
    let receiver = probe.fetch(optional::<(Option<String>,)>(RECEIVER, params![])).await?;
    let mut findings = Vec::new();
    if is_paused {
        findings.push(paused());
    }
    let receives = receiver.is_some();
    if let (Some(peer_facts), Some((slot,))) = (&mut probe.report.peer_facts, receiver) {
        peer_facts.slot = slot;
    }
    if !receives {
        findings.push(not_streaming(!server.settings.text("restore_command").is_empty()));
    }
    Ok(findings)
}

fn paused() -> Finding {
    Finding::critical(
        NAME,
        "the replay is paused: nothing that is written on the primary is seen here",
        "reads grow staler by the minute, and the unreplayed log fills its disk",
    )
    .sql("SELECT pg_wal_replay_resume();")
}

fn not_streaming(has_archive: bool) -> Finding {
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
    let why =
        "new writes do not arrive: reads grow staler, and a fail-over to it loses everything since then";
    if has_archive {
        let why = "it gets the log from the archive only, so its reads are as old as the last archived file";
        return next(Finding::warning(NAME, what, why));
    }
    next(Finding::critical(NAME, what, why))
}
