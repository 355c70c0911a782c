//! `tallybook migrate`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tallybook::book::{ALEMBIC, migrator};
use tallybook::migrate::{
    Adoption, Change, Difference, Migrator, MissingPrivilege, OtherHistory, PlannedRevision, Progress,
    Release, ReleaseVersions, StepSql, Target,
};
use tallybook::{Escaped, OpenMode};
use tokio::time::timeout;

use super::unreadable;
use crate::args::Migrate;
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::output;
use crate::progress::Steps;

/// Time that closing may take after a command failed.
const GRACE: Duration = Duration::from_millis(200);

pub(super) async fn run(endpoint: Endpoint, command: &Migrate, as_json: bool) -> Result<ExitCode> {
    let deadline = Arc::new(Deadline::new(command.within(), as_json));
    let db = endpoint.open(mode(command), &deadline).await?;
    let migrator = with_progress(&migrator(&db), command, &deadline, as_json);
    let outcome = run_on(&migrator, command, as_json).await;
    if outcome.is_ok() && matches!(command, Migrate::Check { .. } | Migrate::Adopt { .. }) {
        unreadable::warn(&db, deadline.left()).await;
    }
    match &outcome {
        Ok(_) => db.close().await,
        // The time limit may have passed.
        Err(_) => drop(timeout(GRACE, db.close()).await),
    }
    outcome
}

/// Returns the open mode: only an upgrade creates a database, and commands that only read change none.
fn mode(command: &Migrate) -> OpenMode {
    match command {
        Migrate::Upgrade { .. } => OpenMode::Create,
        Migrate::Downgrade { .. }
        | Migrate::Adopt { dry_run: false, .. }
        | Migrate::Release { .. }
        | Migrate::Repair { .. } => OpenMode::Existing,
        Migrate::Adopt { dry_run: true, .. }
        | Migrate::Current { .. }
        | Migrate::History { .. }
        | Migrate::Plan { .. }
        | Migrate::Check { .. } => OpenMode::ReadOnly,
    }
}

async fn run_on(migrator: &Migrator<'_>, command: &Migrate, as_json: bool) -> Result<ExitCode> {
    match command {
        Migrate::Upgrade { target, .. } => {
            let target = parse(target)?;
            migrator.upgrade(&target).await?;
        }
        Migrate::Downgrade { target, force, .. } => {
            let target = parse(target)?;
            migrator.clone().force(*force).downgrade(&target).await?;
        }
        Migrate::Current { .. } => print_current(migrator, as_json).await?,
        Migrate::History { .. } => print_history(migrator, as_json).await?,
        Migrate::Plan { target, .. } => {
            let target = parse(target)?;
            let missing = migrator.missing_privileges(&target).await?;
            print_plan(&migrator.plan(&target).await?, &missing, as_json)?;
            return Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Migrate::Check { .. } => return print_check(migrator, as_json).await,
        Migrate::Adopt { dry_run: true, .. } => {
            let missing = migrator.missing_for_adoption().await?;
            let adoption = migrator.adoption(ALEMBIC).await;
            let adoption = adoption.inspect_err(|_| drop(print_only_missing(&missing, as_json)))?;
            print_adoption(&adoption, &missing, as_json)?;
            let is_in_the_way = adoption.is_blocked() || !missing.is_empty();
            return Ok(if is_in_the_way { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        Migrate::Adopt { dry_run: false, .. } => {
            print_adoption(&migrator.adopt(ALEMBIC).await?, &[], as_json)?;
        }
        Migrate::Release { .. } => print_release(&migrator.release(ALEMBIC).await?, as_json)?,
        Migrate::Repair { revision, .. } => {
            let accepted = migrator.repair(revision).await?;
            match as_json {
                true => output::json(&json!({ "accepted": accepted }))?,
                false if accepted.is_empty() => output::line("nothing to repair: no step was changed")?,
                false => output::line(format!("accepted the new text of: {}", accepted.join(", ")))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the migrator with listeners that show progress, as a bar on a terminal or a line of JSON for each
/// event, and report blockers and the result.
///
/// The result is printed in a listener, because the migrator deletes the record of a relative target only after
/// that.
fn with_progress<'a>(
    migrator: &Migrator<'a>,
    command: &Migrate,
    deadline: &Arc<Deadline>,
    as_json: bool,
) -> Migrator<'a> {
    let done = match command {
        Migrate::Upgrade { .. } => Some("upgraded"),
        Migrate::Downgrade { .. } => Some("rolled back"),
        _ => None,
    };
    let steps = (done.is_some() && !as_json).then(Steps::new);
    let reporter = Arc::clone(deadline);
    // A reader that went away is no reason to stop half-way.
    migrator.clone().within(deadline.left()).on_progress(move |progress| match (progress, &steps) {
        (Progress::Ended { changes }, steps) => {
            steps.iter().for_each(Steps::clear);
            drop(done.map(|done| print_changes(done, changes, as_json)));
        }
        (progress, Some(steps)) if steps.is_shown() => steps.show(progress),
        (Progress::Waiting { what, blockers }, _) => reporter.report_blockers(what, blockers),
        (progress, _) if as_json => drop(output::json_line(progress)),
        (Progress::Building { blockers, .. }, _) if !blockers.is_empty() => {
            reporter.report_blockers("transactions that an index build has to wait for", blockers);
        }
        (progress @ Progress::Warning { .. }, Some(steps)) => steps.show(progress),
        _ => {}
    })
}

fn parse(target: &str) -> Result<Target> {
    Ok(target.parse()?)
}

fn print_changes(done: &str, changes: &[Change], as_json: bool) -> Result<()> {
    if as_json {
        let list: Vec<_> = changes
            .iter()
            .map(|change| {
                json!({
                    "id": change.id, "name": change.name, "ms": change.took.as_secs_f64() * 1e3,
                    "not_unique": change.not_unique,
                })
            })
            .collect();
        // After lines of progress the result is a line as well.
        output::json_line(&json!({ "changes": list }))?;
        return Ok(());
    }
    for change in changes {
        output::line(format!(
            "{done} {} {} ({})",
            change.id,
            change.name,
            output::micros(change.took.as_micros() as u64)
        ))?;
        change.not_unique.iter().try_for_each(|rows| output::line(rows.to_string()))?;
    }
    if changes.is_empty() {
        output::line("nothing to do: the database is there already")?;
    }
    Ok(())
}

async fn print_current(migrator: &Migrator<'_>, as_json: bool) -> Result<()> {
    let (current, unrecorded) = (migrator.current().await?, migrator.unrecorded().await?);
    if as_json {
        let others = migrator.others().await?;
        return Ok(output::json(&json!({ "current": current, "unrecorded": unrecorded, "others": others }))?);
    }
    let none = match unrecorded.is_empty() {
        true => "base (no revision is applied; next: tallybook migrate upgrade)",
        false => {
            "none (the book's tables are there and not adopted; next: tallybook migrate adopt --dry-run)"
        }
    };
    Ok(output::line(current.unwrap_or(none))?)
}

/// Prints the histories of other programs, whose revisions this program does not have.
fn print_others(others: &[OtherHistory], not: &str) -> Result<()> {
    for other in others {
        output::line(format!("{not} the history {other}"))?;
    }
    Ok(())
}

async fn print_history(migrator: &Migrator<'_>, as_json: bool) -> Result<()> {
    let (entries, others) = (migrator.history().await?, migrator.others().await?);
    let unrecorded = migrator.unrecorded().await?;
    let applied = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| at.format("%F %T UTC").to_string());
    if as_json {
        let list: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "id": entry.id, "name": entry.name, "applied_at": applied(entry.applied_at),
                    "unfinished_steps": entry.unfinished,
                })
            })
            .collect();
        return Ok(output::json(&json!({ "revisions": list, "unrecorded": unrecorded, "others": others }))?);
    }
    let rows = entries
        .iter()
        .map(|entry| {
            let at = match entry.unfinished {
                Some(steps) => format!("half-way: {steps} steps are done"),
                None => applied(entry.applied_at).unwrap_or_else(|| "not applied".to_owned()),
            };
            vec![entry.id.to_owned(), entry.name.to_owned(), at]
        })
        .collect();
    output::table(&["revision", "name", "applied"], rows, &[])?;
    if !unrecorded.is_empty() {
        output::line(format!(
            "there without a record: {}\nnext: tallybook migrate adopt --dry-run",
            unrecorded.join(", ")
        ))?;
    }
    print_others(&others, "of other programs:")
}

fn print_plan(plan: &[PlannedRevision], missing: &[MissingPrivilege], as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(&json!({ "revisions": plan, "missing_privileges": missing }))?);
    }
    for revision in plan {
        output::line(format!("revision {} {}", revision.id, revision.name))?;
        for step in &revision.steps {
            output::line(format!("  {}{}", step.what, if step.done { " (done already)" } else { "" }))?;
            print_way("    ", &step.up)?;
            if let Some(bytes) = step.bytes {
                output::line(format!("    takes:  about {} MB of disk space", bytes.div_ceil(1 << 20)))?;
            }
            output::line("    and back:")?;
            print_way("      ", &step.back)?;
        }
    }
    if plan.is_empty() {
        output::line("nothing to do: the database is there already")?;
    }
    print_missing(missing)
}

/// Prints the missing privileges, if nothing else can be read.
fn print_only_missing(missing: &[MissingPrivilege], as_json: bool) -> Result<()> {
    match as_json {
        true => Ok(output::json(&json!({ "missing_privileges": missing }))?),
        false => print_missing(missing),
    }
}

fn print_missing(missing: &[MissingPrivilege]) -> Result<()> {
    for MissingPrivilege { what, grant, .. } in missing {
        output::line(format!("missing: {}\n  next: {}", Escaped(what), Escaped(grant)))?;
    }
    Ok(())
}

fn print_way(indent: &str, way: &StepSql) -> Result<()> {
    for sql in &way.sql {
        output::line(format!("{indent}{sql}"))?;
    }
    output::line(format!("{indent}locks:  {}", way.lock))?;
    let reads = match (way.rewrites, way.scans) {
        (true, _) => "rewrites the whole table",
        (false, true) => "reads the whole table",
        (false, false) => "touches no row",
    };
    output::line(format!("{indent}work:   {reads}"))?;
    if let Some(loses) = &way.loses {
        output::line(format!("{indent}loses:  {}", Escaped(loses)))?;
    }
    Ok(())
}

async fn print_check(migrator: &Migrator<'_>, as_json: bool) -> Result<ExitCode> {
    let differences = match migrator.check().await {
        Err(error) if as_json && error.is_revision() => {
            output::json(&json!({ "ok": false, "reason": error.to_string() }))?;
            return Ok(ExitCode::FAILURE);
        }
        differences => differences?,
    };
    let (entries, others) = (migrator.history().await?, migrator.others().await?);
    let half = entries.iter().find(|entry| entry.unfinished.is_some()).map(|entry| entry.id);
    let absent = entries.iter().filter(|entry| entry.applied_at.is_none() && entry.unfinished.is_none());
    let absent: Vec<_> = absent.map(|entry| entry.id).collect();
    let is_bad = half.is_some() || differences.iter().any(Difference::is_blocking);
    if as_json {
        output::json(&json!({
            "ok": !is_bad, "differences": differences, "half_way": half, "not_applied": absent, "others": others,
        }))?;
    } else {
        print_differences(&differences)?;
        if differences.is_empty() && !is_bad {
            output::line("the database is what its revisions say")?;
        }
        if let Some(half) = half {
            output::line(format!(
                "revision {half} is half-way and was not checked\nnext: tallybook migrate upgrade"
            ))?;
        }
        if !absent.is_empty() {
            output::line(format!("not applied, so not checked: {}", absent.join(", ")))?;
        }
        print_others(&others, "not checked:")?;
    }
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print_differences(differences: &[Difference]) -> Result<()> {
    for difference in differences {
        let severity = serde_json::to_value(difference.severity)?;
        let severity = severity.as_str().unwrap_or_default().replace('_', " ");
        output::line(format!("{severity}: {difference}"))?;
    }
    Ok(())
}

fn print_adoption(adoption: &Adoption, missing: &[MissingPrivilege], as_json: bool) -> Result<()> {
    if as_json {
        let mut value = serde_json::to_value(adoption)?;
        value["missing_privileges"] = serde_json::to_value(missing)?;
        return Ok(output::json(&value)?);
    }
    print_differences(&adoption.differences)?;
    for warning in &adoption.warnings {
        output::line(format!("warning: {warning}"))?;
    }
    print_missing(missing)?;
    let at = adoption.revision.unwrap_or("base");
    let what = match adoption.version {
        Some(version) => format!("Alembic's {version}"),
        None => format!(
            "a database without an Alembic version, for example made by SQLAlchemy's create_all, most similar to version \
             {}",
            adoption.like
        ),
    };
    let (done, next) = match (adoption.recorded, adoption.already, adoption.is_blocked()) {
        (_, true, _) => {
            (format!("adopted already, and at revision {at}; nothing was changed"), Some("upgrade"))
        }
        (true, ..) => (format!("adopted: {what} is revision {at}"), Some("upgrade")),
        (.., true) => (format!("{what} would be revision {at}, except for the blocking differences"), None),
        (.., false) => (format!("{what} would be revision {at}; nothing was changed"), Some("adopt")),
    };
    output::line(done)?;
    output::line(format!("back to Alembic: {}", describe_release(&adoption.way_back)))?;
    if let Some(next) = next {
        output::line(format!("next: tallybook migrate {next}"))?;
    }
    Ok(())
}

fn describe_release(way: &ReleaseVersions) -> String {
    let Some(adopted) = way.adopted else {
        return "tallybook migrate release deletes the history, and writes no version".to_owned();
    };
    let release = format!("tallybook migrate release hands back {adopted}");
    let told = match (way.upgraded, &way.alembic_first) {
        (Some(upgraded), _) if upgraded == adopted => release,
        (Some(upgraded), _) => format!("{release}, and {upgraded} after an upgrade"),
        (None, Some(first)) if way.before_upgrade => {
            format!("{release} before an upgrade, and nothing after it unless `{first}` was run before it")
        }
        (None, Some(first)) => format!("{release} before an upgrade; after it, run `{first}` first"),
        (None, None) => format!("{release} before an upgrade, and nothing after it"),
    };
    match way.downgrade_first {
        Some(revision) => {
            format!("{told}; after an upgrade, run `tallybook migrate downgrade {revision}` first")
        }
        None => told,
    }
}

fn print_release(release: &Release, as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(release)?);
    }
    let done = if release.already { "handed back already" } else { "handed back" };
    output::line(match release.version {
        Some(version) => format!("{done}: alembic_version holds {}", Escaped(version)),
        None => {
            format!("{done}: the history is deleted, and Alembic has no version of this database")
        }
    })?;
    if let Some(mode) = &release.journal_mode {
        output::line(format!("the file has the journal mode it had before: {}", Escaped(mode)))?;
    }
    match &release.left {
        Some(left) => Ok(output::line(format!("warning: {}", Escaped(left)))?),
        None => Ok(()),
    }
}
