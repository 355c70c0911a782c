//! Judgements about the statements.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tallybook::{Confidence, MonitorMode};

use super::Evidence;
use super::verdict::Level;
use super::words::{counted, time};

/// Samples of the last minute.
const MINUTE: usize = 60;
/// Fewer samples of before are too few to compare with.
const MIN_BEFORE: usize = 60;
/// A latency below is fine, however it has risen.
const FAST: f64 = 0.005;
/// How often the latency before it must be exceeded.
const RISEN: f64 = 2.0;
const SOARED: f64 = 5.0;
/// Failed statements in a thousand.
const MANY_ERRORS: f64 = 10.0;
/// Slow statements in the window.
const MANY_SLOW: usize = 10;
/// A statement that runs for so long is worth a look.
const LONG: Duration = Duration::from_secs(2);
/// One that runs for so long keeps people waiting, most often behind a lock.
const STUCK: Duration = Duration::from_secs(10);
/// The part of all time that a loop may lose.
const GREAT_LOSS: f64 = 0.1;

pub(super) fn latency(evidence: &Evidence<'_>) -> (Level, String) {
    let p95: Vec<_> = evidence.history.fine().iter().map(|sample| sample.p95).collect();
    let (before, lately) = p95.split_at(p95.len().saturating_sub(MINUTE));
    let Some(now) = median(lately) else {
        return (Level::Unknown, "no statement ran in the last minute".to_owned());
    };
    let shown = time(Duration::from_secs_f64(now));
    let known = before.iter().flatten().count();
    let Some(usual) = median(before).filter(|_| known >= MIN_BEFORE) else {
        return (Level::Ok, format!("p95 {shown}; too new to compare"));
    };
    let text = format!("p95 {shown}, {} before", time(Duration::from_secs_f64(usual)));
    match now {
        now if now < FAST || now < RISEN * usual => (Level::Ok, text),
        now if now < SOARED * usual => (Level::Warn, text),
        _ => (Level::Bad, text),
    }
}

fn median(seconds: &[Option<f64>]) -> Option<f64> {
    let mut known: Vec<_> = seconds.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    known.get(known.len() / 2).copied()
}

pub(super) fn errors(evidence: &Evidence<'_>) -> (Level, String) {
    let totals = evidence.window.totals();
    let runs = totals.calls.saturating_add(totals.errors);
    let lately = time(totals.elapsed);
    match totals.errors {
        _ if totals.elapsed.is_zero() => (Level::Unknown, "nothing was counted yet".to_owned()),
        0 => (Level::Ok, format!("none of {} in {lately}", counted(runs, "statement", "statements"))),
        failed => {
            let many = failed as f64 * 1e3 >= MANY_ERRORS * runs as f64;
            let text = format!("{failed} of {} failed in {lately}", counted(runs, "statement", "statements"));
            (if many { Level::Bad } else { Level::Warn }, text)
        }
    }
}

/// Returns whether a statement that has not ended is worth a look.
pub(super) fn runs_long(evidence: &Evidence<'_>) -> bool {
    longest_running(evidence) >= LONG
}

fn longest_running(evidence: &Evidence<'_>) -> Duration {
    evidence.report.running.first().map(|running| running.running).unwrap_or_default()
}

pub(super) fn slow(evidence: &Evidence<'_>) -> (Level, String) {
    let report = evidence.report;
    let window = evidence.window.totals().elapsed;
    let is_recent = |ended: DateTime<Utc>| (report.at - ended).to_std().unwrap_or_default() <= window;
    let slow = report.events.iter().filter(|event| event.failure.is_none() && is_recent(event.ended)).count();
    let longest = longest_running(evidence);
    if longest >= STUCK {
        return (Level::Bad, format!("one has been running for {}", time(longest)));
    }
    let text = format!("{} in {}", counted(slow as u64, "slow statement", "slow statements"), time(window));
    match slow {
        0 if longest >= LONG => (Level::Warn, format!("one has been running for {}", time(longest))),
        0 => (Level::Ok, format!("none in {}", time(window))),
        slow if slow < MANY_SLOW => (Level::Warn, text),
        _ => (Level::Bad, text),
    }
}

pub(super) fn n_plus_one(evidence: &Evidence<'_>) -> (Level, String) {
    let report = evidence.report;
    let loops = report.findings.iter().filter(|finding| finding.confidence != Confidence::Redundant);
    let (count, lost) = loops
        .fold((0, Duration::ZERO), |(count, lost), finding| (count + 1, lost.saturating_add(finding.lost)));
    if count > 0 {
        let is_great = lost.as_secs_f64() > GREAT_LOSS * report.totals.times.total.as_secs_f64();
        let text = format!("{}, {} lost", counted(count, "loop", "loops"), time(lost));
        return (if is_great { Level::Bad } else { Level::Warn }, text);
    }
    match evidence.settings.mode {
        Some(MonitorMode::Full) => (Level::Ok, "no loop found".to_owned()),
        Some(_) => (Level::Unknown, "not looked for; DB_MONITOR=full does".to_owned()),
        None => (Level::Ok, "no loop found, if DB_MONITOR is full there".to_owned()),
    }
}
