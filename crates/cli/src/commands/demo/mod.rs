//! `tallybook demo`: the whole path on one database, measured.

mod measure;
mod n_plus_one;
mod reads;
mod recording;
mod report;

pub(super) use n_plus_one::naive;

use std::time::Instant;

use anyhow::{Result, bail};
use tallybook::Database;
use tallybook::book::{Inspection, inspect, upgrade};

use super::seed::summary;
use crate::args::{Demo, Size};
use crate::database::Endpoint;
use crate::{output, progress, samples, seed};

const DEFAULT_DATABASE: &str = "sqlite:///./tallybook-demo.db";

pub(super) async fn run(target: Endpoint, args: &Demo, as_json: bool) -> Result<()> {
    let say = |text: String| if as_json { Ok(()) } else { output::line(text) };
    let db = target.open_to_fill(DEFAULT_DATABASE).await?;
    say(format!("database  {}", db.settings().database_url))?;

    refuse_other(&db).await?;
    for change in upgrade(&db).await? {
        say(format!("upgraded  {} {}", change.id, change.name))?;
    }
    let seeded = seed_if_empty(&db, args.size).await?;
    let is_new = seeded.is_some();
    if let Some(line) = seeded {
        say(line)?;
    }

    let samples = samples::take(&db).await?;
    let bar = progress::items("measuring", reads::COUNT);
    let reads = reads::measure(&db, &samples, args.runs, &bar).await?;
    let n_plus_one = n_plus_one::measure(&db, &samples, args.runs, &bar).await?;
    bar.finish_and_clear();
    let scene = record(&db, args.fills, is_new).await?;

    db.close().await;
    let shown = Shown { reads, n_plus_one, scene };
    if as_json { report::json(&db, &shown) } else { report::print(&db, &shown) }?;
    match shown.scene {
        Some(scene) if !scene.is_balanced() => {
            bail!("the recorded fills do not balance\nnext: tallybook check book")
        }
        _ => Ok(()),
    }
}

/// What the demo shows.
struct Shown {
    reads: Vec<reads::Reading>,
    n_plus_one: n_plus_one::NPlusOne,
    scene: Option<recording::Scene>,
}

async fn record(db: &Database, fills: u32, is_new: bool) -> Result<Option<recording::Scene>> {
    if fills == 0 {
        return Ok(None);
    }
    let bar = progress::items("recording", recording::calls(fills as usize));
    let scene = recording::run(db, fills as usize, is_new, &bar).await?;
    bar.finish_and_clear();
    Ok(Some(scene))
}

/// Refuses to write into a database of other tables.
async fn refuse_other(db: &Database) -> Result<()> {
    if let Inspection::Other(tables) = inspect(db).await? {
        let url = &db.settings().database_url;
        bail!(
            "{url} holds tables that are not a Tallybook book ({}); it was left as it is\n\
             next: tallybook demo --database with an empty or a new database",
            tables.join(", ")
        );
    }
    Ok(())
}

async fn seed_if_empty(db: &Database, size: Size) -> Result<Option<String>> {
    let start = Instant::now();
    let bar = progress::items("seeding", size.trades.into());
    let seeded = seed::load(db, size, &bar).await?;
    bar.finish_and_clear();
    Ok(seeded.map(|seeded| summary(&seeded, start.elapsed().as_secs_f64())))
}
