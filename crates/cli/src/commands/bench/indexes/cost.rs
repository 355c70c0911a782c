//! The cost of an index: its size, and how much longer inserts take.

use std::ops::Range;
use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use tallybook::Database;
use tallybook::book::{Positions, Trades};
use tallybook::{Value, WriteSession, execute, one, params};

use super::catalog::{INDEXES, Index};
use super::measure::median;
use super::samples::Samples;
use crate::args::Indexes;

/// Number of insert transactions in a round.
const TRANSACTIONS: usize = 10;
/// The share of an insert's time below which a difference is noise.
const NOISE: f64 = 0.02;

/// The cost of one index.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cost {
    pub(super) index: &'static str,
    pub(super) bytes: u64,
    pub(super) pages: u64,
    /// Time to build it, in milliseconds.
    pub(super) build_ms: f64,
    /// Time of an inserted row with the index, in microseconds, including its share of the commit.
    pub(super) insert_us_with: f64,
    pub(super) insert_us_without: f64,
}

impl Cost {
    /// Returns how much longer an insert takes, in microseconds.
    pub(super) fn insert_us(&self) -> f64 {
        self.insert_us_with - self.insert_us_without
    }

    /// Returns whether that is more than the noise of a quiet machine.
    pub(super) fn is_measurable(&self) -> bool {
        self.insert_us() > NOISE * self.insert_us_without
    }
}

pub(super) async fn measure(
    db: &Database,
    samples: &Samples,
    args: &Indexes,
    bar: &ProgressBar,
) -> Result<Vec<Cost>> {
    let mut costs = Vec::with_capacity(INDEXES.len());
    for index in INDEXES {
        costs.push(measure_index(db, index, samples, args, bar).await?);
    }
    Ok(costs)
}

/// Unlike reads, inserts are committed: the cost of an index includes that of its commit.
async fn measure_index(
    db: &Database,
    index: Index,
    samples: &Samples,
    args: &Indexes,
    bar: &ProgressBar,
) -> Result<Cost> {
    let known = index.look_up(&mut db.read().await?).await?;
    let (mut with, mut without, mut build) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        with.push(insert(db, index, samples, args.inserts).await?);
        run(db, index.drop_statement()).await?;
        without.push(insert(db, index, samples, args.inserts).await?);
        let start = Instant::now();
        run(db, known.definition.clone()).await?;
        build.push(start.elapsed().as_secs_f64() * 1e3);
        bar.inc(1);
    }
    Ok(Cost {
        index: index.name(),
        bytes: known.bytes,
        pages: known.pages,
        build_ms: median(build),
        insert_us_with: median(with),
        insert_us_without: median(without),
    })
}

/// Inserts rows into the index's table and deletes them again. Returns the microseconds for each row.
async fn insert(db: &Database, index: Index, samples: &Samples, rows: u32) -> Result<f64> {
    let table = index.table();
    let last = one::<(i64,)>(format!("SELECT max(id) FROM {table}"), params![]);
    let (last,) = db.read().await?.run(last).await?;
    let rows = rows as usize;
    // A first transaction, not timed, does what the last schema change left to do: writing back SQLite's log,
    // preparing statements.
    insert_once(db, index, samples, rows..rows + rows / TRANSACTIONS).await?;
    let start = Instant::now();
    for transaction in 0..TRANSACTIONS {
        let turns = rows * transaction / TRANSACTIONS..rows * (transaction + 1) / TRANSACTIONS;
        insert_once(db, index, samples, turns).await?;
    }
    let took = start.elapsed().as_secs_f64() * 1e6 / rows as f64;
    let delete = execute(format!("DELETE FROM {table} WHERE id > $1"), params![last]);
    db.write(async |session: &mut WriteSession| session.run(delete).await).await?;
    Ok(took)
}

async fn insert_once(db: &Database, index: Index, samples: &Samples, turns: Range<usize>) -> Result<()> {
    let mut session = db.begin().await?;
    if index == Index::PositionsPortfolioSymbol {
        let new: Vec<_> = turns.map(|turn| samples.position(turn)).collect();
        Positions::new(&mut session).create_many(&new).await?;
    } else {
        let new: Vec<_> = turns.map(|turn| samples.trade(turn)).collect();
        Trades::new(&mut session).create_many(&new).await?;
    }
    session.commit().await?;
    Ok(())
}

async fn run(db: &Database, sql: String) -> Result<()> {
    let statement = execute(sql, Vec::<Value>::new());
    db.write(async |session: &mut WriteSession| session.run(statement).await).await?;
    Ok(())
}
