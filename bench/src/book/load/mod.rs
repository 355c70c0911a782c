//! Bulk load of trades: by Tallybook, by the shells of the databases, by the program `tallybook`.

mod place;
mod source;
mod way;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::compare::Score;
use super::options::Plan;
use super::target::Target;
use crate::tally::Tally;
use source::Source;
use way::Way;

pub(super) use place::Place;
pub(super) use way::versions;

/// Lets everyone load the same trades in turns, each into an empty table; who begins changes from round to round.
/// Speeds are in rows per second.
pub(super) async fn measure(place: &Place, plan: &Plan, program: &Path) -> Result<Vec<Score>> {
    let source = Arc::new(Source::take(place.url(), plan.loaded).await?);
    place.prepare()?;
    let ways: Vec<Way> = Way::all(place.target()).into_iter().filter(|way| plan.wants(way.name())).collect();
    let mut speeds = vec![Vec::new(); ways.len()];
    // A first round warms everyone up and does not count.
    for round in 0..=plan.rounds as usize {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            let way = ways[index];
            place.empty().await?;
            let time = way.load(place, &source, program).await.with_context(|| way.name())?;
            place.check(&source).await.with_context(|| way.name())?;
            if round > 0 {
                speeds[index].push(source.trades.len() as f64 / time.as_secs_f64());
            }
        }
    }
    let scores = ways.iter().zip(&speeds).map(|(way, own)| Score {
        peer: way.name(),
        speed: Tally::of(own.iter().copied()),
        ratio: Tally::of_ratio(&speeds[0], own),
    });
    Ok(scores.collect())
}

/// The shell of an engine.
fn shell(target: Target) -> &'static str {
    match target {
        Target::Postgres => "psql",
        Target::Sqlite => "sqlite3",
    }
}
