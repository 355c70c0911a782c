//! The monitor: what it adds to a statement, in time and allocations, and what it keeps in memory.

mod allocated;
mod case;
mod cost;
mod goal;
mod memory;
mod mode;
mod options;
mod report;
mod single;
mod slice;
mod stage;
mod work;

use anyhow::Result;

use crate::machine::Machine;
use crate::runtime::runtime;
use case::{Case, Target};
pub use options::Options;
use stage::Stage;

/// Whose versions are named.
const CRATES: [&str; 4] = ["tallybook", "rusqlite", "tokio", "tokio-postgres"];

/// Measures every mode of the monitor in turns, and prints what came out.
///
/// # Errors
/// When no server could be started, or a statement failed or got a wrong answer.
pub fn run(options: &Options) -> Result<()> {
    if let Some(single) = options.single() {
        return runtime()?.block_on(single.run());
    }
    let plan = options.plan();
    let stages = [Stage::set(Target::Sqlite)?, Stage::set(Target::Postgres)?];
    let machine = Machine::look(stages[1].url(), &CRATES)?;
    let runtime = runtime()?;
    let costs = runtime.block_on(async {
        let mut costs = Vec::new();
        for stage in &stages {
            stage.fill().await?;
            for case in Case::all(stage.target()) {
                costs.extend(cost::measure(stage.url(), case, &plan).await?);
            }
        }
        anyhow::Ok(costs)
    })?;
    drop(runtime);
    let memory = memory::measure(plan.distinct_statements)?;
    report::Report::new(machine, plan, costs, memory).write(options.json.as_deref())
}
