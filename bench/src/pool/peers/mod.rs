//! The pools, each with its own defaults except for its size.

mod bb8;
mod deadpool;
mod sqlx;
mod tallybook;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::contestant::{Contestant, Entry};
pub(super) use tallybook::{NAME as TALLYBOOK, open as open_tallybook};

/// What every pool but deadpool has by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Something that is measured.
pub(super) type Contestants = Vec<Arc<dyn Contestant>>;

/// Opens every pool on a database and makes all its connections.
pub(super) async fn all(url: &str) -> Result<Contestants> {
    let contestants: Contestants = vec![
        Entry::shared("deadpool-postgres (Fast)", deadpool::Deadpool::open(url, None)?),
        Entry::shared(
            "deadpool-postgres (Fast, 30 s time-out)",
            deadpool::Deadpool::open(url, Some(TIMEOUT))?,
        ),
        Entry::shared("bb8-postgres (pings)", bb8::Bb8::open(url, true).await?),
        Entry::shared("bb8-postgres (no test_on_check_out)", bb8::Bb8::open(url, false).await?),
        Entry::shared("sqlx PgPool (pings)", sqlx::Sqlx::open(url, true).await?),
        Entry::shared("sqlx PgPool (no test_before_acquire)", sqlx::Sqlx::open(url, false).await?),
        Entry::shared(TALLYBOOK, tallybook::Tallybook::open(url).await?),
    ];
    for contestant in &contestants {
        contestant.warm().await?;
    }
    Ok(contestants)
}
