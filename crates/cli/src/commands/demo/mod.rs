//! `tallybook demo`: the whole path on one database, measured.

mod measure;
mod n_plus_one;
mod reads;
mod report;

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
    if let Some(line) = seed_if_empty(&db, args.size).await? {
        say(line)?;
    }

    let samples = samples::take(&db).await?;
    let bar = progress::items("measuring", reads::COUNT);
    let reads = reads::measure(&db, &samples, args.runs, &bar).await?;
    let n_plus_one = n_plus_one::measure(&db, &samples, args.runs, &bar).await?;
    bar.finish_and_clear();

    db.close().await;
    if as_json { report::json(&db, &reads, &n_plus_one) } else { report::print(&db, &reads, &n_plus_one) }
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
