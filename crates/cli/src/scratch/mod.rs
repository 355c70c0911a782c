//! A book of its own for a benchmark, away from all others and gone afterwards.

mod directory;
mod name;
mod schema;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt;
use tallybook::engine::Engine;
use tallybook::{Database, Settings};

use crate::interrupt::Interrupt;
use directory::Directory;
use schema::Schema;

/// An empty database: a file in a directory of its own, or a schema of its own.
pub(crate) struct Scratch {
    db: Database,
    place: Place,
}

enum Place {
    Directory(Directory),
    Schema(Schema),
    /// SQLite's memory, which ends with the database.
    Memory,
}

impl Scratch {
    /// Makes one beside the database that `url` names: a schema in it on PostgreSQL, a file in the same
    /// directory on SQLite. Without a URL it is an SQLite file in the directory for temporary files.
    pub(crate) async fn make(url: Option<&str>, settings: &Settings) -> Result<Self> {
        let beside = url.map(Settings::new).transpose()?.map(|settings| settings.database_url);
        match (url, beside) {
            (Some(url), Some(beside)) if beside.engine() == Engine::Postgres => {
                let (schema, db) = Schema::make(url, settings).await?;
                Ok(Self { db, place: Place::Schema(schema) })
            }
            (Some(url), Some(beside)) if beside.file().is_none() => {
                Ok(Self { db: open(url, settings).await?, place: Place::Memory })
            }
            (_, beside) => {
                let parent = beside.as_ref().and_then(|url| url.file()).map(directory::parent);
                let directory = Directory::make(parent.unwrap_or_else(std::env::temp_dir))?;
                let db = open(&directory.url()?, settings).await?;
                Ok(Self { db, place: Place::Directory(directory) })
            }
        }
    }

    pub(crate) fn db(&self) -> &Database {
        &self.db
    }

    /// Works on it, and removes it whatever comes of the work: an error, a panic, Ctrl-C.
    pub(crate) async fn run<T>(
        self,
        interrupt: &mut Interrupt,
        work: impl AsyncFnOnce(&Database) -> Result<T>,
    ) -> Result<T> {
        let done = AssertUnwindSafe(interrupt.unless(work(&self.db))).catch_unwind().await;
        let removed = self.remove().await;
        let done = done.unwrap_or_else(|panic| resume_unwind(panic))?;
        removed.map(|()| done)
    }

    async fn remove(self) -> Result<()> {
        self.db.close().await;
        match self.place {
            Place::Directory(directory) => directory.remove(),
            Place::Schema(schema) => schema.remove().await,
            Place::Memory => Ok(()),
        }
    }
}

/// Opens a database with the other settings of `settings`. That filling it takes long is no news.
async fn open(url: &str, settings: &Settings) -> Result<Database> {
    let database_url = Settings::new(url)?.database_url;
    let mut settings = settings.clone();
    settings.database_url = database_url;
    settings.log.slow_threshold = Duration::from_secs(86_400);
    settings.pool.leak_threshold = None;
    Ok(Database::open(settings).await?)
}
