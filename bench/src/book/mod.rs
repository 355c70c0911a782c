//! The book: its reads and writes on Tallybook and on its peers, side by side.

mod checksum;
mod compare;
mod contestant;
mod goal;
mod network;
mod options;
mod peers;
mod questions;
mod report;
mod rows;
mod schema;
mod sql;
mod stage;
mod target;
mod work;
mod written;

use std::sync::Arc;

use anyhow::Result;

use crate::machine::Machine;
use crate::runtime::runtime;
use compare::Case;
pub use options::Options;
use questions::Questions;
use report::Report;
use stage::Stage;
use target::Target;
use work::Work;

/// Whose versions are named.
const CRATES: [&str; 10] = [
    "tallybook-engine",
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

/// Measures every work on every peer in turns, and prints what came out.
///
/// # Errors
/// When a server or a book could not be made, a peer failed, or two peers did not read the same.
pub fn run(options: &Options) -> Result<()> {
    let plan = options.plan();
    let program = stage::program(options.program.as_deref())?;
    let mut report = Report::new(plan);
    report.versions = peers::versions(&report.plan)?;
    for target in report.plan.targets.clone() {
        let stage = Stage::set(target, &report.plan, &program)?;
        if let Some(server) = stage.server() {
            report.machine = Some(Machine::look(&server.url("postgres"), &CRATES)?);
        }
        // A runtime for each engine: its connections end with it, before the server does.
        runtime()?.block_on(measure(target, &stage, &mut report))?;
    }
    report.write(options)
}

async fn measure(target: Target, stage: &Stage, report: &mut Report) -> Result<()> {
    let questions = Arc::new(Questions::find(stage.url()).await?);
    let near = peers::contestants(target, stage, &report.plan, &questions).await?;
    for work in report.plan.works.clone() {
        if work == Work::Distant {
            if let Some(server) = stage.server() {
                let all = peers::distant(server, &report.plan, &questions).await?;
                compare::check(target, work, &all).await?;
                report.add(compare::measure(Case { target, work, tasks: 1 }, &report.plan, &all).await?);
            }
            continue;
        }
        if work.is_read() {
            let rows = compare::check(target, work, &near).await?;
            report.rows.push((target, work, rows as f64 / questions.of(work).len() as f64));
            report.allocated.extend(compare::allocated(target, work, &near).await?);
        }
        for tasks in report.plan.tasks.clone() {
            report.add(compare::measure(Case { target, work, tasks }, &report.plan, &near).await?);
        }
    }
    Ok(())
}
