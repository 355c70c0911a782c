//! Ten times as many tasks as connections, each running a statement, beside exactly enough tasks.

use anyhow::Result;
use serde::Serialize;

use super::contestant::Contestant;
use super::crowd::{Crowd, Hold};
use super::options::Plan;
use super::peers::Contestants;
use crate::connections::CONNECTIONS;
use crate::tally::Tally;

/// Tasks for each connection.
const TIMES: usize = 10;

/// A pool under ten times the load that it has connections for.
#[derive(Debug, Serialize)]
pub(super) struct Oversubscribed {
    pub(super) pool: &'static str,
    /// Statements per second with exactly enough tasks, before and behind the crowd.
    pub(super) enough: Tally,
    /// Statements per second with the crowd.
    pub(super) crowd: Tally,
    /// The crowd's throughput as a part of that of exactly enough tasks.
    pub(super) kept: Tally,
    /// Nanoseconds of waiting in the crowd.
    pub(super) p50: Tally,
    pub(super) p99: Tally,
    pub(super) longest: Tally,
    /// The 99th percentile over the median.
    pub(super) stretch: Tally,
    /// Check-outs of the task that got the fewest and of the one that got the most.
    pub(super) least_served: Tally,
    pub(super) most_served: Tally,
}

/// What one trial gave.
struct Round {
    enough: f64,
    crowd: f64,
    p50: f64,
    p99: f64,
    longest: f64,
    least: f64,
    most: f64,
}

pub(super) async fn measure(contestants: &Contestants, plan: &Plan) -> Result<Vec<Oversubscribed>> {
    if plan.crowded_rounds == 0 {
        return Ok(Vec::new());
    }
    let mut rounds: Vec<Vec<Round>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.crowded_rounds {
        for (contestant, rounds) in contestants.iter().zip(&mut rounds) {
            rounds.push(round(contestant.as_ref(), plan).await?);
        }
    }
    let names = contestants.iter().map(|contestant| contestant.name());
    Ok(names.zip(&rounds).map(|(pool, rounds)| Oversubscribed::of(pool, rounds)).collect())
}

async fn round(contestant: &dyn Contestant, plan: &Plan) -> Result<Round> {
    let reference = Crowd { tasks: CONNECTIONS, hold: Hold::Ask, time: plan.crowded_trial / 4 };
    let crowd = Crowd { tasks: CONNECTIONS * TIMES, hold: Hold::Ask, time: plan.crowded_trial };
    contestant.warm().await?;
    let before = contestant.crowd(reference).await?;
    let turnout = contestant.crowd(crowd).await?;
    let behind = contestant.crowd(reference).await?;
    let served = &turnout.served;
    Ok(Round {
        enough: f64::midpoint(before.rate, behind.rate),
        crowd: turnout.rate,
        p50: turnout.waits.value_at_quantile(0.5) as f64,
        p99: turnout.waits.value_at_quantile(0.99) as f64,
        longest: turnout.waits.max() as f64,
        least: served.iter().min().copied().unwrap_or(0) as f64,
        most: served.iter().max().copied().unwrap_or(0) as f64,
    })
}

impl Oversubscribed {
    fn of(pool: &'static str, rounds: &[Round]) -> Self {
        let tally = |figure: fn(&Round) -> f64| Tally::of(rounds.iter().map(figure));
        Self {
            pool,
            enough: tally(|round| round.enough),
            crowd: tally(|round| round.crowd),
            kept: tally(|round| round.crowd / round.enough),
            p50: tally(|round| round.p50),
            p99: tally(|round| round.p99),
            longest: tally(|round| round.longest),
            stretch: tally(|round| round.p99 / round.p50.max(1.0)),
            least_served: tally(|round| round.least),
            most_served: tally(|round| round.most),
        }
    }
}
