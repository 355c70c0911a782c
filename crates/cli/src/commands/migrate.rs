//! `tallybook migrate`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tallybook::engine::OpenMode;
use tallybook::engine::migrate::{Adoption, Change, Difference, Goal, Migrator, Planned, Progress, Way};
use tallybook::{ALEMBIC, migrator};

use super::unreadable;
use crate::args::{Limits, Migrate};
use crate::database::Target;
use crate::output;
use crate::progress::Steps;

pub(super) async fn run(target: Target, command: &Migrate, as_json: bool) -> Result<ExitCode> {
    let db = target.open(mode(command)).await?;
    let code = run_on(&migrator(&db), command, as_json).await?;
    if matches!(command, Migrate::Check | Migrate::Adopt { .. }) {
        unreadable::warn(&db).await;
    }
    db.close().await;
    Ok(code)
}

/// Only an upgrade makes a database, and what only looks changes none.
fn mode(command: &Migrate) -> OpenMode {
    match command {
        Migrate::Upgrade { .. } => OpenMode::Create,
        Migrate::Downgrade { .. }
        | Migrate::Adopt { dry_run: false }
        | Migrate::Release
        | Migrate::Repair { .. } => OpenMode::Existing,
        Migrate::Adopt { dry_run: true }
        | Migrate::Current
        | Migrate::History
        | Migrate::Plan { .. }
        | Migrate::Check => OpenMode::ReadOnly,
    }
}

async fn run_on(migrator: &Migrator<'_>, command: &Migrate, as_json: bool) -> Result<ExitCode> {
    match command {
        Migrate::Upgrade { goal, limits } => {
            let goal = parse(goal)?;
            told(migrator, "upgraded", *limits, as_json).upgrade(&goal).await?;
        }
        Migrate::Downgrade { goal, force, limits } => {
            let goal = parse(goal)?;
            told(migrator, "rolled back", *limits, as_json).force(*force).downgrade(&goal).await?;
        }
        Migrate::Current => print_current(migrator.current().await?, as_json)?,
        Migrate::History => print_history(migrator, as_json).await?,
        Migrate::Plan { goal } => print_plan(&migrator.plan(&parse(goal)?).await?, as_json)?,
        Migrate::Check => return print_check(&migrator.check().await?, as_json),
        Migrate::Adopt { dry_run: true } => {
            let adoption = migrator.adoption(ALEMBIC).await?;
            print_adoption(&adoption, as_json)?;
            return Ok(if adoption.is_blocked() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        Migrate::Adopt { dry_run: false } => print_adoption(&migrator.adopt(ALEMBIC).await?, as_json)?,
        Migrate::Release => {
            let version = migrator.release(ALEMBIC).await?;
            match as_json {
                true => output::json(&json!({ "version": version }))?,
                false => output::line(format!("handed back: alembic_version holds {version}"))?,
            }
        }
        Migrate::Repair { revision } => {
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

/// The runner with its progress and its result shown: a bar on a terminal, a line of JSON an event with --json.
///
/// The result is printed here because the runner forgets a relative target only after that.
fn told<'a>(migrator: &Migrator<'a>, done: &'static str, limits: Limits, as_json: bool) -> Migrator<'a> {
    let migrator = migrator.clone().within(Duration::from_secs(limits.within));
    let steps = (!as_json).then(Steps::new);
    // A reader that went away is no reason to stop half-way.
    migrator.on_progress(move |progress| match (progress, &steps) {
        (Progress::Ended { changes }, _) => {
            steps.iter().for_each(Steps::clear);
            drop(print_changes(done, changes, as_json));
        }
        (_, Some(steps)) => steps.show(progress),
        (_, None) => drop(output::json_line(progress)),
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

fn print_plan(plan: &[Planned], as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(&json!({ "revisions": plan }))?);
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

fn print_adoption(adoption: &Adoption, as_json: bool) -> Result<()> {
    if as_json {
        return Ok(output::json(adoption)?);
    }
    print_differences(&adoption.differences)?;
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
