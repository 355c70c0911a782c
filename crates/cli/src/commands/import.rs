//! `tallybook import`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde_json::json;
use tallybook::OpenMode;
use tallybook::book::{Repository, Table};
use tallybook::{Database, WriteSession};

use super::for_table;
use crate::args::Import;
use crate::csv::Reader;
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::{output, progress};

pub(super) async fn run(target: Endpoint, import: &Import, as_json: bool) -> Result<()> {
    let (input, bar) = open(&import.file, "importing")?;
    let deadline = Deadline::new(import.limits.within, as_json);
    let db = target.open_book(OpenMode::Existing, &deadline).await?;
    let rows = deadline
        .run(&db, async { for_table!(import.table, load(&db, input, &bar)) })
        .await
        .with_context(|| format!("nothing of {} was imported", import.file.display()))?;
    db.close().await;
    bar.finish_and_clear();
    if as_json {
        output::json(&json!({ "rows": rows }))?;
    } else {
        output::line(format!("imported {} rows", output::thousands(rows)))?;
    }
    Ok(())
}

/// Opens a file or standard input, with a bar that says `what` happens to it.
pub(super) fn open(path: &Path, what: &'static str) -> Result<(Box<dyn Read + Send>, ProgressBar)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), progress::count(what)));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bar = progress::bytes(what, file.metadata()?.len());
    Ok((Box::new(file), bar))
}

/// Loads the whole file in one transaction.
async fn load<T: Table<Key = i64>>(
    db: &Database,
    input: Box<dyn Read + Send>,
    bar: &ProgressBar,
) -> Result<u64> {
    let mut reader = Reader::new::<T>(T::NAME, input)?;
    let mut session = db.begin().await?;
    let rows = fill::<T>(&mut session, &mut reader, bar).await?;
    Repository::<_, T>::new(&mut session).sync_sequence().await?;
    session.commit().await?;
    Ok(rows)
}

async fn fill<T: Table>(
    session: &mut WriteSession,
    reader: &mut Reader<Box<dyn Read + Send>>,
    bar: &ProgressBar,
) -> Result<u64> {
    let columns = reader.columns();
    let mut repository = Repository::<_, T>::new(session);
    let mut load = repository.bulk_load(Some(&columns)).await?;
    while let Some(values) = reader.next()? {
        load.write_values(values).await?;
        match bar.length() {
            Some(_) => bar.set_position(reader.bytes()),
            None => bar.inc(1),
        }
    }
    Ok(load.finish().await?)
}
