//! The pool: what a check-out costs, how it shares, what it sends, what a waiter weighs.

mod contestant;
mod crowd;
mod goal;
mod hot;
mod machine;
mod options;
mod oversubscription;
mod peers;
mod profile;
mod proxy;
mod report;
mod table;
mod tally;
mod traffic;
mod waiters;

use anyhow::Result;
use tallybook_testkit::Cluster;
use tokio::runtime::{Builder, Runtime};

pub use options::Options;

/// Connections of every pool.
const CONNECTIONS: usize = 4;
/// Threads of the runtime that all pools share.
const WORKERS: usize = 2;

/// Starts a server, measures every pool on it in turns, and prints what came out.
///
/// # Errors
/// When no server could be started, a pool failed, or a statement got a wrong answer.
pub fn run(options: &Options) -> Result<()> {
    let plan = options.plan();
    let server = Cluster::start()?;
    let url = server.url("postgres");
    if let Some(pool) = &options.profile {
        return runtime()?.block_on(profile::keep_busy(&url, pool, options.tasks));
    }
    let machine = machine::Machine::look(&url)?;
    let runtime = runtime()?;
    let (hot, oversubscription, traffic) = runtime.block_on(async {
        let contestants = peers::all(&url).await?;
        let hot = hot::measure(&contestants, &plan).await?;
        let traffic = traffic::measure(&server, &plan).await?;
        let oversubscription = oversubscription::measure(&contestants, &plan).await?;
        anyhow::Ok((hot, oversubscription, traffic))
    })?;
    drop(runtime);
    let waiters = waiters::measure(&url)?;
    report::Report::new(machine, plan, hot, traffic, oversubscription, waiters).write(options.json.as_deref())
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?)
}
