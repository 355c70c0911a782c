//! The lists of the page, as it reads them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::{
    NodeRole, NodeState, NodeStatus, PoolReport, QueryFinding, RunningReport, SourceLocation, StatementEvent,
};

use super::cut::listed;

/// Returns a line of code as text.
pub(super) fn site(at: &SourceLocation) -> String {
    format!("{}:{}", listed(&at.file), at.line)
}

/// A running statement.
#[derive(Debug, Serialize)]
pub(super) struct Running<'a> {
    text: &'a str,
    fingerprint: &'a str,
    at: String,
    running: f64,
}

impl<'a> From<&'a RunningReport> for Running<'a> {
    fn from(running: &'a RunningReport) -> Self {
        Self {
            text: listed(&running.statement),
            fingerprint: listed(&running.fingerprint),
            at: site(&running.at),
            running: running.running.as_secs_f64(),
        }
    }
}

/// A statement that was slow or failed.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    ended: DateTime<Utc>,
    text: &'a str,
    fingerprint: &'a str,
    at: String,
    took: f64,
    waited: f64,
    rows: u64,
    failure: Option<&'a str>,
}

impl<'a> From<&'a StatementEvent> for Event<'a> {
    fn from(event: &'a StatementEvent) -> Self {
        Self {
            ended: event.ended,
            text: listed(&event.statement),
            fingerprint: listed(&event.fingerprint),
            at: site(&event.at),
            took: event.took.as_secs_f64(),
            waited: event.waited.as_secs_f64(),
            rows: event.rows,
            failure: event.failure.as_deref().map(listed),
        }
    }
}

/// Statements that ran more often than necessary.
#[derive(Debug, Serialize)]
pub(super) struct Finding<'a> {
    confidence: tallybook::Confidence,
    summary: &'a str,
    text: &'a str,
    fingerprint: &'a str,
    at: String,
    source: Option<Source<'a>>,
    runs: u64,
    distinct: u64,
    scopes: u64,
    lost: f64,
    suggestion: &'a str,
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    statement: &'a str,
    fingerprint: &'a str,
    at: String,
    column: &'a str,
    rows: u64,
}

impl<'a> From<&'a QueryFinding> for Finding<'a> {
    fn from(finding: &'a QueryFinding) -> Self {
        Self {
            confidence: finding.confidence,
            summary: listed(&finding.summary),
            text: listed(&finding.statement),
            fingerprint: listed(&finding.fingerprint),
            at: site(&finding.at),
            source: finding.source.as_ref().map(|source| Source {
                statement: listed(&source.statement),
                fingerprint: listed(&source.fingerprint),
                at: site(&source.at),
                column: listed(&source.column),
                rows: source.rows,
            }),
            runs: finding.runs,
            distinct: finding.distinct,
            scopes: finding.scopes,
            lost: finding.lost.as_secs_f64(),
            suggestion: listed(&finding.suggestion),
        }
    }
}

/// A connection pool.
#[derive(Debug, Serialize)]
pub(super) struct Pool<'a> {
    name: &'a str,
    limit: usize,
    in_use: usize,
    idle: usize,
    waiting: usize,
    timeouts: u64,
    created: u64,
    closed: u64,
    wait_p99: f64,
    hold_p99: f64,
    longest: Option<Longest>,
}

#[derive(Debug, Serialize)]
struct Longest {
    at: String,
    held: f64,
}

impl<'a> From<&'a PoolReport> for Pool<'a> {
    fn from(pool: &'a PoolReport) -> Self {
        Self {
            name: listed(&pool.name),
            limit: pool.limit,
            in_use: pool.in_use,
            idle: pool.idle,
            waiting: pool.waiting,
            timeouts: pool.timeouts,
            created: pool.created,
            closed: pool.closed,
            wait_p99: pool.wait.p99.as_secs_f64(),
            hold_p99: pool.hold.p99.as_secs_f64(),
            longest: pool
                .longest
                .as_ref()
                .map(|longest| Longest { at: site(&longest.at), held: longest.held.as_secs_f64() }),
        }
    }
}

/// A server.
#[derive(Debug, Serialize)]
pub(super) struct Node<'a> {
    name: &'a str,
    role: NodeRole,
    state: NodeState,
    reason: &'a str,
    since: f64,
    lag: Option<f64>,
    lag_bytes: Option<u64>,
    timeline: Option<u32>,
    latency: Option<f64>,
    served: u64,
    fallbacks: u64,
    in_flight: usize,
    log_bytes: Option<u64>,
    zone: Option<&'a str>,
}

impl<'a> From<&'a NodeStatus> for Node<'a> {
    fn from(node: &'a NodeStatus) -> Self {
        Self {
            name: listed(&node.name),
            role: node.role,
            state: node.state,
            reason: listed(&node.reason),
            since: node.since.as_secs_f64(),
            lag: node.lag.map(|lag| lag.as_secs_f64()),
            lag_bytes: node.lag_bytes,
            timeline: node.timeline,
            latency: node.latency.map(|latency| latency.as_secs_f64()),
            served: node.served,
            fallbacks: node.fallbacks,
            in_flight: node.in_flight,
            log_bytes: node.log_bytes,
            zone: node.zone.as_deref().map(listed),
        }
    }
}
