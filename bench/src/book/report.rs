//! Everything that was measured, for people and as JSON.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use super::compare::{Allocated, Comparison};
use super::goal::goals;
use super::options::{Options, Plan};
use super::target::Target;
use super::work::Work;
use crate::goal::{self, Goal};
use crate::json;
use crate::machine::Machine;
use crate::table::{count, quartiles, table};

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Option<Machine>,
    pub(super) plan: Plan,
    /// Versions of what isn't a crate.
    pub(super) versions: Vec<String>,
    /// Rows of an answer, on average.
    pub(super) rows: Vec<(Target, Work, f64)>,
    comparisons: Vec<Comparison>,
    pub(super) allocated: Vec<Allocated>,
    goals: Vec<Goal>,
}

impl Report {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            machine: None,
            plan,
            versions: Vec::new(),
            rows: Vec::new(),
            comparisons: Vec::new(),
            allocated: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Prints a comparison, so that one sees that it goes on, and keeps it.
    pub(super) fn add(&mut self, comparison: Comparison) {
        println!("{}", section(&comparison));
        self.comparisons.push(comparison);
    }

    /// Prints the rest, and writes the files that are wanted.
    pub(super) fn write(&mut self, options: &Options) -> Result<()> {
        self.goals = goals(&self.comparisons, &self.allocated);
        json::write(self, options.json.as_deref())?;
        let (head, tail) = (self.head(), self.tail());
        println!("{head}\n{tail}");
        if let Some(path) = &options.markdown {
            let sections: Vec<String> = self.comparisons.iter().map(section).collect();
            let text = format!("{head}\n{}\n{tail}", sections.join("\n"));
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn head(&self) -> String {
        let Plan { portfolios, trades, rounds, slice, .. } = &self.plan;
        let mut text = String::new();
        if let Some(machine) = &self.machine {
            let _ = writeln!(text, "{machine}");
        }
        if !self.versions.is_empty() {
            let _ = writeln!(text, "{}", self.versions.join(", "));
        }
        let _ = writeln!(
            text,
            "{portfolios} portfolios, {trades} trades; {rounds} rounds, {slice:?} for each peer in a round; medians \
             (quartiles). The ratio is Tallybook's operations per second over the peer's in the same round: above 1, \
             Tallybook is faster."
        );
        text
    }

    fn tail(&self) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            let rows = self
                .rows
                .iter()
                .map(|(target, work, rows)| [format!("{target}, {}", work.title()), format!("{rows:.0}")]);
            let _ = writeln!(text, "Every peer got the same rows.\n\n{}\n", table(["read", "rows"], rows));
        }
        if !self.allocated.is_empty() {
            let rows = self.allocated.iter().map(|count| {
                [
                    format!("{}, {}, {}", count.target, count.work.title(), count.peer),
                    format!("{:.2}", count.per_row),
                    format!("{:.2}", count.texts_per_row),
                ]
            });
            let head = ["read", "allocations per row", "texts owned per row"];
            let _ = writeln!(text, "{}\n", table(head, rows));
        }
        text + &goal::text(&self.goals)
    }
}

fn section(comparison: &Comparison) -> String {
    let rows = comparison.scores.iter().map(|score| {
        [
            score.peer.to_owned(),
            count(score.speed.median),
            format!("{:.1}", 1e6 / score.speed.median),
            quartiles(&score.ratio, |ratio| format!("{ratio:.2}")),
        ]
    });
    format!("{}\n\n{}\n", comparison.case, table(["peer", "operations/s", "µs each", "ratio"], rows))
}
