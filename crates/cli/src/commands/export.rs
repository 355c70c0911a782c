//! `tallybook export`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::json;
use tallybook::Database;
use tallybook::book::{Repository, Table, UnreadableRow};
use tallybook::{OpenMode, Row};

use super::for_table;
use crate::args::Export;
use crate::atomic_file::AtomicFile;
use crate::csv::{escape_formula, to_field};
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::interrupt::Interrupt;
use crate::{output, progress};

/// Number of rows read at a time: the file may be larger than memory.
const PAGE: u32 = 5_000;
/// The exit code if rows were left out.
const INCOMPLETE: u8 = 3;

/// Numbers of exported and rejected rows.
struct Counts {
    written: u64,
    left_out: u64,
}

/// The list of rows that cannot be read.
struct Rejected(Option<csv::Writer<AtomicFile>>);

pub(super) async fn run(target: Endpoint, export: &Export, as_json: bool) -> Result<ExitCode> {
    if export.skip_unreadable.as_ref() == Some(&export.file) {
        bail!("the rows that are left out need a file of their own");
    }
    let is_stream = export.file == Path::new("-");
    let deadline = Deadline::new(export.limits.within, as_json && !is_stream);
    let db = target.open_book(OpenMode::ReadOnly, &deadline).await?;
    let mut rejected = Rejected::create(export.skip_unreadable.as_deref())?;
    let counts = if is_stream {
        let written = async {
            for_table!(
                export.table,
                write(&db, &mut io::stdout().lock(), &mut rejected, export.escape_formulas)
            )
        };
        let counts = deadline.run(&db, written).await?;
        rejected.finish()?;
        counts
    } else {
        let mut file = AtomicFile::create(&export.file)?;
        let mut interrupt = file.is_temporary().then(Interrupt::new).transpose()?;
        let written =
            async { for_table!(export.table, write(&db, &mut file, &mut rejected, export.escape_formulas)) };
        let written = deadline.run(&db, written);
        let counts = match &mut interrupt {
            Some(interrupt) => interrupt.unless(written).await?,
            None => written.await?,
        };
        // The list first: a file with missing rows never exists without it.
        rejected.finish()?;
        file.finish()?;
        tell(&counts, export, as_json)?;
        counts
    };
    db.close().await;
    if counts.left_out == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(list) = &export.skip_unreadable {
        let left_out = output::thousands(counts.left_out);
        output::stderr_line(format!("warning: {left_out} rows can't be read; {} lists them", list.display()));
    }
    Ok(ExitCode::from(INCOMPLETE))
}

fn tell(counts: &Counts, export: &Export, as_json: bool) -> io::Result<()> {
    if as_json {
        return output::json(&json!({ "rows": counts.written, "unreadable": counts.left_out }));
    }
    output::line(format!("exported {} rows to {}", output::thousands(counts.written), export.file.display()))
}

/// Writes all rows of one snapshot, ordered by identifier, so that no other value affects whether and where a row
/// appears.
async fn write<T: Table>(
    db: &Database,
    output: &mut impl Write,
    rejected: &mut Rejected,
    escapes_formulas: bool,
) -> Result<Counts> {
    let mut csv = csv::Writer::from_writer(output);
    csv.write_record(<T as Row>::COLUMNS.iter().map(|column| column.name)).map_err(io_error)?;

    let mut session = db.snapshot().await?;
    let mut rows = Repository::<_, T>::new(&mut session);
    let there = rows.count().await?;
    let bar = progress::items("exporting", there);
    let mut counts = Counts { written: 0, left_out: 0 };
    let mut last = None;
    loop {
        let page = rows.scan(last, PAGE).await?;
        let Some((id, _)) = page.last() else { break };
        last = Some(*id);
        bar.inc(page.len() as u64);
        for (_, row) in page {
            match row {
                Ok(values) => {
                    let fields = <T as Row>::COLUMNS.iter().zip(&values).map(|(column, value)| {
                        let field = to_field(column, value);
                        if escapes_formulas { escape_formula(value, field) } else { field }
                    });
                    csv.write_record(fields).map_err(io_error)?;
                    counts.written += 1;
                }
                Err(unreadable) => {
                    rejected.note(&unreadable)?;
                    counts.left_out += 1;
                }
            }
        }
    }
    csv.flush()?;
    bar.finish_and_clear();
    let seen = counts.written + counts.left_out;
    if seen != there {
        bail!(
            "{} counts {there} rows, and {seen} were read: the database contradicts itself, so this export is not to be \
             trusted\nnext: tallybook doctor",
            T::NAME
        );
    }
    Ok(counts)
}

impl Rejected {
    fn create(list: Option<&Path>) -> Result<Self> {
        let Some(list) = list else { return Ok(Self(None)) };
        let mut csv = csv::Writer::from_writer(AtomicFile::create(list)?);
        csv.write_record(["table", "id", "column", "reason"]).map_err(io_error)?;
        Ok(Self(Some(csv)))
    }

    /// Lists a rejected row, or fails if there is no list.
    fn note(&mut self, unreadable: &UnreadableRow) -> Result<()> {
        let Some(csv) = &mut self.0 else {
            bail!("{unreadable}\nnext: correct the row, or write the others with --skip-unreadable FILE");
        };
        for column in &unreadable.columns {
            let id = unreadable.id.clone();
            csv.write_record([unreadable.table, &id, &column.column, &column.reason]).map_err(io_error)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self.0 {
            Some(csv) => csv.into_inner().map_err(|error| error.into_error())?.finish(),
            None => Ok(()),
        }
    }
}

/// Returns the plain I/O error, so that a closed pipe is recognised.
fn io_error(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("{other:?}"),
    }
}
