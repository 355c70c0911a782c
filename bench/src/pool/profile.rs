//! Work for a profiler to look at.

use std::time::Duration;

use anyhow::{Result, bail};

use super::crowd::{Crowd, Hold};
use super::peers;

const TIME: Duration = Duration::from_secs(10);

/// Checks out and hands back, with one task or with many, for ten seconds.
pub(super) async fn keep_busy(url: &str, pool: &str, tasks: usize) -> Result<()> {
    let contestants = peers::all(url).await?;
    let Some(contestant) = contestants.iter().find(|contestant| contestant.name().contains(pool)) else {
        let names: Vec<_> = contestants.iter().map(|contestant| contestant.name()).collect();
        bail!("no pool is called {pool}; there are {}", names.join(", "));
    };
    println!("what {} hands out has {} bytes", contestant.name(), contestant.loan_size());
    if tasks == 1 {
        println!("{}: {:.0} ns each", contestant.name(), contestant.alone(TIME).await?);
    } else {
        let turnout = contestant.crowd(Crowd { tasks, hold: Hold::Yield, time: TIME }).await?;
        println!("{}: {:.0} check-outs/s", contestant.name(), turnout.rate);
    }
    Ok(())
}
