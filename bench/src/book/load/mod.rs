//! Bulk load of trades: by Tallybook, by the shells of the databases, by the program `tallybook`.

mod place;
mod source;
mod way;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::compare::Score;
use super::options::Plan;
use crate::tally::Tally;
use source::Source;
use way::{Took, Way};

pub(super) use place::Place;
pub(super) use way::versions;

/// Lets everyone load the same trades in turns, each into an empty table; who begins changes from round to round.
/// Speeds are in rows per second.
pub(super) async fn measure(place: &Place, plan: &Plan, program: &Path) -> Result<Vec<Score>> {
    let source = Arc::new(Source::take(place.url(), plan.loaded).await?);
    place.prepare()?;
    let ways: Vec<Way> = Way::all(place.target()).into_iter().filter(|way| plan.wants(way.name())).collect();
    let mut all = vec![Vec::new(); ways.len()];
    // A first round warms everyone up and does not count.
    for round in 0..=plan.rounds as usize {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            let way = ways[index];
            place.empty().await?;
            let took = way.load(place, &source, program).await.with_context(|| way.name())?;
            place.check(&source).await.with_context(|| way.name())?;
            if round > 0 {
                all[index].push(took);
            }
        }
    }
    Ok(scores(&ways, &all, source.trades.len() as f64))
}

/// Each way without the start of its program, and with it if there is one.
fn scores(ways: &[Way], all: &[Vec<Took>], rows: f64) -> Vec<Score> {
    let speeds = |took: &[Took], time: fn(&Took) -> Duration| -> Vec<f64> {
        took.iter().map(|took| rows / time(took).as_secs_f64()).collect()
    };
    let first = speeds(&all[0], |took| took.whole);
    let score = |peer, own: Vec<f64>| Score {
        peer,
        speed: Tally::of(own.iter().copied()),
        ratio: Tally::of_ratio(&first, &own),
        cost: None,
    };
    let mut scores = Vec::new();
    for (way, took) in ways.iter().zip(all) {
        scores.push(score(way.name(), speeds(took, |took| took.whole.saturating_sub(took.start))));
        scores.extend(way.whole_name().map(|name| score(name, speeds(took, |took| took.whole))));
    }
    scores
}
