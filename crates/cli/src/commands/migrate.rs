//! `tallybook migrate`.

use anyhow::Result;
use serde_json::json;
use tallybook::engine::migrate::{Change, Goal};
use tallybook::migrator;

use crate::args::Migrate;
use crate::database::Target;
use crate::output;

pub(super) async fn run(target: Target, command: &Migrate, as_json: bool) -> Result<()> {
    let db = target.open().await?;
    let migrator = migrator(&db);
    match command {
        Migrate::Upgrade { goal } => {
            print_changes("upgraded", &migrator.upgrade(&parse(goal)?).await?, as_json)?;
        }
        Migrate::Downgrade { goal } => {
            print_changes("rolled back", &migrator.downgrade(&parse(goal)?).await?, as_json)?;
        }
        Migrate::Current => {
            let current = migrator.current().await?;
            if as_json {
                output::json(&json!({ "current": current }))?;
            } else {
                output::line(
                    current.unwrap_or("base (no revision is applied; next: tallybook migrate upgrade)"),
                )?;
            }
        }
        Migrate::History => {
            let entries = migrator.history().await?;
            let applied =
                |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| at.format("%F %T UTC").to_string());
            if as_json {
                let list: Vec<_> = entries
                    .iter()
                    .map(|entry| json!({ "id": entry.id, "name": entry.name, "applied_at": applied(entry.applied_at) }))
                    .collect();
                output::json(&json!({ "revisions": list }))?;
            } else {
                let rows = entries
                    .iter()
                    .map(|entry| {
                        let at = applied(entry.applied_at).unwrap_or_else(|| "not applied".to_owned());
                        vec![entry.id.to_owned(), entry.name.to_owned(), at]
                    })
                    .collect();
                output::table(&["revision", "name", "applied"], rows, &[])?;
            }
        }
    }
    db.close().await;
    Ok(())
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
        output::json(&json!({ "changes": list }))?;
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
