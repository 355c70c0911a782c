//! Everything that was measured, for people and as JSON.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::cost::Cost;
use super::goal::goals;
use super::memory::Memory;
use super::options::Plan;
use crate::goal::{self, Goal};
use crate::json;
use crate::machine::Machine;
use crate::table::{bytes, count, quartiles, table, time};

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    plan: Plan,
    costs: Vec<Cost>,
    memory: Memory,
    goals: Vec<Goal>,
}

impl Report {
    pub(super) fn new(machine: Machine, plan: Plan, costs: Vec<Cost>, memory: Memory) -> Self {
        let goals = goals(&costs, &memory);
        Self { machine, plan, costs, memory, goals }
    }

    /// Prints the tables, and writes the JSON where that is wanted.
    pub(super) fn write(&self, file: Option<&Path>) -> Result<()> {
        json::write(self, file)?;
        self.head();
        self.costs();
        self.memory();
        goal::print(&self.goals);
        Ok(())
    }

    fn head(&self) {
        println!("{}", self.machine);
        let Plan { rounds, slice, .. } = &self.plan;
        println!("4 connections each, 2 threads. {rounds} rounds of {slice:?} for each mode.");
        println!(
            "Modes take turns. Beside \"off\" is beside its turn in the same round: medians (quartiles)."
        );
        println!("\"Each\" is the time until the next statement is done: with 16 tasks they share it.");
    }

    fn costs(&self) {
        for costs in self.costs.chunk_by(|left, right| left.case == right.case) {
            println!("\n{}", costs[0].case);
            let head =
                ["mode", "each", "more", "more of the processors", "throughput", "allocations", "more"];
            println!("{}", table(head, costs.iter().map(row)));
        }
        let findings: usize = self.costs.iter().map(|cost| cost.findings).sum();
        println!("\nLoops and redundant reads found, where there are none: {findings}");
    }

    fn memory(&self) {
        let Memory { statements, off, full, open } = self.memory;
        println!(
            "\nLive bytes of the process after {} different statements: {} off, {} full ({} more); full, in one \
             session that is still open: {} ({} more)",
            count(statements.into()),
            bytes(off),
            bytes(full),
            bytes(full - off),
            bytes(open),
            bytes(open - off)
        );
    }
}

fn row(cost: &Cost) -> [String; 7] {
    [
        cost.mode.name().to_owned(),
        time(cost.elapsed.median),
        quartiles(&cost.more, time),
        quartiles(&cost.more_processor, time),
        quartiles(&cost.kept, |kept| format!("{kept:.3}")),
        format!("{:.3}", cost.allocations),
        format!("{:.3}", cost.more_allocations),
    ]
}
