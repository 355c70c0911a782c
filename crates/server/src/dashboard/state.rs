//! The text of a tick: the state that all viewers see.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::StatementReport;

use super::cut::{is_cut, listed, whole};
use super::figures::Figures;
use super::panels::{Event, Finding, Node, Pool, Running, site};
use super::sample::{Sample, rate};
use super::verdicts::{Evidence, Verdict, verdicts};

const MAX_STATEMENTS: usize = 100;
const MAX_EVENTS: usize = 50;

/// The state of a program.
#[derive(Debug, Serialize)]
pub(super) struct State<'a> {
    at: DateTime<Utc>,
    sample: Option<&'a Sample>,
    coarse: Option<&'a Sample>,
    verdicts: Vec<Verdict>,
    /// Seconds that the figures of statements cover.
    window: u64,
    statements: Vec<Statement<'a>>,
    /// Statements that ran in the window.
    statements_total: usize,
    running: Vec<Running<'a>>,
    events: Vec<Event<'a>>,
    findings: Vec<Finding<'a>>,
    pools: Vec<Pool<'a>>,
    nodes: Vec<Node<'a>>,
}

/// A statement over some time.
#[derive(Debug, Serialize)]
pub(super) struct Statement<'a> {
    fingerprint: &'a str,
    text: &'a str,
    cut: bool,
    summary: &'a str,
    at: Option<String>,
    share: f64,
    total: f64,
    calls: u64,
    rate: f64,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    rows: u64,
    errors: u64,
    spark: Vec<f64>,
    has_plan: bool,
    finding: bool,
}

impl<'a> Statement<'a> {
    /// Describes a statement with its figures over some time, of which all statements together took `all`.
    pub(super) fn new(
        statement: &'a StatementReport,
        figures: &Figures,
        (elapsed, all): (Duration, Duration),
        spark: Vec<f64>,
        finding: bool,
    ) -> Self {
        let [p50, p95, p99] = figures.quantiles();
        let all = all.as_secs_f64();
        Self {
            fingerprint: listed(&statement.fingerprint),
            text: listed(&statement.statement),
            cut: is_cut(&statement.statement),
            summary: listed(&statement.summary),
            at: statement.at.as_ref().map(site),
            share: if all > 0.0 { figures.total.as_secs_f64() / all } else { 0.0 },
            total: figures.total.as_secs_f64(),
            calls: figures.calls,
            rate: rate(figures.calls, elapsed),
            p50,
            p95,
            p99,
            rows: figures.rows,
            errors: figures.errors,
            spark,
            has_plan: statement.plan.is_some(),
            finding,
        }
    }

    /// Returns it with all of the statement's text.
    pub(super) fn with_text_of(self, statement: &'a StatementReport) -> Self {
        Self { text: whole(&statement.statement), cut: false, ..self }
    }
}

impl<'a> State<'a> {
    pub(super) fn new(evidence: &Evidence<'a>) -> Self {
        let Evidence { report, history, window, .. } = *evidence;
        let known: HashMap<&str, &StatementReport> =
            report.statements.iter().map(|statement| (&*statement.fingerprint, statement)).collect();
        let found: HashSet<&str> = report.findings.iter().map(|finding| &*finding.fingerprint).collect();
        let time = window.totals().time();
        let ran = window.statements();
        let statements = ran.iter().filter_map(|(fingerprint, figures)| {
            // It may have been evicted since.
            let statement = known.get(fingerprint)?;
            let spark = window.spark(fingerprint);
            Some(Statement::new(statement, figures, time, spark, found.contains(fingerprint)))
        });
        Self {
            at: report.at,
            sample: history.newest(),
            coarse: history.completed(),
            verdicts: verdicts(evidence),
            window: time.0.as_secs_f64().round() as u64,
            statements: statements.take(MAX_STATEMENTS).collect(),
            statements_total: ran.len(),
            running: report.running.iter().map(Running::from).collect(),
            events: report.events.iter().take(MAX_EVENTS).map(Event::from).collect(),
            findings: report.findings.iter().map(Finding::from).collect(),
            pools: report.pools.iter().map(Pool::from).collect(),
            nodes: report.nodes.iter().map(Node::from).collect(),
        }
    }

    /// Returns the state for a viewer who has the coarse samples already.
    pub(super) fn without_coarse(self) -> Self {
        Self { coarse: None, ..self }
    }
}
