//! The same read as an N+1 loop and as an eager load, and the monitor's findings about the loop.

use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use tallybook::book::{Executions, LimitOffset, Trades};
use tallybook::{Database, ReadSession};
use tallybook::{QueryFinding, Scope};

use super::measure::{Measured, Meter};
use super::reads::PAGE;
use crate::samples::Samples;

/// The figures of both variants.
#[derive(Debug, Serialize)]
pub(super) struct NPlusOne {
    pub(super) naive: Measured,
    pub(super) eager: Measured,
    /// The monitor's findings about the loop.
    pub(super) findings: Vec<QueryFinding>,
}

/// Alternates between both variants, so that both see the same machine load.
pub(super) async fn measure(
    db: &Database,
    samples: &Samples,
    runs: u32,
    bar: &ProgressBar,
) -> Result<NPlusOne> {
    let mut session = db.read().await?;
    let (mut naive_meter, mut eager_meter) = (Meter::new()?, Meter::new()?);
    for _ in 0..runs.div_ceil(4) {
        timed(&mut session, samples, &mut naive_meter, naive).await?;
        timed(&mut session, samples, &mut eager_meter, eager).await?;
    }
    drop(session);
    bar.inc(2);
    let findings = find(db, samples).await?;
    Ok(NPlusOne { naive: naive_meter.finish(), eager: eager_meter.finish(), findings })
}

/// Runs the loop once more, as a request would, and returns the findings.
async fn find(db: &Database, samples: &Samples) -> Result<Vec<QueryFinding>> {
    let scope = Scope::new("demo: N+1 loop");
    scope.run(async { naive(&mut db.read().await?, samples).await }).await?;
    Ok(scope.summary().findings)
}

async fn timed(
    session: &mut ReadSession,
    samples: &Samples,
    meter: &mut Meter,
    way: impl AsyncFn(&mut ReadSession, &Samples) -> Result<()>,
) -> Result<()> {
    let before = session.counts();
    let start = Instant::now();
    way(session, samples).await?;
    meter.add(start.elapsed(), before, session.counts())
}

/// One statement for the trades, then one for the executions of each trade.
pub(in crate::commands) async fn naive(session: &mut ReadSession, samples: &Samples) -> Result<()> {
    let trades = Trades::new(session).get_by_portfolio(samples.busiest, LimitOffset::first(PAGE)).await?;
    for trade in trades {
        Executions::new(session).get_by_trade(trade.id).await?;
    }
    Ok(())
}

/// Two statements in one round trip.
async fn eager(session: &mut ReadSession, samples: &Samples) -> Result<()> {
    Trades::new(session).get_by_portfolio_with_executions(samples.busiest, PAGE).await?;
    Ok(())
}
