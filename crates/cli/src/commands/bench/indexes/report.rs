//! The output of `tallybook bench indexes`.

use anyhow::Result;
use serde::Serialize;

use super::at_size::AtSize;
use super::cost::Cost;
use super::growth::{Growth, growth};
use super::measure::{Measured, Side};
use super::verdict::{Pays, Verdict, verdicts};
use crate::args::Indexes;
use crate::output::{self, thousands};

/// All measurements.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) dialect: String,
    rounds: u32,
    inserts: u32,
    sizes: Vec<AtSize>,
    growth: Vec<Growth>,
    verdicts: Vec<Verdict>,
}

impl Report {
    pub(super) fn new(args: &Indexes) -> Self {
        Self {
            dialect: String::new(),
            rounds: args.rounds,
            inserts: args.inserts,
            sizes: Vec::new(),
            growth: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, size: AtSize) {
        self.sizes.push(size);
    }

    /// Computes the conclusions from all sizes.
    pub(super) fn conclude(&mut self) {
        self.growth = growth(&self.sizes);
        self.verdicts = self.sizes.iter().flat_map(verdicts).collect();
    }

    pub(super) fn print(&self) -> Result<()> {
        for size in &self.sizes {
            self.print_reads(size)?;
            self.print_costs(size)?;
        }
        self.print_growth()?;
        self.print_verdicts()
    }

    fn print_reads(&self, size: &AtSize) -> Result<()> {
        output::line(format!(
            "\n{}, {} trades of {} portfolios: reads with and without their index, medians of {} rounds in turn",
            self.dialect,
            thousands(size.trades.into()),
            thousands(size.portfolios.into()),
            self.rounds
        ))?;
        let rows = size.reads.iter().map(read_row).collect();
        let header = ["read", "rows", "with", "without", "gain", "pages", "index used", "used without"];
        output::table(&header, rows, &[1, 2, 3, 4, 5])?;
        let pages = match size.reads.iter().any(|read| read.with.pages.is_some()) {
            true => "Pages are the shared buffers that a read touches, with and without its index.",
            false => "The pages that SQLite touches are not counted; those of its indexes are below.",
        };
        Ok(output::line(pages)?)
    }

    fn print_costs(&self, size: &AtSize) -> Result<()> {
        output::line(format!(
            "\nWhat the indexes cost at that size: {} inserts in ten transactions",
            thousands(self.inserts.into())
        ))?;
        let row = |cost: &Cost| {
            vec![
                cost.index.to_owned(),
                thousands(cost.bytes),
                thousands(cost.pages),
                time(cost.build_ms * 1e3),
                time(cost.insert_us_with),
                time(cost.insert_us_without),
                format!("{:+.0} %", 100.0 * cost.insert_us() / cost.insert_us_without),
            ]
        };
        let header = ["index", "bytes", "pages", "build", "insert with", "insert without", "longer"];
        output::table(&header, size.indexes.iter().map(row).collect(), &[1, 2, 3, 4, 5, 6])?;
        Ok(())
    }

    fn print_growth(&self) -> Result<()> {
        let (Some(first), Some(last)) = (self.sizes.first(), self.sizes.last()) else { return Ok(()) };
        if self.growth.is_empty() {
            return Ok(());
        }
        output::line(format!(
            "\nGrowth of the time from {} to {} trades: 0 stays the same, 1 grows as the book does",
            thousands(first.trades.into()),
            thousands(last.trades.into())
        ))?;
        let steps = |growth: &Growth| {
            let texts = growth.steps.iter().map(|step| format!("{:.2} / {:.2}", step.with, step.without));
            texts.collect::<Vec<_>>().join(", ")
        };
        let row = |growth: &Growth| {
            let number = |exponent: f64| format!("{exponent:.2}");
            vec![growth.read.to_owned(), number(growth.with), number(growth.without), steps(growth)]
        };
        let rows = self.growth.iter().map(row).collect();
        output::table(&["read", "with", "without", "size by size, with / without"], rows, &[1, 2])?;
        Ok(())
    }

    fn print_verdicts(&self) -> Result<()> {
        output::line("\nDoes it pay?")?;
        let row = |verdict: &Verdict| {
            vec![
                format!("{}\n  {}", verdict.index, verdict.read),
                thousands(verdict.trades.into()),
                verdict.pays.word().to_owned(),
                verdict.why.replace("; ", "\n"),
            ]
        };
        let header = ["index, and the read it is for", "trades", "pays", "why"];
        output::table(&header, self.verdicts.iter().map(row).collect(), &[1])?;
        let useless = self.verdicts.iter().filter(|verdict| verdict.pays == Pays::No).count();
        output::line(match useless {
            0 => "Every index pays for every read here.".to_owned(),
            _ => format!("An index does not pay in {useless} of {} cases.", self.verdicts.len()),
        })?;
        Ok(())
    }
}

fn read_row(measured: &Measured) -> Vec<String> {
    let Measured { read, rows, with, without, .. } = measured;
    vec![
        (*read).to_owned(),
        format!("{rows:.1}"),
        time(with.median_us),
        time(without.median_us),
        format!("{:.1}x", without.median_us / with.median_us),
        pages(with, without),
        used(with),
        used(without),
    ]
}

fn pages(with: &Side, without: &Side) -> String {
    match (with.pages, without.pages) {
        (Some(with), Some(without)) => format!("{} / {}", thousands(with), thousands(without)),
        _ => "-".to_owned(),
    }
}

fn used(side: &Side) -> String {
    if side.indexes_used.is_empty() { "none".to_owned() } else { side.indexes_used.join("\n") }
}

/// Formats microseconds, with a decimal if they are few.
fn time(micros: f64) -> String {
    if micros < 100.0 { format!("{micros:.1} µs") } else { output::micros(micros.round() as u64) }
}
