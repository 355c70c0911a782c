//! Judgements about pools and servers.

use tallybook::{NodeRole, NodeState, PoolReport, Report};

use super::Evidence;
use super::asked::by_doctor;
use super::verdict::Level;
use super::words::{counted, time};

/// Samples of the last minute, and of a moment.
const MINUTE: usize = 60;
const MOMENT: usize = 5;
/// Sizes of SQLite's write-ahead log, in bytes. It is shortened from 16 MiB on, if no long read prevents that.
const LONG_LOG: u64 = 64 << 20;
const HUGE_LOG: u64 = 1 << 30;

pub(super) fn pool(evidence: &Evidence<'_>) -> (Level, String) {
    let pools = &evidence.report.pools;
    let sum = |count: fn(&PoolReport) -> usize| pools.iter().map(count).fold(0, usize::saturating_add);
    let (in_use, limit) = (sum(|pool| pool.in_use), sum(|pool| pool.limit));
    let newest = || evidence.history.fine().iter().rev().map(|sample| sample.waiting);
    let timeouts = evidence.window.totals().timeouts;
    let longest = pools.iter().filter_map(|pool| pool.longest.as_ref()).max_by_key(|longest| longest.held);
    let used = format!("{in_use} of {limit} in use");
    if timeouts > 0 {
        let callers = counted(timeouts, "caller", "callers");
        return (Level::Bad, format!("{used}; {callers} got no connection in time"));
    }
    if newest().take(MOMENT).filter(|waiting| *waiting > 0).count() == MOMENT {
        return (Level::Bad, format!("{used}; callers wait all the time"));
    }
    if let Some(longest) = longest.filter(|longest| longest.held >= evidence.settings.leak_threshold) {
        return (Level::Warn, format!("{used}; one held for {}", time(longest.held)));
    }
    match newest().take(MINUTE).max().unwrap_or_default() {
        0 => (Level::Ok, format!("{used}, no waiting")),
        most => (Level::Warn, format!("{used}; up to {most} waited")),
    }
}

pub(super) fn replicas(evidence: &Evidence<'_>) -> (Level, String) {
    let nodes = &evidence.report.nodes;
    let down: Vec<_> = nodes.iter().filter(|node| node.state == NodeState::Down).collect();
    if let Some(node) = down.first() {
        let text = match down.len() {
            1 => format!("{} is down", node.name),
            several => format!("{several} of {} servers are down", nodes.len()),
        };
        return (Level::Bad, text);
    }
    if let Some(node) = nodes.iter().find(|node| node.state != NodeState::Up) {
        let lag = node.lag.map_or_else(String::new, |lag| format!(" by {}", time(lag)));
        return (Level::Warn, format!("{} is {}{lag}", node.name, node.state));
    }
    match replicas_of(evidence.report) {
        0 => (Level::Ok, "one server, no replicas".to_owned()),
        count => (Level::Ok, format!("{} up", counted(count as u64, "replica", "replicas"))),
    }
}

/// Reads that moved from the server that was chosen for them to another one.
pub(super) fn spill(evidence: &Evidence<'_>) -> (Level, String) {
    let totals = evidence.window.totals();
    match totals.fallbacks {
        0 if replicas_of(evidence.report) == 0 => (Level::Ok, "no replicas to fall back from".to_owned()),
        0 => (Level::Ok, format!("no read moved to another server in {}", time(totals.elapsed))),
        moved => {
            let reads = counted(moved, "read", "reads");
            (Level::Warn, format!("{reads} moved to another server in {}", time(totals.elapsed)))
        }
    }
}

pub(super) fn disk(evidence: &Evidence<'_>) -> (Level, String) {
    let log = evidence.report.nodes.iter().filter_map(|node| node.log_bytes).max();
    let Some(log) = log else { return by_doctor(evidence, &["disk"], "the free space") };
    let text = format!("write-ahead log {:.1} MB", log as f64 / 1e6);
    match log {
        log if log < LONG_LOG => (Level::Ok, text),
        log if log < HUGE_LOG => (Level::Warn, format!("{text}; a long read keeps it")),
        _ => (Level::Bad, format!("{text}; a long read keeps it")),
    }
}

fn replicas_of(report: &Report) -> usize {
    report.nodes.iter().filter(|node| node.role == NodeRole::Replica).count()
}
