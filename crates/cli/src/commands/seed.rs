//! `tallybook seed`.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;
use tallybook::OpenMode;

use crate::args::Seed;
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::{output, progress, seed};

pub(super) async fn run(target: Endpoint, args: &Seed, as_json: bool) -> Result<()> {
    let deadline = Deadline::new(args.limits.within, as_json);
    let db = target.open_book(OpenMode::Existing, &deadline).await?;
    let start = Instant::now();
    let bar = progress::items("seeding", args.size.trades.into());
    let seeded = deadline.run(&db, seed::load(&db, args.size, &bar)).await?;
    bar.finish_and_clear();
    let Some(seeded) = seeded else {
        bail!("{} already holds portfolios; only an empty book is seeded", db.settings().database_url);
    };
    db.close().await;
    let seconds = start.elapsed().as_secs_f64();
    if as_json {
        output::json(&json!({ "rows": seeded, "seconds": seconds }))?;
    } else {
        output::line(summary(&seeded, seconds))?;
    }
    Ok(())
}

/// Returns a one-line summary of the generated rows.
pub(super) fn summary(seeded: &seed::Seeded, seconds: f64) -> String {
    let count = |rows: i64| output::thousands(rows.unsigned_abs());
    format!(
        "seeded {} portfolios, {} positions, {} sessions, {} trades, {} executions in {seconds:.1} s",
        count(seeded.portfolios),
        count(seeded.positions),
        count(seeded.trading_sessions),
        count(seeded.trades),
        count(seeded.executions)
    )
}
