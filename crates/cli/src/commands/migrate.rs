//! `tallybook migrate`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tallybook::engine::OpenMode;
use tallybook::engine::migrate::{
    Adoption, Change, Difference, Goal, Migrator, MissingPrivilege, Planned, Progress, Way,
};
use tallybook::{ALEMBIC, migrator};
use tokio::time::timeout;

use crate::args::Migrate;
use crate::bound::Bound;
use crate::database::Target;
use crate::output;
use crate::progress::Steps;

/// What closing may take when a command failed.
const GRACE: Duration = Duration::from_millis(200);

pub(super) async fn run(target: Target, command: &Migrate, as_json: bool) -> Result<ExitCode> {
    let bound = Arc::new(Bound::new(command.within(), as_json));
    let db = target.open(mode(command), &bound).await?;
    let migrator = told(&migrator(&db), command, &bound, as_json);
    let outcome = run_on(&migrator, command, as_json).await;
    match &outcome {
        Ok(_) => db.close().await,
        // Its time may be over.
        Err(_) => drop(timeout(GRACE, db.close()).await),
    }
    outcome
}

/// Only an upgrade makes a database, and what only looks changes none.
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
        Migrate::Upgrade { goal, .. } => {
            let goal = parse(goal)?;
            migrator.upgrade(&goal).await?;
        }
        Migrate::Downgrade { goal, force, .. } => {
            let goal = parse(goal)?;
            migrator.clone().force(*force).downgrade(&goal).await?;
        }
        Migrate::Current { .. } => print_current(migrator.current().await?, as_json)?,
        Migrate::History { .. } => print_history(migrator, as_json).await?,
        Migrate::Plan { goal, .. } => {
            let goal = parse(goal)?;
            let missing = migrator.missing_privileges(&goal).await?;
            print_plan(&migrator.plan(&goal).await?, &missing, as_json)?;
            return Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Migrate::Check { .. } => return print_check(&migrator.check().await?, as_json),
        Migrate::Adopt { dry_run: true, .. } => {
            let missing = migrator.missing_for_adoption().await?;
            let adoption = migrator.adoption(ALEMBIC).await.inspect_err(|_| drop(print_missing(&missing)))?;
            print_adoption(&adoption, &missing, as_json)?;
            let is_in_the_way = adoption.is_blocked() || !missing.is_empty();
            return Ok(if is_in_the_way { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        Migrate::Adopt { dry_run: false, .. } => {
            print_adoption(&migrator.adopt(ALEMBIC).await?, &[], as_json)?
        }
        Migrate::Release { .. } => {
            let version = migrator.release(ALEMBIC).await?;
            match as_json {
                true => output::json(&json!({ "version": version }))?,
                false => output::line(format!("handed back: alembic_version holds {version}"))?,
            }
        }
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

/// The runner with its progress and its result shown, a bar on a terminal or a line of JSON an event, and with those
/// named that it waits for.
///
/// The result is printed here because the runner forgets a relative target only after that.
fn told<'a>(migrator: &Migrator<'a>, command: &Migrate, bound: &Arc<Bound>, as_json: bool) -> Migrator<'a> {
    let done = match command {
        Migrate::Upgrade { .. } => Some("upgraded"),
        Migrate::Downgrade { .. } => Some("rolled back"),
        _ => None,
    };
    let steps = (done.is_some() && !as_json).then(Steps::new);
    let told = Arc::clone(bound);
    // A reader that went away is no reason to stop half-way.
    migrator.clone().within(bound.left()).on_progress(move |progress| match (progress, &steps) {
        (Progress::Ended { changes }, steps) => {
            steps.iter().for_each(Steps::clear);
            drop(done.map(|done| print_changes(done, changes, as_json)));
        }
        (progress, Some(steps)) if steps.is_shown() => steps.show(progress),
        (Progress::Waiting { what, blockers }, _) => told.tell(what, blockers),
        (progress, _) if as_json => drop(output::json_line(progress)),
        (Progress::Building { blockers, .. }, _) if !blockers.is_empty() => {
            told.tell("transactions that an index build has to wait for", blockers);
        }
        (progress @ Progress::Warning { .. }, Some(steps)) => steps.show(progress),
        _ => {}
    })
}

fn parse(goal: &str) -> Result<Goal> {
    Ok(goal.parse()?)
}

fn print_changes(done: &str, changes: &[Change], as_json: bool) -> Result<()> {
    if as_json {
        let list: Vec<_> = changes
            .iter()
            .map(|change| json!({ "id": change.id, "name": change.name, "ms": change.took.as_secs_f64() * 1e3 }))
            .collect();
        // Behind lines of progress it is a line as well.
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
    }
    if changes.is_empty() {
        output::line("nothing to do: the database is there already")?;
    }
    Ok(())
}

fn print_current(current: Option<&str>, as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(&json!({ "current": current }))?);
    }
    let none = "base (no revision is applied; next: tallybook migrate upgrade)";
    Ok(output::line(current.unwrap_or(none))?)
}

async fn print_history(migrator: &Migrator<'_>, as_json: bool) -> Result<()> {
    let entries = migrator.history().await?;
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
        return Ok(output::json(&json!({ "revisions": list }))?);
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
    Ok(output::table(&["revision", "name", "applied"], rows, &[])?)
}

fn print_plan(plan: &[Planned], missing: &[MissingPrivilege], as_json: bool) -> Result<()> {
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

fn print_missing(missing: &[MissingPrivilege]) -> Result<()> {
    for MissingPrivilege { what, grant, .. } in missing {
        output::line(format!("missing: {what}\n  next: {grant}"))?;
    }
    Ok(())
}

fn print_way(indent: &str, way: &Way) -> Result<()> {
    for sql in &way.sql {
        output::line(format!("{indent}{sql}"))?;
    }
    output::line(format!("{indent}locks:  {}", way.lock))?;
    let reads = match (way.rewrites, way.scans) {
        (true, _) => "writes the whole table anew",
        (false, true) => "reads the whole table",
        (false, false) => "touches no row",
    };
    output::line(format!("{indent}work:   {reads}"))?;
    if let Some(loses) = &way.loses {
        output::line(format!("{indent}loses:  {loses}"))?;
    }
    Ok(())
}

fn print_check(differences: &[Difference], as_json: bool) -> Result<ExitCode> {
    let is_bad = differences.iter().any(Difference::is_blocking);
    if as_json {
        output::json(&json!({ "ok": !is_bad, "differences": differences }))?;
    } else if differences.is_empty() {
        output::line("the database is what its revisions say")?;
    } else {
        print_differences(differences)?;
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
        let mut told = serde_json::to_value(adoption)?;
        told["missing_privileges"] = serde_json::to_value(missing)?;
        return Ok(output::json(&told)?);
    }
    print_differences(&adoption.differences)?;
    print_missing(missing)?;
    let at = adoption.revision.unwrap_or("base");
    output::line(match (adoption.recorded, adoption.is_blocked()) {
        (true, _) => format!(
            "adopted: Alembic's {} is revision {at}\nnext: tallybook migrate upgrade",
            adoption.version
        ),
        (false, true) => {
            format!("Alembic's {} would be revision {at}, but for what is blocking", adoption.version)
        }
        (false, false) => {
            format!(
                "Alembic's {} would be revision {at}; nothing was changed\nnext: tallybook migrate adopt",
                adoption.version
            )
        }
    })?;
    Ok(())
}
