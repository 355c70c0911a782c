//! Prepares each statement of a table on its database.

use tallybook_migrate::Schema;
use tallybook_sql::{Dialect, Result, all, execute, params};
use tallybook_tables::tables::{Declaration, TableStatement};

use super::finding::{Finding, Severity};
use crate::{Database, Plan, Session};

/// Returns the statements that the database refuses, and those that read a relation without its index.
pub(super) async fn findings(
    db: &Database,
    declaration: &Declaration,
    schema: &Schema,
) -> Result<Vec<Finding>> {
    let dialect = db.dialect();
    let mut findings = Vec::new();
    let Some(table) = schema.table(declaration.name) else { return Ok(findings) };
    for statement in declaration.statements(dialect) {
        let finding = |problem: String, found| Finding {
            severity: Severity::Problem,
            table: declaration.name,
            column: None,
            problem,
            declared: statement.statement.sql(dialect).to_owned(),
            found,
            steps: Vec::new(),
            field: None,
            side: "database",
        };
        let call = &statement.call;
        match plan(db, &statement).await {
            Err(error) if error.is_connect() => return Err(error),
            Err(error) => {
                findings.push(finding(format!("`{call}` is refused"), error.to_string()));
            }
            Ok(plan) => {
                // A missing index is reported with its step.
                if let Some(column) = statement.relation
                    && table.has_index(&[column])
                    && !reads_by(column, &plan.text, dialect)
                {
                    let problem = format!("`{call}` does not read by an index");
                    findings.push(finding(problem, plan.outline.trim_end().to_owned()));
                }
            }
        }
    }
    Ok(findings)
}

/// Returns the plan of a statement, which is prepared and not run. PostgreSQL is told to avoid scans of the whole table,
/// since a table without rows would always be scanned.
async fn plan(db: &Database, statement: &TableStatement) -> Result<Plan> {
    let TableStatement { statement, values, .. } = statement;
    let mut session = db.begin().await?;
    if session.dialect() == Dialect::Postgres {
        session.run(execute("SET LOCAL enable_seqscan = off", params![])).await?;
    }
    let plan = session.explain(all::<(i64,)>(statement.clone(), values.clone())).await?;
    session.roll_back().await?;
    Ok(plan)
}

/// Returns whether a plan looks up the values of a column in an index.
fn reads_by(column: &str, plan: &str, dialect: Dialect) -> bool {
    let is_word = |at: usize, line: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        !line[..at].ends_with(is_part) && !line[at + column.len()..].starts_with(is_part)
    };
    let names = |line: &str| line.match_indices(column).any(|(at, _)| is_word(at, line));
    plan.lines().any(|line| match dialect {
        Dialect::Postgres => line.contains("\"Index Cond\"") && names(line),
        Dialect::Sqlite => line.contains("SEARCH ") && line.contains(&format!("{column}=?")),
    })
}
