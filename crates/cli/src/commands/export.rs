//! `tallybook export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use tallybook::{Database, Repository, Table};
use tallybook_engine::{OpenMode, Row};

use super::for_table;
use crate::args::Export;
use crate::bound::Bound;
use crate::csv::to_field;
use crate::database::Target;
use crate::{output, progress};

/// Rows read at a time: the file can be larger than the memory.
const PAGE: u32 = 5_000;

pub(super) async fn run(target: Target, export: &Export, as_json: bool) -> Result<()> {
    let is_stream = export.file == Path::new("-");
    let bound = Bound::new(export.limits.within, as_json && !is_stream);
    let db = target.open_book(OpenMode::ReadOnly, &bound).await?;
    if is_stream {
        bound.run(&db, async { for_table!(export.table, write(&db, io::stdout().lock())) }).await?;
        db.close().await;
        return Ok(());
    }
    // The file appears under its name only when it is whole.
    let part = PathBuf::from(format!("{}.part", export.file.display()));
    let file = File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    let rows = bound.run(&db, async { for_table!(export.table, write(&db, BufWriter::new(file))) }).await;
    let rows =
        rows.and_then(|rows| Ok(std::fs::rename(&part, &export.file).map(|()| rows)?)).inspect_err(|_| {
            let _ = std::fs::remove_file(&part);
        })?;
    db.close().await;
    if as_json {
        output::json(&json!({ "rows": rows }))?;
    } else {
        output::line(format!("exported {} rows to {}", output::thousands(rows), export.file.display()))?;
    }
    Ok(())
}

/// Writes all rows of one snapshot.
async fn write<T: Table>(db: &Database, output: impl Write) -> Result<u64> {
    let mut csv = csv::Writer::from_writer(output);
    csv.write_record(<T as Row>::COLUMNS.iter().map(|column| column.name)).map_err(io_error)?;

    let mut session = db.snapshot().await?;
    let mut rows = Repository::<_, T>::new(&mut session);
    let bar = progress::items("exporting", rows.count().await?);
    let mut cursor = None;
    loop {
        let page = rows.get_page(cursor.as_ref(), PAGE).await?;
        for row in &page.rows {
            let values = row.encode()?;
            let fields =
                <T as Row>::COLUMNS.iter().zip(&values).map(|(column, value)| to_field(column, value));
            csv.write_record(fields).map_err(io_error)?;
        }
        bar.inc(page.rows.len() as u64);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    csv.flush()?;
    bar.finish_and_clear();
    Ok(bar.position())
}

/// The plain I/O error, so that a closed pipe is known as one.
fn io_error(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("{other:?}"),
    }
}
