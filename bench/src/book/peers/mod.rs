//! Who is compared, each as its users would write it.

mod by_hand;
mod deadpool;
mod diesel;
mod entities;
mod external;
mod pgbench;
mod pipelined;
mod recording;
mod recording_sqlite;
mod rusqlite;
mod sea_orm;
mod sqlx;
mod stepping;
mod tallybook;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tallybook_testkit::Cluster;

use super::contestant::{Contestant, Entry};
use super::network;
use super::options::Plan;
use super::questions::Questions;
use super::server::Server;
use super::stage::Stage;
use super::target::Target;
pub(super) use by_hand::{BY_HAND, ByHand, open as by_hand};
use external::External;
use pgbench::Pgbench;
use stepping::Stepping;
pub(super) use tallybook::Planner;

/// Those that the plan wants, Tallybook first.
pub(super) async fn contestants(
    target: Target,
    stage: &Stage,
    plan: &Plan,
    questions: &Arc<Questions>,
) -> Result<Vec<Arc<dyn Contestant>>> {
    let all = match target {
        Target::Postgres => {
            let mut all = postgres(stage.url(), questions).await?;
            let server = Arc::new(Server::of(stage.url())?);
            all.extend([false, true].map(|pipelined| Pgbench::shared(&server, pipelined, questions)));
            all
        }
        Target::Sqlite => sqlite(stage.url(), stage.file().context("no file")?, questions).await?,
    };
    let mut all: Vec<_> = all.into_iter().filter(|contestant| plan.wants(contestant.name())).collect();
    all.extend(sqlalchemy(target, stage.url(), plan, questions)?);
    Ok(all)
}

/// Tallybook, Tallybook as it reads the first page whatever is asked, and its plans.
pub(super) async fn alone(
    url: &str,
    questions: &Arc<Questions>,
) -> Result<(Arc<dyn Contestant>, Arc<dyn Contestant>, Planner)> {
    let tallybook = tallybook::Tallybook::open(url).await?;
    let (first_page, planner) = (tallybook.first_page(), tallybook.planner());
    Ok((
        Entry::shared("Tallybook", tallybook, questions),
        Entry::shared("Tallybook, first page", first_page, questions),
        planner,
    ))
}

/// SQLAlchemy with the driver for an engine, if a Python with it is there.
fn sqlalchemy(
    target: Target,
    url: &str,
    plan: &Plan,
    questions: &Questions,
) -> Result<Option<Arc<dyn Contestant>>> {
    let (name, url) = match target {
        Target::Postgres => ("SQLAlchemy + asyncpg", url.replacen("postgresql:", "postgresql+asyncpg:", 1)),
        Target::Sqlite => ("SQLAlchemy + aiosqlite", url.replacen("sqlite:", "sqlite+aiosqlite:", 1)),
    };
    let python = python(plan);
    if !plan.wants(name) {
        return Ok(None);
    }
    if !python.exists() {
        println!("SQLAlchemy is left out: python/install.sh makes the Python that it needs.");
        return Ok(None);
    }
    External::sqlalchemy(name, &python, &url, questions).map(Some)
}

fn python(plan: &Plan) -> PathBuf {
    plan.python.clone().unwrap_or_else(|| external::directory().join("environment/bin/python"))
}

/// The versions of what isn't a crate.
pub(super) fn versions(plan: &Plan) -> Result<Vec<String>> {
    let python = python(plan);
    let mut all = vec![format!("SQLite {}", ::rusqlite::version())];
    if python.exists() {
        all.push(external::versions(&python)?);
    }
    Ok(all)
}

/// Those on PostgreSQL, through a slow network.
pub(super) async fn distant(
    server: &Cluster,
    plan: &Plan,
    questions: &Arc<Questions>,
) -> Result<Vec<Arc<dyn Contestant>>> {
    let port = network::to(server.port())?;
    let url = server.url("postgres").replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let all = postgres(&url, questions).await?;
    let mut all: Vec<_> = all.into_iter().filter(|contestant| plan.wants(contestant.name())).collect();
    all.extend(sqlalchemy(Target::Postgres, &url, plan, questions)?);
    Ok(all)
}

async fn postgres(url: &str, questions: &Arc<Questions>) -> Result<Vec<Arc<dyn Contestant>>> {
    Ok(vec![
        by_hand(ByHand::Tallybook, url, questions).await?,
        by_hand(ByHand::Deadpool, url, questions).await?,
        by_hand(ByHand::Pipelined, url, questions).await?,
        Entry::shared("sqlx", sqlx::Postgres::open(url).await?, questions),
        Entry::shared("diesel-async", diesel::Postgres::open(url)?, questions),
        Entry::shared("sea-orm", sea_orm::SeaOrm::postgres(url).await?, questions),
    ])
}

async fn sqlite(url: &str, file: &Path, questions: &Arc<Questions>) -> Result<Vec<Arc<dyn Contestant>>> {
    Ok(vec![
        by_hand(ByHand::Tallybook, url, questions).await?,
        by_hand(ByHand::Rusqlite, url, questions).await?,
        Entry::shared("sqlx", sqlx::Sqlite::open(file).await?, questions),
        Entry::shared("diesel-async", diesel::Sqlite::open(file)?, questions),
        Entry::shared("sea-orm", sea_orm::SeaOrm::sqlite(file).await?, questions),
        Stepping::shared(file, questions),
    ])
}
