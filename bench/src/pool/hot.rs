//! Check-outs of connections that were used a moment ago.

use anyhow::Result;
use serde::Serialize;

use super::crowd::{Crowd, Hold};
use super::options::Plan;
use super::peers::{Contestants, TALLYBOOK};
use super::tally::Tally;

/// Tasks that share the pool in the second part.
const TASKS: usize = 16;

/// One task, then sixteen.
#[derive(Debug, Serialize)]
pub(super) struct Hot {
    pub(super) alone: Vec<Alone>,
    pub(super) crowd: Vec<Crowded>,
    pub(super) alone_ratio: Ratio,
    pub(super) crowd_ratio: Ratio,
}

/// A pool with one task.
#[derive(Debug, Serialize)]
pub(super) struct Alone {
    pub(super) pool: &'static str,
    /// Nanoseconds of a check-out and its return.
    pub(super) nanoseconds: Tally,
}

/// A pool with more tasks than connections.
#[derive(Debug, Serialize)]
pub(super) struct Crowded {
    pub(super) pool: &'static str,
    /// Check-outs per second.
    pub(super) rate: Tally,
    /// Nanoseconds of waiting.
    pub(super) p50: Tally,
    pub(super) p99: Tally,
    /// Check-outs of the task served least, as a part of those of the task served most.
    pub(super) evenness: Tally,
}

/// How many times as fast as the fastest peer Tallybook is, round by round.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) fastest_peer: &'static str,
    pub(super) times_as_fast: Tally,
}

#[derive(Default)]
struct Series {
    rate: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    evenness: Vec<f64>,
}

pub(super) async fn measure(contestants: &Contestants, plan: &Plan) -> Result<Hot> {
    let mut alone = vec![Vec::new(); contestants.len()];
    let mut crowd: Vec<Series> = contestants.iter().map(|_| Series::default()).collect();
    for _ in 0..plan.rounds {
        for (contestant, series) in contestants.iter().zip(&mut alone) {
            contestant.warm().await?;
            series.push(contestant.alone(plan.trial).await?);
        }
        for (contestant, series) in contestants.iter().zip(&mut crowd) {
            contestant.warm().await?;
            let turnout =
                contestant.crowd(Crowd { tasks: TASKS, hold: Hold::Yield, time: plan.trial }).await?;
            series.rate.push(turnout.rate);
            series.p50.push(turnout.waits.value_at_quantile(0.5) as f64);
            series.p99.push(turnout.waits.value_at_quantile(0.99) as f64);
            let least = turnout.served.iter().min().copied().unwrap_or(0);
            let most = turnout.served.iter().max().copied().unwrap_or(0);
            series.evenness.push(least as f64 / most.max(1) as f64);
        }
    }
    let names: Vec<&'static str> = contestants.iter().map(|contestant| contestant.name()).collect();
    let speeds = |series: &Vec<f64>| series.iter().map(|ns| 1e9 / ns).collect();
    Ok(Hot {
        alone_ratio: Ratio::new(&names, &alone.iter().map(speeds).collect::<Vec<_>>()),
        crowd_ratio: Ratio::new(&names, &crowd.iter().map(|series| series.rate.clone()).collect::<Vec<_>>()),
        alone: names
            .iter()
            .zip(alone)
            .map(|(pool, series)| Alone { pool, nanoseconds: Tally::of(series) })
            .collect(),
        crowd: names
            .iter()
            .zip(crowd)
            .map(|(pool, Series { rate, p50, p99, evenness })| Crowded {
                pool,
                rate: Tally::of(rate),
                p50: Tally::of(p50),
                p99: Tally::of(p99),
                evenness: Tally::of(evenness),
            })
            .collect(),
    })
}

impl Ratio {
    /// From the speeds of every pool in every round.
    fn new(names: &[&'static str], speeds: &[Vec<f64>]) -> Self {
        let own = names.iter().position(|name| *name == TALLYBOOK).expect("Tallybook takes part");
        let median = |index: &usize| Tally::of(speeds[*index].iter().copied()).median;
        let fastest = (0..names.len())
            .filter(|index| *index != own)
            .max_by(|a, b| median(a).total_cmp(&median(b)))
            .expect("there are peers");
        Self { fastest_peer: names[fastest], times_as_fast: Tally::of_ratio(&speeds[own], &speeds[fastest]) }
    }
}
