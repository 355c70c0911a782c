//! Check-outs of connections that were used a moment ago.

use anyhow::{Context, Result};
use serde::Serialize;

use super::crowd::{Crowd, Hold};
use super::options::Plan;
use super::peers::{Contestants, TALLYBOOK};
use crate::tally::Tally;

/// Tasks that share the pool in the second part.
const TASKS: usize = 16;

/// A pool is fair enough if its task served least gets this part of what the one served most gets.
const FAIR: f64 = 0.5;

/// One task, then sixteen.
#[derive(Debug, Serialize)]
pub(super) struct Hot {
    pub(super) alone: Vec<Alone>,
    pub(super) crowd: Vec<Crowded>,
    pub(super) alone_ratio: Ratio,
    pub(super) crowd_ratio: Ratio,
    /// Beside the fastest of the peers that let no task starve.
    pub(super) fair_ratio: Option<Ratio>,
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
    let alone_speeds: Vec<Vec<f64>> = alone.iter().map(speeds).collect();
    let crowd_speeds: Vec<Vec<f64>> = crowd.iter().map(|series| series.rate.clone()).collect();
    let fair = |index: usize| Tally::of(crowd[index].evenness.iter().copied()).median >= FAIR;
    Ok(Hot {
        alone_ratio: Ratio::new(&names, &alone_speeds, |_| true).context("there are no peers")?,
        crowd_ratio: Ratio::new(&names, &crowd_speeds, |_| true).context("there are no peers")?,
        fair_ratio: Ratio::new(&names, &crowd_speeds, fair),
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
    /// From the speeds of every pool in every round; `counts` says which peers do.
    fn new(names: &[&'static str], speeds: &[Vec<f64>], counts: impl Fn(usize) -> bool) -> Option<Self> {
        let own = names.iter().position(|name| *name == TALLYBOOK)?;
        let median = |index: &usize| Tally::of(speeds[*index].iter().copied()).median;
        let fastest = (0..names.len())
            .filter(|index| *index != own && counts(*index))
            .max_by(|a, b| median(a).total_cmp(&median(b)))?;
        let times_as_fast = Tally::of_ratio(&speeds[own], &speeds[fastest]);
        Some(Self { fastest_peer: names[fastest], times_as_fast })
    }
}
