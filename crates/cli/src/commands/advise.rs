//! `tallybook advise`.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use tallybook::book::REVISIONS;
use tallybook::migrate::indexes_of;
use tallybook::{Database, Escaped, MonitorMode, OpenMode, Settings, Workload};
use tallybook_advise::{Advice, Options, advise, compare, workload_of_server};

use crate::advice::PrintedAdvice;
use crate::args::Advise;
use crate::database::Endpoint;
use crate::figures::choose_socket;
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress;

/// Permissions of a recording, which has row values in it.
const OWNER_ONLY: u32 = 0o600;

pub(super) async fn run(target: Endpoint, args: &Advise, as_json: bool) -> Result<ExitCode> {
    let mut interrupt = Interrupt::new()?;
    // On the heap: the examination is a large future, and the stack of the main thread is small.
    interrupt.unless(Box::pin(advise_on(target, args, as_json))).await
}

async fn advise_on(target: Endpoint, args: &Advise, as_json: bool) -> Result<ExitCode> {
    // A recording needs no database.
    if let (Some(file), false) = (&args.record, args.pg_stat_statements) {
        let workload = choose_socket(args.socket.clone())?.workload().await?;
        record(&workload, file)?;
        return Ok(ExitCode::SUCCESS);
    }
    let earlier = args.after.as_deref().map(read::<Advice>).transpose()?;
    let watched = match (&args.recording, args.pg_stat_statements) {
        (Some(file), _) => Some(read::<Workload>(file)?),
        (None, true) => None,
        (None, false) => Some(choose_socket(args.socket.clone())?.workload().await?),
    };
    let db = Database::open(settings(target)?).await?;
    let workload = match watched {
        Some(workload) => workload,
        None => workload_of_server(&db).await.context("pg_stat_statements could not be read")?,
    };
    if let Some(file) = &args.record {
        record(&workload, file)?;
        db.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    // The book's own revisions made these on purpose, and would miss them.
    let kept = indexes_of(REVISIONS);
    let options = Options::default().within(Duration::from_secs(args.within)).max_rows(args.rows).keep(kept);
    let spinner = progress::waiting("trying indexes on a scratch copy");
    let advice = advise(&db, &workload, &options).await;
    spinner.finish_and_clear();
    db.close().await;
    let advice = advice?;
    let outcomes = earlier.map(|earlier| compare(&earlier, &advice));
    let printed = PrintedAdvice::new(advice, outcomes, args.revision.as_deref(), workload.database);
    match (as_json, args.revision.is_some()) {
        (true, _) => output::json(&printed)?,
        (false, true) => printed.print_revision()?,
        (false, false) => printed.print()?,
    }
    Ok(ExitCode::from(printed.exit_code))
}

/// Returns the settings of the environment for reading: nobody watches this program.
fn settings(target: Endpoint) -> Result<Settings> {
    let mut settings = target.settings()?;
    settings.open_mode = OpenMode::ReadOnly;
    settings.monitor.mode = MonitorMode::Off;
    settings.monitor.socket = None;
    Ok(settings)
}

/// Writes a workload for its owner alone.
fn record(workload: &Workload, file: &Path) -> Result<()> {
    let written = || -> Result<()> {
        let mut out = File::options().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(file)?;
        // An older file keeps its mode when it is opened.
        if out.metadata()?.is_file() {
            out.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        }
        serde_json::to_writer_pretty(&mut out, workload)?;
        Ok(out.write_all(b"\n")?)
    };
    let place = file.display().to_string();
    written().with_context(|| format!("cannot write {place}"))?;
    let statements = output::thousands(workload.statements.len() as u64);
    output::stderr_line(format!(
        "{}: {statements} statements, with values of rows as their parameters: keep it as you keep the database",
        Escaped(&place)
    ));
    Ok(())
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let place = file.display().to_string();
    let text = fs::read(file).with_context(|| format!("cannot read {place}"))?;
    // The cause may quote the file, and with it values.
    serde_json::from_slice(&text).ok().with_context(|| {
        format!("{place} is no file of this kind: --recording reads what --record wrote, --after what --json printed")
    })
}
