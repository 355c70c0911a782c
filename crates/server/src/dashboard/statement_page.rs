//! The page of one statement.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use tallybook::{Report, StatementReport};

use super::cut::listed;
use super::figures::Figures;
use super::live::Live;
use super::panels::{Event, Finding};
use super::plan::Plan;
use super::problems::NO_STATEMENT;
use super::state::Statement;
use crate::request::{Problem, to_json};

/// Everything that is known of a statement.
#[derive(Debug, Serialize)]
struct StatementPage<'a> {
    /// Over the whole run.
    #[serde(flatten)]
    whole: Statement<'a>,
    window: Statement<'a>,
    failures: Vec<(&'a str, u64)>,
    executed: f64,
    fetched: f64,
    decoded: f64,
    waited: f64,
    max: f64,
    plan: Option<Plan>,
    plan_source: Option<String>,
    events: Vec<Event<'a>>,
    findings: Vec<Finding<'a>>,
}

/// Returns the page of a statement as JSON.
pub(super) fn statement_page(live: &Live, fingerprint: &str) -> Result<Vec<u8>, Problem> {
    let unknown = || Problem::new(NO_STATEMENT, "no statement with this fingerprint is counted");
    let report = live.report().ok_or_else(unknown)?;
    let statement = report.statements.iter().find(|statement| statement.fingerprint == fingerprint);
    let statement = statement.ok_or_else(unknown)?;
    let (lately, spark, time) = live.window(|window| {
        let spark = window.spark(fingerprint);
        (window.statement(fingerprint), spark, window.totals().time())
    });
    to_json(&page(&report, statement, &lately, spark, time))
}

fn page<'a>(
    report: &'a Report,
    statement: &'a StatementReport,
    lately: &Figures,
    spark: Vec<f64>,
    time: (Duration, Duration),
) -> StatementPage<'a> {
    let is_own = |of: &str| of == statement.fingerprint;
    let findings = report.findings.iter().filter(|finding| {
        is_own(&finding.fingerprint)
            || finding.source.as_ref().is_some_and(|source| is_own(&source.fingerprint))
    });
    let findings: Vec<_> = findings.map(Finding::from).collect();
    let is_found = !findings.is_empty();
    let total = report.totals.times.total.max(statement.times.total);
    let of_run = (report.elapsed(), total);
    StatementPage {
        whole: Statement::new(statement, &Figures::of(statement), of_run, spark.clone(), is_found)
            .with_text_of(statement),
        window: Statement::new(statement, lately, time, spark, is_found),
        failures: statement.failures.iter().map(|(kind, count)| (listed(kind), *count)).collect(),
        executed: statement.executed.as_secs_f64(),
        fetched: statement.fetched.as_secs_f64(),
        decoded: statement.decoded.as_secs_f64(),
        waited: statement.waited.as_secs_f64(),
        max: statement.times.max.as_secs_f64(),
        plan: statement.plan.as_deref().map(Plan::of),
        plan_source: statement.plan.as_ref().map(|_| captured(statement.plan_at)),
        events: report.events.iter().filter(|event| is_own(&event.fingerprint)).map(Event::from).collect(),
        findings,
    }
}

fn captured(at: Option<DateTime<Utc>>) -> String {
    let at = at.map_or_else(String::new, |at| format!(", {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    format!("captured when it was slow{at}")
}
