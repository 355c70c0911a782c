//! Everything that was measured, for people and as JSON.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;
use tallybook_charts::{Page, Ratio, RatioChart, RatioGroup};

use super::compare::{Allocated, Case, Comparison, Score};
use super::cost::Share;
use super::goal::goals;
use super::growth::{Depth, Grown, Planned};
use super::options::{Options, Plan, Size};
use super::stage::Stage;
use super::target::Target;
use super::work::Work;
use crate::goal::{self, Goal};
use crate::json;
use crate::machine::Machine;
use crate::table::{count, quartiles, table};

/// Whose versions are named.
const CRATES: [&str; 10] = [
    "tallybook",
    "deadpool-postgres",
    "diesel",
    "diesel-async",
    "libsqlite3-sys",
    "rusqlite",
    "sea-orm",
    "sqlx",
    "tokio",
    "tokio-postgres",
];

const KIB: f64 = 1024.0;

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Option<Machine>,
    pub(super) plan: Plan,
    /// Versions of what isn't a crate.
    pub(super) versions: Vec<String>,
    /// Rows of an answer, on average.
    pub(super) rows: Vec<(Target, Work, f64)>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) allocated: Vec<Allocated>,
    /// Trades that were written in the turns of a case, all of them as they should be.
    pub(super) written: Vec<(Case, usize)>,
    /// Fills that were recorded in the turns of a case; every book balances.
    pub(super) recorded: Vec<(Case, usize)>,
    pub(super) grown: Vec<Grown>,
    pub(super) depths: Vec<Depth>,
    pub(super) planned: Vec<Planned>,
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
            written: Vec::new(),
            recorded: Vec::new(),
            grown: Vec::new(),
            depths: Vec::new(),
            planned: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Looks at the machine, and at the server if the stage is one.
    pub(super) fn look(&mut self, stage: &Stage) -> Result<()> {
        if let Some(server) = stage.server() {
            self.machine = Some(Machine::look(&server.url("postgres"), &CRATES)?);
        }
        Ok(())
    }

    /// Prints a comparison, so that one sees that it goes on, and keeps it.
    pub(super) fn add(&mut self, comparison: Comparison) {
        println!("{}", section(&comparison));
        self.comparisons.push(comparison);
    }

    /// Prints the rest, and writes the files that are wanted.
    pub(super) fn write(&mut self, options: &Options) -> Result<()> {
        self.goals = goals(&self.comparisons, &self.allocated, &self.grown, &self.depths);
        json::write(self, options.json.as_deref())?;
        let (head, tail) = (self.head(), self.tail());
        println!("{head}\n{tail}");
        if let Some(path) = &options.markdown {
            let sections: Vec<String> = self.comparisons.iter().map(section).collect();
            let text = format!("{head}\n{}\n{tail}", sections.join("\n"));
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if let Some(path) = &options.html {
            let text = page(&head, &self.comparisons);
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn head(&self) -> String {
        let Plan { size: Size { portfolios, trades }, loaded, rounds, slice, growth, .. } = &self.plan;
        let mut text = String::new();
        if let Some(machine) = &self.machine {
            let _ = writeln!(text, "{machine}");
        }
        if !self.versions.is_empty() {
            let _ = writeln!(text, "{}", self.versions.join(", "));
        }
        let _ = if growth.is_empty() {
            writeln!(
                text,
                "{portfolios} portfolios, {trades} trades, {loaded} of them in a bulk load; {rounds} rounds, {slice:?} \
                 for each peer in a round; medians (quartiles). The ratio is Tallybook's operations per second over the \
                 peer's in the same round: above 1, Tallybook is faster. The operation of a bulk load is a row. \
                 Processor time is in microseconds an operation, and its ratio is Tallybook's over the peer's: below 1, \
                 Tallybook needs less. The server's is that of its backends."
            )
        } else {
            writeln!(
                text,
                "{rounds} rounds, {slice:?} for each read in a round; medians (quartiles); one task."
            )
        };
        text
    }

    fn tail(&self) -> String {
        let growth = [self.growth(), self.depth(), self.plans()];
        let parts =
            [self.rows(), self.needs()].into_iter().chain(growth).chain([Some(goal::text(&self.goals))]);
        parts.flatten().collect::<Vec<_>>().join("\n\n")
    }

    /// What everyone read and wrote.
    fn rows(&self) -> Option<String> {
        let read = self.rows.iter().map(|(target, work, rows)| {
            [format!("{target}, {}", work.title()), format!("{rows:.0} an answer")]
        });
        let written = self.written.iter().map(|(case, trades)| {
            [case.to_string(), format!("{} trades, all the same", count(*trades as f64))]
        });
        let recorded = self.recorded.iter().map(|(case, fills)| {
            [case.to_string(), format!("{} fills, every book balances", count(*fills as f64))]
        });
        let rows: Vec<_> = read.chain(written).chain(recorded).collect();
        if rows.is_empty() {
            return None;
        }
        Some(format!("Every peer got and wrote the same rows.\n\n{}", table(["work", "rows"], rows)))
    }

    fn needs(&self) -> Option<String> {
        let rows = self.allocated.iter().map(|count| {
            [
                format!("{}, {}, {}", count.target, count.work.title(), count.peer),
                format!("{:.2}", count.per_row),
                format!("{:.2}", count.texts_per_row),
                format!("{:.1}", count.per_answer),
                format!("{:.1}", count.answer_bytes / KIB),
                format!("{:.1}", count.peak_bytes / KIB),
                format!("{:.2}", count.peak_bytes / count.answer_bytes),
            ]
        });
        let head = [
            "read",
            "allocations per row",
            "texts owned per row",
            "allocations per answer",
            "answer, KiB",
            "peak, KiB",
            "peak over answer",
        ];
        (!self.allocated.is_empty()).then(|| table(head, rows))
    }

    fn growth(&self) -> Option<String> {
        let rows = self.grown.iter().map(|grown| {
            [
                format!("{}, {}", grown.target, grown.read),
                count(grown.trades.into()),
                format!("{:.1}", grown.rows),
                format!("{:.1}", grown.time.median),
                quartiles(&grown.ratio, |ratio| format!("{ratio:.2}")),
            ]
        });
        let head =
            ["read", "trades of the book", "rows", "µs each", "a row's time over that on the smallest book"];
        (!self.grown.is_empty()).then(|| table(head, rows))
    }

    fn depth(&self) -> Option<String> {
        let rows = self.depths.iter().map(|depth| {
            [
                depth.target.to_string(),
                count(depth.trades.into()),
                quartiles(&depth.ratio, |ratio| format!("{ratio:.2}")),
            ]
        });
        let head = ["engine", "trades of the book", "time of page 1,000 (or the last) over that of page 1"];
        (!self.depths.is_empty()).then(|| table(head, rows))
    }

    fn plans(&self) -> Option<String> {
        let rows = self.planned.iter().map(|planned| {
            [
                format!("{}, {}", planned.target, planned.read),
                count(planned.trades.into()),
                if planned.is_as_before { "same" } else { "CHANGED" }.to_owned(),
            ]
        });
        let changed = self.planned.iter().filter(|planned| !planned.is_as_before);
        let outlines: String = changed
            .map(|planned| {
                let trades = count(planned.trades.into());
                format!("\n\n{}, {}, {trades} trades:\n{}", planned.target, planned.read, planned.outline)
            })
            .collect();
        let head = ["plan", "trades of the book", "as on the next smaller book"];
        (!self.planned.is_empty()).then(|| table(head, rows) + &outlines)
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
    let speeds = table(["peer", "operations/s", "µs each", "ratio"], rows);
    let rows = comparison.scores.iter().map(|score| {
        let [client, server, both] =
            score.cost.map_or([None; 3], |cost| [cost.client, cost.server, cost.both]);
        [score.peer.to_owned(), time(client), against(client), time(server), time(both), against(both)]
    });
    let head = ["processor time of", "client, µs", "ratio", "server, µs", "client + server, µs", "ratio"];
    format!("{}\n\n{speeds}\n\n{}\n", comparison.case, table(head, rows))
}

fn time(share: Option<Share>) -> String {
    share.map_or_else(not_measured, |share| quartiles(&share.time, |time| format!("{time:.1}")))
}

fn against(share: Option<Share>) -> String {
    share.map_or_else(not_measured, |share| quartiles(&share.ratio, |ratio| format!("{ratio:.2}")))
}

fn not_measured() -> String {
    "not measured".to_owned()
}

/// The ratios as a page with a chart.
fn page(head: &str, comparisons: &[Comparison]) -> String {
    let groups = comparisons.iter().map(|comparison| RatioGroup {
        name: comparison.case.to_string(),
        // The first is Tallybook itself.
        ratios: comparison.scores.iter().skip(1).map(ratio).collect(),
    });
    let chart = RatioChart { groups: groups.collect() };
    let caption = "Tallybook's operations a second over the peer's in the same round: to the right of 1, Tallybook is faster. The \
        dot is the median of the rounds, the line goes from quartile to quartile.";
    Page::new("Tallybook beside its peers", head).chart("Ratios", caption, &chart.svg()).html()
}

fn ratio(score: &Score) -> Ratio {
    Ratio {
        peer: score.peer.to_owned(),
        median: score.ratio.median,
        quartiles: (score.ratio.lower_quartile, score.ratio.upper_quartile),
    }
}
