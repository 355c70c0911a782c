//! Everything that was measured, for people and as JSON.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::goal::goals;
use super::hot::{Hot, Ratio};
use super::options::Plan;
use super::oversubscription::Oversubscribed;
use super::traffic::Traffic;
use super::waiters::Waiters;
use crate::goal::{self, Goal};
use crate::json;
use crate::machine::Machine;
use crate::table::{count, spread, table, time};

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    plan: Plan,
    hot: Hot,
    traffic: Vec<Traffic>,
    oversubscription: Vec<Oversubscribed>,
    waiters: Waiters,
    goals: Vec<Goal>,
}

impl Report {
    pub(super) fn new(
        machine: Machine,
        plan: Plan,
        hot: Hot,
        traffic: Vec<Traffic>,
        oversubscription: Vec<Oversubscribed>,
        waiters: Waiters,
    ) -> Self {
        let goals = goals(&hot, &traffic, &oversubscription, &waiters);
        Self { machine, plan, hot, traffic, oversubscription, waiters, goals }
    }

    /// Prints the tables, and writes the JSON where that is wanted.
    pub(super) fn write(&self, file: Option<&Path>) -> Result<()> {
        json::write(self, file)?;
        self.head();
        self.hot();
        self.traffic();
        self.oversubscription();
        self.waiters();
        goal::print(&self.goals);
        Ok(())
    }

    fn head(&self) {
        println!("{}", self.machine);
        let Plan { rounds, trial, crowded_rounds, crowded_trial, .. } = &self.plan;
        println!(
            "4 connections each, 2 threads. {rounds} rounds of {trial:?}, {crowded_rounds} of {crowded_trial:?}."
        );
        println!("Pools take turns; figures are medians of the rounds (least–most).");
    }

    fn hot(&self) {
        println!("\nHot check-out and return, 1 task, nothing run in between");
        let rows = self.hot.alone.iter().map(|row| [row.pool.to_owned(), spread(&row.nanoseconds, time)]);
        println!("{}", table(["pool", "each"], rows));
        print_ratio(&self.hot.alone_ratio);

        println!("\nHot check-out and return, 16 tasks on 4 connections, each yields while it holds one");
        let rows = self.hot.crowd.iter().map(|row| {
            let evenness = format!("{:.0} %", row.evenness.median * 100.0);
            [
                row.pool.to_owned(),
                spread(&row.rate, count),
                time(row.p50.median),
                time(row.p99.median),
                evenness,
            ]
        });
        println!("{}", table(["pool", "check-outs/s", "p50 wait", "p99 wait", "least/most served"], rows));
        print_ratio(&self.hot.crowd_ratio);
        if let Some(fair) = &self.hot.fair_ratio
            && fair.fastest_peer != self.hot.crowd_ratio.fastest_peer
        {
            let times = spread(&fair.times_as_fast, |times| format!("{times:.2}"));
            println!(
                "and {times} times as fast as the fastest that lets no task starve, {}",
                fair.fastest_peer
            );
        }
    }

    fn traffic(&self) {
        println!("\nBytes over the wire, both directions, for hot check-outs and returns, 1 task");
        let rows = self.traffic.iter().map(|row| {
            let each = row.bytes as f64 / f64::from(row.checkouts);
            [row.pool.to_owned(), count(row.checkouts.into()), count(row.bytes as f64), format!("{each:.1}")]
        });
        println!("{}", table(["pool", "check-outs", "bytes", "each"], rows));
    }

    fn oversubscription(&self) {
        if self.oversubscription.is_empty() {
            return;
        }
        println!(
            "\nTen times over-subscribed: 40 tasks on 4 connections, each runs SELECT 1; beside 4 tasks"
        );
        let rows = self.oversubscription.iter().map(|row| {
            [
                row.pool.to_owned(),
                count(row.enough.median),
                count(row.crowd.median),
                spread(&row.kept, |kept| format!("{:.0} %", kept * 100.0)),
                time(row.p50.median),
                time(row.p99.median),
                time(row.longest.median),
                spread(&row.stretch, |stretch| format!("{stretch:.2}")),
                format!("{} / {}", count(row.least_served.median), count(row.most_served.median)),
            ]
        });
        let head = [
            "pool",
            "4 tasks/s",
            "40 tasks/s",
            "kept",
            "p50 wait",
            "p99 wait",
            "longest",
            "p99/p50",
            "least / most served",
        ];
        println!("{}", table(head, rows));
    }

    fn waiters(&self) {
        let Waiters { waiting, refused, bytes_each, allocations_each, future, served } = &self.waiters;
        println!(
            "\n{waiting} waiters on a full pool of Tallybook ({refused} refused): {bytes_each:.0} bytes and \
             {allocations_each:.2} allocations each, task included; the bare future has {future} bytes; {served} \
             were served in the end"
        );
    }
}

fn print_ratio(ratio: &Ratio) {
    let times = spread(&ratio.times_as_fast, |times| format!("{times:.2}"));
    println!("Tallybook is {times} times as fast as the fastest peer, {}", ratio.fastest_peer);
}
