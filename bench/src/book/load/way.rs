//! Who loads, and how.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tallybook::Database;
use tallybook::book::{Repository, Trade};

use super::place::Place;
use super::source::Source;
use crate::book::contestant::on_worker;
use crate::book::server::Server;
use crate::book::target::Target;
use crate::connections::settings;

/// How long a load took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) whole: Duration,
    /// Of it what the same program takes to do nothing.
    pub(super) start: Duration,
}

/// A way to load the trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Tallybook's load of rows that are in memory, from BEGIN to the end of COMMIT.
    Tallybook,
    /// `\copy` or `.import` of the file by a shell that starts, connects, loads and ends.
    Shell(Target),
    /// `tallybook import` of the file, as a whole.
    Program,
}

impl Way {
    /// Tallybook first.
    pub(super) fn all(target: Target) -> [Self; 3] {
        [Self::Tallybook, Self::Shell(target), Self::Program]
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tallybook => "Tallybook",
            Self::Shell(Target::Postgres) => "psql \\copy",
            Self::Shell(Target::Sqlite) => "sqlite3 .import",
            Self::Program => "tallybook import",
        }
    }

    /// What the tables call it with its start; of what runs inside the benchmark there is none.
    pub(super) fn whole_name(self) -> Option<&'static str> {
        match self {
            Self::Tallybook => None,
            Self::Shell(Target::Postgres) => Some("psql \\copy, whole process"),
            Self::Shell(Target::Sqlite) => Some("sqlite3 .import, whole process"),
            Self::Program => Some("tallybook import, whole process"),
        }
    }

    /// Loads the trades into the empty table.
    pub(super) async fn load(self, place: &Place, source: &Arc<Source>, program: &Path) -> Result<Took> {
        Ok(match self {
            Self::Tallybook => {
                let whole = by_tallybook(place.url(), Arc::clone(source)).await?;
                Took { whole, start: Duration::ZERO }
            }
            Self::Shell(_) => {
                Took { whole: run(&mut load_by_shell(place, source)?)?, start: run(&mut idle_shell(place)?)? }
            }
            Self::Program => {
                let file = source.file();
                let command = |arguments: &[&OsStr]| {
                    let mut command = Command::new(program);
                    command.args(arguments).env("DATABASE_URL", place.url());
                    command
                };
                Took {
                    whole: run(&mut command(&["import".as_ref(), "trades".as_ref(), file.as_os_str()]))?,
                    start: run(&mut command(&["migrate".as_ref(), "current".as_ref()]))?,
                }
            }
        })
    }
}

/// On a connection that is there already, as those of the shells are when their time begins.
async fn by_tallybook(url: &str, source: Arc<Source>) -> Result<Duration> {
    let database = Database::open(settings(url)?).await?;
    drop(database.begin().await?);
    on_worker(async move {
        let start = Instant::now();
        let mut session = database.begin().await?;
        let mut trades = Repository::<_, Trade>::new(&mut session);
        let mut load = trades.bulk_load(None).await?;
        for trade in &source.trades {
            load.write(trade).await?;
        }
        load.finish().await?;
        session.commit().await?;
        let time = start.elapsed();
        database.close().await;
        Ok(time)
    })
    .await
}

fn load_by_shell(place: &Place, source: &Source) -> Result<Command> {
    let file = source.file();
    let file = file.display();
    match place.target() {
        Target::Postgres => {
            let columns = source.columns.join(", ");
            psql(place, &format!("\\copy trades ({columns}) from '{file}' (format csv, header)"))
        }
        Target::Sqlite => sqlite3(place, &format!(".import --csv --skip 1 '{file}' trades")),
    }
}

fn idle_shell(place: &Place) -> Result<Command> {
    match place.target() {
        Target::Postgres => psql(place, "SELECT 1"),
        Target::Sqlite => sqlite3(place, "SELECT count(*) FROM portfolios"),
    }
}

fn psql(place: &Place, order: &str) -> Result<Command> {
    let mut command = Server::of(place.url())?.command("psql");
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", order, "postgres"]);
    Ok(command)
}

/// With the settings of Tallybook: a commit is on disk when it returns, and parents are looked for.
fn sqlite3(place: &Place, order: &str) -> Result<Command> {
    let mut command = Command::new(shell(Target::Sqlite));
    command.args([
        "-batch",
        "-bail",
        "-cmd",
        "PRAGMA synchronous = FULL",
        "-cmd",
        "PRAGMA foreign_keys = ON",
    ]);
    command.arg(place.file()?).arg(order);
    Ok(command)
}

/// Runs a program to its end; how long it took.
fn run(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().context("it can't be run")?;
    let time = start.elapsed();
    ensure!(output.status.success(), "it failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(time)
}

/// The versions of the shells; an error says which is missing.
pub(in crate::book) fn versions(targets: &[Target]) -> Result<Vec<String>> {
    let version = |&target: &Target| {
        let name = shell(target);
        match Command::new(name).arg("--version").output() {
            Ok(output) => {
                let text = String::from_utf8(output.stdout)?;
                Ok(format!("{name} {}", text.trim().trim_start_matches("psql ")))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!(
                    "bulk load is compared with {name}, which is not installed (Debian: apt install {})",
                    package(target)
                )
            }
            Err(error) => Err(error).context(format!("cannot run {name}")),
        }
    };
    targets.iter().map(version).collect()
}

/// The shell of an engine.
fn shell(target: Target) -> &'static str {
    match target {
        Target::Postgres => "psql",
        Target::Sqlite => "sqlite3",
    }
}

fn package(target: Target) -> &'static str {
    match target {
        Target::Postgres => "postgresql-client",
        Target::Sqlite => "sqlite3",
    }
}
