//! Who is compared, each as its users would write it.

mod deadpool;
mod pipelined;
mod rusqlite;
mod tallybook;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::contestant::{Contestant, Entry};
use super::options::Plan;
use super::questions::Questions;
use super::stage::Stage;
use super::target::Target;

/// Those that the plan wants, Tallybook first.
pub(super) async fn contestants(
    target: Target,
    stage: &Stage,
    plan: &Plan,
    questions: &Arc<Questions>,
) -> Result<Vec<Arc<dyn Contestant>>> {
    let all = match target {
        Target::Postgres => postgres(stage.url(), questions).await?,
        Target::Sqlite => sqlite(stage.url(), stage.file().context("no file")?, questions).await?,
    };
    Ok(all.into_iter().filter(|contestant| plan.wants(contestant.name())).collect())
}

async fn postgres(url: &str, questions: &Arc<Questions>) -> Result<Vec<Arc<dyn Contestant>>> {
    Ok(vec![
        Entry::shared("Tallybook", tallybook::Tallybook::open(url).await?, questions),
        Entry::shared("tokio-postgres + deadpool", deadpool::Deadpool::open(url)?, questions),
        Entry::shared("tokio-postgres, pipelined", pipelined::Pipelined::open(url)?, questions),
    ])
}

async fn sqlite(url: &str, file: &Path, questions: &Arc<Questions>) -> Result<Vec<Arc<dyn Contestant>>> {
    Ok(vec![
        Entry::shared("Tallybook", tallybook::Tallybook::open(url).await?, questions),
        Entry::shared("rusqlite", rusqlite::Rusqlite::open(file)?, questions),
    ])
}
