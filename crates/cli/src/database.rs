//! Opens the database of a command.

use std::time::Duration;

use anyhow::{Result, bail};
use tallybook::book::{Inspection, REVISIONS, inspect, migrator};
use tallybook::{Database, Settings};
use tallybook::{LogSettings, OpenMode};

use crate::deadline::Deadline;

/// The threshold for slow statements of a load.
const SLOW_TO_FILL: Duration = Duration::from_secs(60);
/// The threshold for slow statements of a benchmark.
const SLOW_TO_BENCHMARK: Duration = Duration::from_secs(86_400);

/// The requested database: from the command line, or from the environment.
pub(crate) struct Endpoint(Option<String>);

impl Endpoint {
    pub(crate) fn new(url: Option<String>) -> Self {
        Self(url)
    }

    /// Returns the URL from the command line.
    pub(crate) fn named(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Opens the requested database, else that of the environment, with the environment's other settings.
    pub(crate) async fn open(self, mode: OpenMode, deadline: &Deadline) -> Result<Database> {
        let mut settings = self.settings_of_one()?;
        settings.open_mode = mode;
        deadline.open(settings).await
    }

    /// Opens the requested database, else `default`, but never that of the environment. For bulk loads: slow
    /// statements are expected, so the threshold is high unless the environment sets one.
    pub(crate) async fn open_to_fill(self, default: &str) -> Result<Database> {
        let mut settings = Self(Some(self.0.unwrap_or_else(|| default.to_owned()))).settings_of_one()?;
        if settings.log.slow_threshold == LogSettings::default().slow_threshold {
            settings.log.slow_threshold = SLOW_TO_FILL;
        }
        Ok(Database::open(settings).await?)
    }

    /// Opens a database and checks that it holds the whole book.
    pub(crate) async fn open_book(self, mode: OpenMode, deadline: &Deadline) -> Result<Database> {
        let db = self.open(mode, deadline).await?;
        deadline.run(&db, check_is_book(&db)).await?;
        Ok(db)
    }

    /// As [`open_book`](Self::open_book), for a command that reads all rows: slow statements and long sessions are expected.
    pub(crate) async fn open_book_to_scan(self, mode: OpenMode, deadline: &Deadline) -> Result<Database> {
        let mut settings = self.settings_of_one()?;
        settings.open_mode = mode;
        if settings.log.slow_threshold == LogSettings::default().slow_threshold {
            settings.log.slow_threshold = SLOW_TO_BENCHMARK;
        }
        settings.pool.leak_threshold = None;
        let db = deadline.open(settings).await?;
        deadline.run(&db, check_is_book(&db)).await?;
        Ok(db)
    }

    /// Returns the settings of the environment, with the requested database.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut settings = Settings::from_env()?;
        if let Some(url) = self.0 {
            settings.database_url = Settings::new(&url)?.database_url;
        }
        Ok(settings)
    }

    /// Returns the same without replicas: most commands read what was just written, from one database.
    fn settings_of_one(self) -> Result<Settings> {
        let mut settings = self.settings()?;
        settings.replica.enabled = false;
        Ok(settings)
    }
}

/// Opens the database of a benchmark with the other settings of `settings`, and a high threshold for slow statements.
pub(crate) async fn open_for_benchmark(url: &str, settings: &Settings) -> Result<Database> {
    let database_url = Settings::new(url)?.database_url;
    let mut settings = settings.clone();
    settings.database_url = database_url;
    settings.log.slow_threshold = SLOW_TO_BENCHMARK;
    settings.pool.leak_threshold = None;
    Ok(Database::open(settings).await?)
}

async fn check_is_book(db: &Database) -> Result<()> {
    let url = &db.settings().database_url;
    if !migrator(db).unrecorded().await?.is_empty() {
        bail!("{url} holds the tables of a book and is not adopted\nnext: tallybook migrate adopt --dry-run");
    }
    if inspect(db).await? != Inspection::Book {
        bail!("{url} holds no book yet\nnext: tallybook migrate upgrade");
    }
    let head = REVISIONS.last().map(|revision| revision.id);
    let current = migrator(db).current().await?;
    if current != head {
        bail!(
            "{url} is at revision {}, this program needs {}\nnext: tallybook migrate upgrade",
            current.unwrap_or("base"),
            head.unwrap_or("base")
        );
    }
    Ok(())
}
