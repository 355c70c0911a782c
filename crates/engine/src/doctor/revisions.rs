//! Whether the database is at the revision that the program needs, and is what its revisions say.

use super::finding::Finding;
use super::severity::Severity;
use super::units::counted;
use super::visit::Visit;
use crate::error::{Error, Result};
use crate::migrate::{Difference, Elsewhere, Other, Standing, elsewhere, standing};
use crate::settings::Engine;

pub(super) const NAME: &str = "revisions";
const SCHEMA: &str = "schema";
const CHECK: &str = "tallybook migrate check";

pub(super) async fn look(visit: &mut Visit<'_>) -> Result<Vec<Finding>> {
    if visit.revisions.is_empty() {
        return Ok(Vec::new());
    }
    let engine = visit.connection.engine();
    match standing(&mut visit.connection, visit.revisions).await {
        Ok(standing) => {
            let is_bare = standing.entries.iter().all(|entry| entry.applied_at.is_none());
            let elsewhere = match is_bare {
                true => elsewhere(&mut visit.connection, visit.revisions).await?,
                false => None,
            };
            Ok(judge(&standing, elsewhere.as_ref(), engine))
        }
        Err(error) if error.is_revision() => Ok(vec![unknown(&error)]),
        Err(error) => Err(error),
    }
}

fn judge(standing: &Standing, elsewhere: Option<&Elsewhere>, engine: Engine) -> Vec<Finding> {
    if let Some(elsewhere) = elsewhere {
        return vec![in_another_schema(elsewhere)];
    }
    let mut findings: Vec<_> = behind(standing).into_iter().collect();
    // An invalid one is told of by its own check, with how to repair it.
    let (bad, harmless): (Vec<_>, Vec<_>) =
        standing.differences.iter().partition(|there| there.is_blocking());
    findings.extend(bad.into_iter().filter(|there| !is_invalid(there)).map(|there| differs(there, engine)));
    if !harmless.is_empty() {
        findings.push(differ_harmlessly(&harmless));
    }
    if !standing.others.is_empty() {
        findings.push(others(&standing.others));
    }
    findings
}

/// Said in any case: what is not looked at is not well because nothing is said of it.
fn others(others: &[Other]) -> Finding {
    let told: Vec<_> = others.iter().map(ToString::to_string).collect();
    let what = format!(
        "{} of other programs: {}",
        counted(others.len(), "history").replace("historys", "histories"),
        told.join("; ")
    );
    Finding::note(NAME, what, "their revisions are in this database too, and were not looked at: only the programs that have them can")
        .advise("let those programs check theirs (Migrator::check)")
}

fn is_invalid(difference: &Difference) -> bool {
    difference.found.starts_with("an INVALID index")
}

fn behind(standing: &Standing) -> Option<Finding> {
    let entries = &standing.entries;
    let missing = entries.iter().filter(|entry| entry.applied_at.is_none() || entry.unfinished.is_some());
    let missing: Vec<_> = missing.map(|entry| entry.id).collect();
    let first = missing.first()?;
    if let Some(half) = entries.iter().find(|entry| entry.unfinished.is_some()) {
        let steps = half.unfinished.unwrap_or_default();
        let what =
            format!("revision {} ({}) is half-way: {} done", half.id, half.name, counted(steps, "step"));
        let why = "a run of migrate ended before it was through, or one is under way right now";
        return Some(
            Finding::warning(NAME, what, why)
                .run("tallybook migrate history")
                .run("tallybook migrate upgrade"),
        );
    }
    if missing.len() < entries.len() {
        let what =
            format!("the database is not at the newest revision: not applied are {}", missing.join(", "));
        let why = "programs of this version read and write columns that are not there";
        return Some(
            Finding::critical(NAME, what, why).run("tallybook migrate plan").run("tallybook migrate upgrade"),
        );
    }
    if standing.tables.iter().any(|table| table == "alembic_version") {
        let what = "the database was made by Alembic and is not adopted: no revision is recorded in it";
        let why =
            "the program's commands refuse it, and nobody knows whether its tables are as they should be";
        return Some(Finding::warning(NAME, what, why).run("tallybook migrate adopt --dry-run"));
    }
    let there = match standing.tables.len() {
        0 => "it is empty".to_owned(),
        count => format!("it has {} of others", counted(count, "table")),
    };
    let what = format!("no revision is applied, not even {first}; {there}");
    let why = "there is no book in it: this may be another database than the one you mean";
    Some(Finding::critical(NAME, what, why).run("tallybook migrate upgrade"))
}

/// An upgrade here would make a second, empty book.
fn in_another_schema(elsewhere: &Elsewhere) -> Finding {
    let what = format!("no revision is applied here: {}", elsewhere.told());
    let why = "programs with this URL find no book, and an upgrade would make a second, empty one";
    Finding::critical(NAME, what, why)
        .advise(format!("add {} to DATABASE_URL", elsewhere.option))
        .run("tallybook doctor")
}

/// All of them in one, so that they don't hide what matters.
fn differ_harmlessly(differences: &[&Difference]) -> Finding {
    let parts: Vec<_> = differences.iter().map(|there| format!("{}, {}", there.table, there.part)).collect();
    let count = counted(parts.len(), "difference");
    let what = format!("{count} from what revisions say that harm nobody: {}", parts.join("; "));
    Finding::note(SCHEMA, what, "somebody changed the schema by hand, or an upgrade is to come").run(CHECK)
}

fn differs(difference: &Difference, engine: Engine) -> Finding {
    let is_index = difference.part.starts_with("index ");
    let (severity, why) = match is_index {
        true => (Severity::Warning, "reads that need it pass over the whole table"),
        false => (Severity::Critical, "programs fail where they use it"),
    };
    let finding = Finding::new(severity, SCHEMA, difference.to_string(), why);
    if is_index && difference.found == "nothing" {
        return finding.sql(format!("{};", online(&difference.expected, engine)));
    }
    finding.run(CHECK)
}

/// The statement that builds an index while others write.
fn online(create: &str, engine: Engine) -> String {
    match engine {
        Engine::Postgres => create.replacen("INDEX ", "INDEX CONCURRENTLY ", 1),
        Engine::Sqlite => create.to_owned(),
    }
}

fn unknown(error: &Error) -> Finding {
    Finding::critical(
        NAME,
        error.to_string(),
        "this program and the database are of different versions, or what is recorded was edited",
    )
    .run("tallybook --version")
    .run("tallybook migrate history")
}
