//! Check `revisions`: the database has the revisions the program needs, and the schema they describe.

use tallybook_migrate::{Difference, OtherHistory, OtherSchema, Status, other_schema, status};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};

use super::finding::Finding;
use super::probe::Probe;
use super::severity::Severity;
use super::units::counted;

pub(super) const NAME: &str = "revisions";
const SCHEMA: &str = "schema";
const CHECK: &str = "tallybook migrate check";

pub(super) async fn check(probe: &mut Probe<'_>) -> Result<Vec<Finding>> {
    if probe.revisions.is_empty() {
        return Ok(Vec::new());
    }
    let dialect = probe.connection.dialect();
    match status(&mut probe.connection, probe.revisions).await {
        Ok(status) => {
            let has_no_revision = status.entries.iter().all(|entry| entry.applied_at.is_none());
            let other_schema = match has_no_revision {
                true => other_schema(&mut probe.connection, probe.revisions).await?,
                false => None,
            };
            Ok(evaluate(&status, other_schema.as_ref(), dialect))
        }
        Err(error) if error.is_revision() => Ok(vec![unknown(&error)]),
        Err(error) => Err(error),
    }
}

fn evaluate(status: &Status, other_schema: Option<&OtherSchema>, dialect: Dialect) -> Vec<Finding> {
    if let Some(other_schema) = other_schema {
        return vec![in_another_schema(other_schema)];
    }
    let mut findings: Vec<_> = outdated(status).into_iter().collect();
    // No revision is recorded, so there is nothing to differ from.
    if status.entries.iter().all(|entry| entry.applied_at.is_none() && entry.unfinished.is_none()) {
        return findings;
    }
    // The check `invalid_indexes` reports invalid indexes, with the repair.
    let (bad, harmless): (Vec<_>, Vec<_>) = status.differences.iter().partition(|there| there.is_blocking());
    findings.extend(bad.into_iter().filter(|there| !is_invalid(there)).map(|there| differs(there, dialect)));
    if !harmless.is_empty() {
        findings.push(differ_harmlessly(&harmless));
    }
    if !status.others.is_empty() {
        findings.push(others(&status.others));
    }
    findings
}

/// Reported in any case: no finding would otherwise suggest that these histories were checked.
fn others(others: &[OtherHistory]) -> Finding {
    let names: Vec<_> = others.iter().map(ToString::to_string).collect();
    let what = format!(
        "{} of other programs: {}",
        counted(others.len(), "history").replace("historys", "histories"),
        names.join("; ")
    );
    Finding::note(
        NAME,
        what,
        "their revisions are in this database too and were not checked: only the programs that own them can",
    )
    .advise("let those programs check theirs (Migrator::check)")
}

fn is_invalid(difference: &Difference) -> bool {
    difference.found.starts_with("an INVALID index")
}

fn outdated(status: &Status) -> Option<Finding> {
    let entries = &status.entries;
    let missing = entries.iter().filter(|entry| entry.applied_at.is_none() || entry.unfinished.is_some());
    let missing: Vec<_> = missing.map(|entry| entry.id).collect();
    let first = missing.first()?;
    if let Some(half) = entries.iter().find(|entry| entry.unfinished.is_some()) {
        let steps = half.unfinished.unwrap_or_default();
        let what =
            format!("revision {} ({}) is half-way: {} done", half.id, half.name, counted(steps, "step"));
        let why = "a migration was interrupted, or is running right now";
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
    if status.is_adopted {
        let what =
            format!("the database is adopted, and an upgrade has to complete its first revision, {first}");
        let why = "programs of this version read and write tables that are not there";
        return Some(
            Finding::critical(NAME, what, why).run("tallybook migrate plan").run("tallybook migrate upgrade"),
        );
    }
    if let Some(creator) = creator(status) {
        let what = format!("{creator}, and is not adopted: no revision is recorded in it");
        let why = "the program's commands refuse it, and its tables are unverified";
        return Some(Finding::warning(NAME, what, why).run("tallybook migrate adopt --dry-run"));
    }
    let there = match status.tables.len() {
        0 => "it is empty".to_owned(),
        count => format!("it has {} of others", counted(count, "table")),
    };
    let what = format!("no revision is applied, not even {first}; {there}");
    let why = "it contains no book: this may be the wrong database";
    Some(Finding::critical(NAME, what, why).run("tallybook migrate upgrade"))
}

/// Returns which other program created the database, if one did.
fn creator(status: &Status) -> Option<String> {
    if status.tables.iter().any(|table| table == "alembic_version") {
        return Some("the database was made by Alembic".to_owned());
    }
    let own = &status.own_tables;
    (!own.is_empty()).then(|| {
        let others = counted(status.tables.len() - own.len(), "table");
        format!(
            "the database was made by another program, such as SQLAlchemy's create_all: it has the book's {}, and \
             {others} of others",
            own.join(", ")
        )
    })
}

/// Returns the finding about a book in another schema: an upgrade here would create a second, empty one.
fn in_another_schema(other_schema: &OtherSchema) -> Finding {
    let what = format!("no revision is applied here: {}", other_schema.told());
    let why = "programs with this URL find no book, and an upgrade would make a second, empty one";
    Finding::critical(NAME, what, why)
        .advise(format!("add {} to DATABASE_URL", other_schema.option))
        .run("tallybook doctor")
}

/// Combines harmless differences into one finding, so that they do not hide serious ones.
fn differ_harmlessly(differences: &[&Difference]) -> Finding {
    let parts: Vec<_> = differences.iter().map(|there| format!("{}, {}", there.table, there.part)).collect();
    let count = counted(parts.len(), "harmless difference");
    let what = format!("{count} from the revisions: {}", parts.join("; "));
    Finding::note(SCHEMA, what, "somebody changed the schema by hand, or an upgrade is due").run(CHECK)
}

fn differs(difference: &Difference, dialect: Dialect) -> Finding {
    let is_index = difference.part.starts_with("index ");
    let (severity, why) = match is_index {
        true => (Severity::Warning, "reads that need it scan the whole table"),
        false => (Severity::Critical, "programs fail where they use it"),
    };
    let finding = Finding::new(severity, SCHEMA, difference.to_string(), why);
    if is_index && difference.found == "nothing" {
        return finding.sql(format!("{};", online(&difference.expected, dialect)));
    }
    finding.run(CHECK)
}

/// Returns the statement that builds an index without blocking writes.
fn online(create: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => create.replacen("INDEX ", "INDEX CONCURRENTLY ", 1),
        Dialect::Sqlite => create.to_owned(),
    }
}

fn unknown(error: &Error) -> Finding {
    Finding::critical(
        NAME,
        error.to_string(),
        "this program and the database have different versions, or the records were edited",
    )
    .run("tallybook --version")
    .run("tallybook migrate history")
}
