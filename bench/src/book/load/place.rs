//! The table that is loaded: empty each time, with its indexes, and the parents of its rows beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use tallybook::book::Trade;
use tallybook::{Database, Row, Settings, Statement, all, execute, params};

use super::source::Source;
use crate::book::checksum::Loaded;
use crate::book::options::Size;
use crate::book::stage::Stage;
use crate::book::target::Target;

const EMPTY: Statement = Statement::new("TRUNCATE trades, executions");
/// What SQLite has in the place of that; the file gets as small as it was.
const STRIP: &str = "DELETE FROM executions; DELETE FROM trades; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)";

/// A book of one's own, whose trades come and go.
pub(in crate::book) struct Place {
    stage: Stage,
    target: Target,
    /// The file without trades, of which each load gets a copy.
    blank: PathBuf,
}

impl Place {
    /// With the trades of the book still in it.
    pub(in crate::book) fn set(target: Target, size: Size, program: &Path) -> Result<Self> {
        let stage = Stage::set(target, size, program)?;
        let blank = stage.file().map_or_else(PathBuf::new, |file| file.with_extension("blank"));
        Ok(Self { stage, target, blank })
    }

    pub(in crate::book) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn url(&self) -> &str {
        self.stage.url()
    }

    pub(super) fn file(&self) -> Result<&Path> {
        self.stage.file().context("it is in no file")
    }

    pub(super) fn target(&self) -> Target {
        self.target
    }

    /// Keeps an SQLite file without trades.
    pub(super) fn prepare(&self) -> Result<()> {
        if let Some(file) = self.stage.file() {
            Connection::open(file)?.execute_batch(STRIP)?;
            fs::copy(file, &self.blank)?;
        }
        Ok(())
    }

    /// Makes the table empty: new files for it and its indexes.
    pub(super) async fn empty(&self) -> Result<()> {
        match self.target {
            Target::Postgres => {
                let database = Database::open(Settings::new(self.url())?).await?;
                let mut session = database.begin().await?;
                session.run(execute(EMPTY, params![])).await?;
                session.commit().await?;
                database.close().await;
            }
            Target::Sqlite => {
                let file = self.file()?;
                // Of connections that are closed at the same moment none is the last, and their log stays.
                for log in ["db-wal", "db-shm"].map(|log| file.with_extension(log)) {
                    if log.exists() {
                        fs::remove_file(log)?;
                    }
                }
                fs::copy(&self.blank, file)?;
            }
        }
        Ok(())
    }

    /// Refuses to go on unless the table has the rows of the source.
    pub(super) async fn check(&self, source: &Source) -> Result<()> {
        let database = Database::open(Settings::new(self.url())?).await?;
        let select = Statement::from(format!("SELECT {} FROM trades ORDER BY id", Trade::COLUMN_LIST));
        let read = database.read().await?.run(all::<Trade>(&select, params![])).await?;
        database.close().await;
        ensure!(read.checksum() == source.trades.checksum(), "other rows were loaded");
        Ok(())
    }
}
