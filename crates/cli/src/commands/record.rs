//! `tallybook record`.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use indicatif::ProgressBar;
use serde::Serialize;
use tallybook::book::{ExecutionId, RecordError, Recorded, Trades};
use tallybook::{Database, Error, OpenMode};
use tokio::time::sleep;

use super::import::open;
use crate::args::Record;
use crate::csv::Reader;
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::fills::{self, Entry, Line};
use crate::output;

/// Number of times that a batch is tried. Recording again is harmless.
const TRIES: u32 = 8;
/// The first pause between two tries; it doubles.
const PAUSE: Duration = Duration::from_millis(50);

/// What was recorded so far.
#[derive(Debug, Default, Serialize)]
struct Totals {
    batches: u64,
    lines: u64,
    /// Executions that were not recorded before, reversals included.
    new: u64,
    /// Executions that were recorded before.
    repeated: u64,
    /// New executions that take another one back.
    reversed: u64,
    /// New executions that should not have happened: over-fills, and fills of orders that had ended.
    marked: u64,
}

pub(super) async fn run(target: Endpoint, record: &Record, as_json: bool) -> Result<()> {
    let (input, bar) = open(&record.file, "recording")?;
    let deadline = Deadline::new(record.limits.within, as_json);
    let db = target.open_book(OpenMode::Existing, &deadline).await?;
    let mut totals = Totals::default();
    let recorded = deadline
        .run(&db, file(&db, input, &bar, record.batch as usize, &mut totals))
        .await
        .with_context(|| stopped(&record.file, &totals));
    bar.finish_and_clear();
    recorded?;
    db.close().await;
    if as_json {
        return Ok(output::json(&totals)?);
    }
    let count = output::thousands;
    output::line(format!(
        "recorded {} executions, {} of them reversals; {} were recorded before",
        count(totals.new),
        count(totals.reversed),
        count(totals.repeated)
    ))?;
    if totals.marked > 0 {
        output::line(format!(
            "{} are marked: they fill an order beyond its quantity, or after its end",
            count(totals.marked)
        ))?;
    }
    Ok(output::line("next: tallybook check book")?)
}

/// Says how far the command came, and how to go on.
fn stopped(file: &Path, totals: &Totals) -> String {
    let file = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let Totals { batches, lines, .. } = totals;
    let (batches, lines) = (output::thousands(*batches), output::thousands(*lines));
    format!(
        "{file} is not completely recorded: {lines} fills in {batches} batches are, and nothing of the batch after them. Correct the \
         line, or remove what is in the way, and run the same command again: what is recorded stays, and is not recorded twice"
    )
}

/// Records a file, batch by batch.
async fn file(
    db: &Database,
    input: Box<dyn Read + Send>,
    bar: &ProgressBar,
    size: usize,
    totals: &mut Totals,
) -> Result<()> {
    let mut reader = Reader::new::<Line>("a file of fills", input)?;
    let columns = reader.columns();
    fills::check_columns(&columns)?;
    loop {
        let mut batch = Vec::new();
        while batch.len() < size
            && let Some(values) = reader.next()?
        {
            batch.push((reader.line(), fills::entry(&columns, values, reader.line())?));
        }
        if batch.is_empty() {
            return Ok(());
        }
        for recorded in surely(db, &batch).await? {
            totals.count(&recorded);
        }
        totals.batches += 1;
        totals.lines += batch.len() as u64;
        match bar.length() {
            Some(_) => bar.set_position(reader.bytes()),
            None => bar.inc(batch.len() as u64),
        }
    }
}

/// Records a batch, again if its outcome is unknown or others were in the way. An execution whose commit was not acknowledged
/// and that is found again was not recorded before.
async fn surely(db: &Database, batch: &[(u64, Entry)]) -> Result<Vec<Recorded>> {
    let mut unacknowledged: HashSet<(usize, ExecutionId)> = HashSet::new();
    let mut pause = PAUSE;
    let mut tries = 1;
    loop {
        let mut sent = Vec::new();
        let recorded = db
            .write(async |session| {
                let recorded = record(&mut Trades::new(session), batch).await?;
                sent = new_executions(&recorded).collect();
                Ok(recorded)
            })
            .await;
        match recorded {
            Ok(done) => {
                let mut done = done.into_value();
                for (place, one) in done.iter_mut().enumerate() {
                    one.is_repeat &= !unacknowledged.contains(&(place, one.execution.id));
                }
                return Ok(done);
            }
            Err(error) if tries < TRIES && may_succeed(&error) => {
                if error.database().is_some_and(Error::is_commit_unknown) {
                    unacknowledged.extend(sent);
                }
                sleep(pause).await;
                pause *= 2;
                tries += 1;
            }
            Err(error) => return Err(explained(error, batch)),
        }
    }
}

/// Returns the executions that were not recorded before, each with its place in the batch.
fn new_executions(recorded: &[Recorded]) -> impl Iterator<Item = (usize, ExecutionId)> {
    let new = recorded.iter().enumerate().filter(|(_, one)| !one.is_repeat);
    new.map(|(place, one)| (place, one.execution.id))
}

/// Records in the order of the file: fills that follow each other together, reversals one by one.
async fn record(
    trades: &mut Trades<'_, tallybook::WriteSession>,
    batch: &[(u64, Entry)],
) -> Result<Vec<Recorded>, RecordError> {
    let mut recorded = Vec::with_capacity(batch.len());
    let is_fill = |entry: &(u64, Entry)| matches!(entry.1, Entry::Fill(_));
    for part in batch.chunk_by(|one, other| is_fill(one) && is_fill(other)) {
        if let [(_, Entry::Reversal(reversal))] = part {
            recorded.push(trades.reverse(reversal).await?);
            continue;
        }
        let fills = part.iter().filter_map(|(_, entry)| match entry {
            Entry::Fill(fill) => Some(fill.clone()),
            Entry::Reversal(_) => None,
        });
        recorded.extend(trades.record_many(&fills.collect::<Vec<_>>()).await?);
    }
    Ok(recorded)
}

/// Returns whether the same call may succeed: a recorded execution is answered again, so an unknown outcome is no obstacle.
fn may_succeed(error: &RecordError) -> bool {
    error.database().is_some_and(|error| {
        error.is_retryable()
            || error.is_commit_unknown()
            || error.is_connection_lost()
            || error.is_unique_violation()
    })
}

/// Adds the line and the column that an error is about.
fn explained(error: RecordError, batch: &[(u64, Entry)]) -> anyhow::Error {
    let (first, last) = (batch[0].0, batch[batch.len() - 1].0);
    let Some((id, column)) = fills::place(&error) else {
        return anyhow!(error).context(format!("lines {first} to {last}"));
    };
    let mut lines = batch.iter().filter(|(_, entry)| entry.names(id)).map(|(line, _)| *line);
    // The first one of two lines with one identifier is recorded; the second one contradicts it.
    let line = match &error {
        RecordError::DifferentContent { .. } => lines.next_back(),
        _ => lines.next(),
    };
    let place = line.map_or_else(|| format!("lines {first} to {last}"), |line| format!("line {line}"));
    anyhow!(error).context(format!("{place}, column {column}"))
}

impl Totals {
    fn count(&mut self, recorded: &Recorded) {
        if recorded.is_repeat {
            self.repeated += 1;
            return;
        }
        self.new += 1;
        self.reversed += u64::from(recorded.execution.reverses_id.is_some());
        self.marked += u64::from(recorded.execution.mark.is_some());
    }
}
