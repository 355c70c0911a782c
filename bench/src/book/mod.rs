//! The book: its reads and writes on Tallybook and on its peers, side by side.

mod backends;
mod by_hand;
mod checksum;
mod compare;
mod contestant;
mod cost;
mod goal;
mod growth;
mod ledger;
mod load;
mod network;
mod options;
mod orders;
mod peers;
mod promise;
mod questions;
mod recording;
mod refold;
mod report;
mod rows;
mod schema;
mod server;
mod sql;
mod stage;
mod target;
pub mod wire;
mod work;
mod written;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::runtime::runtime;
use backends::Backends;
use compare::{Case, Comparison};
use ledger::Ledger;
pub use options::Options;
use options::Plan;
use orders::Orders;
use questions::Questions;
use recording::Turns;
use report::Report;
use stage::Stage;
use target::Target;
use work::Work;

/// Measures every work on every peer in turns, and prints what came out.
///
/// # Errors
/// When a server or a book could not be made, a peer failed, or two peers did not read the same.
pub fn run(options: &Options) -> Result<()> {
    let plan = options.plan();
    let program = stage::program(options.program.as_deref())?;
    let mut report = Report::new(plan);
    report.versions = versions(&report.plan)?;
    for target in report.plan.targets.clone() {
        if report.plan.growth.is_empty() {
            compare_with_peers(target, &program, &mut report)?;
        } else {
            measure_growth(target, &program, &mut report)?;
        }
    }
    report.write(options)
}

/// Of what isn't a crate.
fn versions(plan: &Plan) -> Result<Vec<String>> {
    let mut all = peers::versions(plan)?;
    if plan.growth.is_empty() && plan.works.contains(&Work::Load) {
        all.extend(load::versions(&plan.targets)?);
    }
    Ok(all)
}

fn compare_with_peers(target: Target, program: &Path, report: &mut Report) -> Result<()> {
    if report.plan.works.iter().any(|work| *work != Work::Load) {
        let stage = Stage::set(target, report.plan.size, program)?;
        report.look(&stage)?;
        // A runtime for each engine: its connections end with it, before the server does.
        runtime()?.block_on(measure(target, &stage, report))?;
    }
    if report.plan.works.contains(&Work::Load) {
        let case = Case { target, work: Work::Load, tasks: 1 };
        let place = load::Place::set(target, report.plan.size, program)?;
        report.look(place.stage())?;
        let scores = runtime()?.block_on(load::measure(&place, &report.plan, program))?;
        report.add(Comparison { case, scores });
    }
    Ok(())
}

fn measure_growth(target: Target, program: &Path, report: &mut Report) -> Result<()> {
    let stages = growth::stages(target, program, &report.plan)?;
    let (grown, depths, planned) = growth::measure(target, &stages, &report.plan)?;
    report.grown.extend(grown);
    report.depths.extend(depths);
    report.planned.extend(planned);
    stages.iter().try_for_each(|stage| report.look(stage))
}

async fn measure(target: Target, stage: &Stage, report: &mut Report) -> Result<()> {
    let records = report.plan.works.contains(&Work::Record);
    let orders = if records { Some(Orders::place(stage.url()).await?) } else { None };
    let mut ledger = Ledger::open(stage.url()).await?;
    let fills = orders.as_ref().map_or_else(Vec::new, Orders::fills);
    let backends = match target {
        Target::Postgres => Some(Backends::watch(stage.url()).await?),
        Target::Sqlite => None,
    };
    let backends = backends.as_ref();
    let questions = Arc::new(Questions::find(stage.url(), fills).await?);
    let near = peers::contestants(target, stage, &report.plan, &questions).await?;
    for work in report.plan.works.clone() {
        if work == Work::Load {
            continue;
        }
        if work == Work::Distant {
            if let Some(server) = stage.server() {
                let all = peers::distant(server, &report.plan, &questions).await?;
                compare::check(target, work, &all).await?;
                report
                    .add(compare::measure(Case { target, work, tasks: 1 }, &report.plan, &all, None).await?);
            }
            continue;
        }
        if work.is_read() {
            let rows = compare::check(target, work, &near).await?;
            report.rows.push((target, work, rows as f64 / questions.of(work).len() as f64));
            let needs = compare::allocated(target, work, questions.of(work).len(), &near).await?;
            report.allocated.extend(needs);
        }
        if work == Work::Write {
            let count = questions.of(work).len();
            let expected = compare::check_written(target, &mut ledger, count, &near).await?;
            for tasks in report.plan.tasks.clone() {
                let case = Case { target, work, tasks };
                report.add(compare::measure(case, &report.plan, &near, backends).await?);
                let trades = compare::check_turns(case, &mut ledger, &expected).await?;
                report.written.push((case, trades));
            }
            continue;
        }
        if let (Work::Record, Some(orders)) = (work, &orders) {
            recording::check(target, orders, &near).await?;
            for tasks in report.plan.tasks.clone() {
                let (case, mut turns) = (Case { target, work, tasks }, Turns::of(orders));
                report
                    .add(compare::measure_recording(case, &report.plan, &near, backends, &mut turns).await?);
                report.recorded.push((case, turns.fills));
            }
            continue;
        }
        for tasks in report.plan.tasks.clone() {
            let case = Case { target, work, tasks };
            report.add(compare::measure(case, &report.plan, &near, backends).await?);
        }
    }
    Ok(())
}
