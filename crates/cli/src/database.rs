//! Opening the database that a command works on.

use std::time::Duration;

use anyhow::{Result, bail};
use tallybook::engine::{LogSettings, OpenMode};
use tallybook::{Contents, Database, REVISIONS, Settings, contents, migrator};

use crate::bound::Bound;

/// From when on a statement of a load is slow.
const SLOW_TO_FILL: Duration = Duration::from_secs(60);

/// Which database was asked for: one on the command line, or that of the environment.
pub(crate) struct Target(Option<String>);

impl Target {
    pub(crate) fn new(url: Option<String>) -> Self {
        Self(url)
    }

    /// The one that the command line names.
    pub(crate) fn named(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The one asked for, else that of the environment, with the environment's other settings.
    pub(crate) async fn open(self, mode: OpenMode, bound: &Bound) -> Result<Database> {
        let mut settings = self.settings_of_one()?;
        settings.open_mode = mode;
        bound.open(settings).await
    }

    /// The one asked for, else `default`; never that of the environment. To be filled with much at once: that this
    /// takes a while is no news, unless the environment has a limit of its own.
    pub(crate) async fn open_to_fill(self, default: &str) -> Result<Database> {
        let mut settings = Self(Some(self.0.unwrap_or_else(|| default.to_owned()))).settings_of_one()?;
        if settings.log.slow_threshold == LogSettings::default().slow_threshold {
            settings.log.slow_threshold = SLOW_TO_FILL;
        }
        Ok(Database::open(settings).await?)
    }

    /// A database that holds the whole book.
    pub(crate) async fn open_book(self, mode: OpenMode, bound: &Bound) -> Result<Database> {
        let db = self.open(mode, bound).await?;
        bound.run(&db, check_is_book(&db)).await?;
        Ok(db)
    }

    /// The settings of the environment, with the database that was asked for.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut settings = Settings::from_env()?;
        if let Some(url) = self.0 {
            settings.database_url = Settings::new(&url)?.database_url;
        }
        Ok(settings)
    }

    /// The same without replicas: most commands look at what was just done, and at one database.
    fn settings_of_one(self) -> Result<Settings> {
        let mut settings = self.settings()?;
        settings.replica.enabled = false;
        Ok(settings)
    }
}

async fn check_is_book(db: &Database) -> Result<()> {
    let url = &db.settings().database_url;
    if !migrator(db).unrecorded().await?.is_empty() {
        bail!("{url} holds the tables of a book and is not adopted\nnext: tallybook migrate adopt --dry-run");
    }
    if contents(db).await? != Contents::Book {
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
