//! The pool: what a check-out costs, how it shares, what it sends, what a waiter weighs.

mod contestant;
mod crowd;
mod goal;
mod hot;
mod options;
mod oversubscription;
mod peer;
mod peers;
mod profile;
mod report;
mod traffic;
mod waiters;

use anyhow::Result;
use tallybook_testkit::Cluster;

use crate::machine::Machine;
use crate::runtime::runtime;

pub use options::Options;

/// Whose versions are named.
const CRATES: [&str; 8] =
    ["tallybook", "deadpool-postgres", "deadpool", "bb8", "bb8-postgres", "sqlx", "tokio", "tokio-postgres"];

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
    let machine = Machine::look(&url, &CRATES)?;
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
