//! A temporary book for a benchmark, separate from all others and removed afterwards.

mod directory;
mod name;
mod schema;

use std::panic::{AssertUnwindSafe, resume_unwind};

use anyhow::Result;
use directory::Directory;
use futures_util::FutureExt;
use schema::Schema;
use tallybook::Dialect;
use tallybook::{Database, Settings};

use crate::database::open_for_benchmark;
use crate::interrupt::Interrupt;

/// An empty temporary database: a file in a directory of its own, or a schema of its own.
pub(crate) struct TempDatabase {
    db: Database,
    place: Place,
}

enum Place {
    Directory(Directory),
    Schema(Schema),
    /// In SQLite's memory; it ends with the database.
    Memory,
}

impl TempDatabase {
    /// Creates one next to the database that `url` names: a schema in it on PostgreSQL, a file in the same
    /// directory on SQLite. Without a URL it is an SQLite file in the directory for temporary files.
    pub(crate) async fn create(url: Option<&str>, settings: &Settings) -> Result<Self> {
        let neighbour = url.map(Settings::new).transpose()?.map(|settings| settings.database_url);
        match (url, neighbour) {
            (Some(url), Some(neighbour)) if neighbour.dialect() == Dialect::Postgres => {
                let (schema, db) = Schema::create(url, settings).await?;
                Ok(Self { db, place: Place::Schema(schema) })
            }
            (Some(url), Some(neighbour)) if neighbour.file().is_none() => {
                Ok(Self { db: open_for_benchmark(url, settings).await?, place: Place::Memory })
            }
            (_, neighbour) => {
                let parent = neighbour.as_ref().and_then(|url| url.file()).map(directory::parent);
                let directory = Directory::make(parent.unwrap_or_else(std::env::temp_dir))?;
                let db = open_for_benchmark(&directory.url()?, settings).await?;
                Ok(Self { db, place: Place::Directory(directory) })
            }
        }
    }

    /// Creates one in the directory for temporary files, on SQLite, with these settings except the address.
    pub(crate) async fn create_with(mut settings: Settings) -> Result<Self> {
        let directory = Directory::make(std::env::temp_dir())?;
        settings.database_url = Settings::new(&directory.url()?)?.database_url;
        Ok(Self { db: Database::open(settings).await?, place: Place::Directory(directory) })
    }

    pub(crate) fn db(&self) -> &Database {
        &self.db
    }

    /// Runs work on it, and removes it in any case: after an error, a panic or Ctrl-C.
    pub(crate) async fn run<T>(
        self,
        interrupt: &mut Interrupt,
        work: impl AsyncFnOnce(&Database) -> Result<T>,
    ) -> Result<T> {
        self.run_to_the_end(async |db| interrupt.unless(work(db)).await).await
    }

    /// Runs work that handles signals itself, and removes the database in any case: after an error or a panic too.
    pub(crate) async fn run_to_the_end<T>(self, work: impl AsyncFnOnce(&Database) -> Result<T>) -> Result<T> {
        let done = AssertUnwindSafe(work(&self.db)).catch_unwind().await;
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
