//! How the cost of reads grows with the book: Tallybook alone, on books of several sizes in turns.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use super::contestant::Contestant;
use super::options::{Plan, Size};
use super::peers::{self, Planner};
use super::questions::Questions;
use super::stage::Stage;
use super::target::Target;
use super::work::Work;
use crate::runtime::runtime;
use crate::table::count;
use crate::tally::Tally;

/// What is read; the first page beside the deep one.
const READS: [Read; 7] = [
    Read::Of(Work::Relations),
    Read::Of(Work::Executions),
    Read::Of(Work::Position),
    Read::Of(Work::Session),
    Read::Of(Work::Portfolios),
    Read::FirstPage,
    Read::Of(Work::Page),
];

/// A read of one book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Of(Work),
    FirstPage,
}

/// A read at one size.
#[derive(Debug, Serialize)]
pub(super) struct Grown {
    pub(super) target: Target,
    pub(super) read: &'static str,
    pub(super) trades: u32,
    /// Rows of an answer, on average.
    pub(super) rows: f64,
    /// Microseconds of one.
    pub(super) time: Tally,
    /// Its time for each row over that on the smallest book, round by round.
    pub(super) ratio: Tally,
}

/// The deep page beside the first.
#[derive(Debug, Serialize)]
pub(super) struct Depth {
    pub(super) target: Target,
    pub(super) trades: u32,
    /// The time of the deep page over that of the first, round by round.
    pub(super) ratio: Tally,
}

/// The plan of a read on one book.
#[derive(Debug, Serialize)]
pub(super) struct Planned {
    pub(super) target: Target,
    pub(super) read: &'static str,
    pub(super) trades: u32,
    /// A step a line.
    pub(super) outline: String,
    /// True if it is the plan on the next smaller book.
    pub(super) is_as_before: bool,
}

/// The measurements of one dialect's books.
pub(super) type Growth = (Vec<Grown>, Vec<Depth>, Vec<Planned>);

/// A book that is read.
struct Book {
    trades: u32,
    questions: Arc<Questions>,
    tallybook: Arc<dyn Contestant>,
    first_page: Arc<dyn Contestant>,
    planner: Planner,
}

/// Makes the books of an engine, one of each size.
pub(super) fn stages(target: Target, program: &Path, plan: &Plan) -> Result<Vec<Stage>> {
    plan.growth.iter().map(|&size| set(target, size, program)).collect()
}

/// Reads the books of an engine.
pub(super) fn measure(target: Target, stages: &[Stage], plan: &Plan) -> Result<Growth> {
    // The connections end with the runtime, before the servers do.
    runtime()?.block_on(async {
        let mut books = Vec::new();
        for (stage, size) in stages.iter().zip(&plan.growth) {
            books.push(Book::open(stage, size.trades).await?);
        }
        let (grown, depths) = read(target, plan, &books).await?;
        Ok((grown, depths, plans(target, &books).await?))
    })
}

fn set(target: Target, size: Size, program: &Path) -> Result<Stage> {
    let start = Instant::now();
    let stage = Stage::set(target, size, program)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{target}: made a book of {} trades in {seconds:.0} s", count(size.trades.into()));
    Ok(stage)
}

async fn read(target: Target, plan: &Plan, books: &[Book]) -> Result<(Vec<Grown>, Vec<Depth>)> {
    let mut times = vec![vec![Vec::new(); books.len()]; READS.len()];
    // A first round warms everyone up and does not count.
    for round in 0..=plan.rounds as usize {
        println!("{target}: round {round} of {}", plan.rounds);
        for (read, times) in READS.iter().zip(&mut times) {
            for turn in 0..books.len() {
                let index = (round + turn) % books.len();
                let time = books[index].time(*read, plan).await?;
                if round > 0 {
                    times[index].push(time);
                }
            }
        }
    }
    let mut grown = Vec::new();
    for (read, times) in READS.iter().zip(&times) {
        let mut smallest: Option<Vec<f64>> = None;
        for (book, times) in books.iter().zip(times) {
            let rows = book.rows(*read).await?;
            let of_row: Vec<f64> = times.iter().map(|time| time / rows).collect();
            let ratio = Tally::of_ratio(&of_row, smallest.get_or_insert_with(|| of_row.clone()));
            let time = Tally::of(times.iter().copied());
            grown.push(Grown { target, read: read.title(), trades: book.trades, rows, time, ratio });
        }
    }
    let place = |read| READS.iter().position(|other| *other == read).unwrap_or_default();
    let (first, deep) = (&times[place(Read::FirstPage)], &times[place(Read::Of(Work::Page))]);
    let depth = |((book, first), deep): ((&Book, &Vec<f64>), &Vec<f64>)| Depth {
        target,
        trades: book.trades,
        ratio: Tally::of_ratio(deep, first),
    };
    Ok((grown, books.iter().zip(first).zip(deep).map(depth).collect()))
}

/// The plan of each read on each book.
async fn plans(target: Target, books: &[Book]) -> Result<Vec<Planned>> {
    let mut all: Vec<Planned> = Vec::new();
    for work in READS.iter().filter_map(|read| if let Read::Of(work) = read { Some(*work) } else { None }) {
        let mut before: Option<String> = None;
        for book in books {
            let outline = book.planner.outline(&book.questions.of(work)[0]).await?;
            let shape = shape(&outline);
            let is_as_before = before.is_none_or(|before| before == shape);
            before = Some(shape);
            all.push(Planned { target, read: work.title(), trades: book.trades, outline, is_as_before });
        }
    }
    Ok(all)
}

/// A plan without its estimates, which grow with the book.
fn shape(outline: &str) -> String {
    outline.lines().map(|line| line.split(" (cost ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

impl Read {
    fn title(self) -> &'static str {
        match self {
            Self::Of(work) => work.title(),
            Self::FirstPage => "page 1 of the trades",
        }
    }

    /// The work whose questions are asked.
    fn work(self) -> Work {
        match self {
            Self::Of(work) => work,
            Self::FirstPage => Work::Page,
        }
    }
}

impl Book {
    async fn open(stage: &Stage, trades: u32) -> Result<Self> {
        let questions = Arc::new(Questions::find(stage.url(), Vec::new()).await?);
        let (tallybook, first_page, planner) = peers::alone(stage.url(), &questions).await?;
        Ok(Self { trades, questions, tallybook, first_page, planner })
    }

    fn reader(&self, read: Read) -> &Arc<dyn Contestant> {
        if read == Read::FirstPage { &self.first_page } else { &self.tallybook }
    }

    /// Microseconds of a read.
    async fn time(&self, read: Read, plan: &Plan) -> Result<f64> {
        Ok(1e6 / self.reader(read).slice(read.work(), 1, plan.slice).await?.speed())
    }

    /// Rows of an answer, on average.
    async fn rows(&self, read: Read) -> Result<f64> {
        let sum = self.reader(read).check(read.work()).await?.context("it reads no rows")?;
        Ok(sum.rows as f64 / self.questions.of(read.work()).len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_differ_in_estimates_alone_have_the_same_shape() {
        let small =
            "Limit (cost 5, rows 51)\n  Index Scan using ix_trades_created_at on trades (cost 131, rows 250)";
        let large = "Limit (cost 6, rows 51)\n  Index Scan using ix_trades_created_at on trades (cost 13191, rows 250851)";
        assert_eq!(shape(small), shape(large));
        assert_ne!(shape(small), shape("Limit (cost 5, rows 51)\n  Seq Scan on trades (cost 131, rows 250)"));
    }
}
