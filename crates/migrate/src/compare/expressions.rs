//! Compares defaults, check constraints and enum types.

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::catalog::{self, ActualTable};
use crate::compare::difference::{
    Difference, DifferenceKind, NO_SUCH_CHECK, NOT_VALIDATED_CHECK, NOTHING, noted,
};
use crate::compare::normal_form::{self, AS_TEXT, Question, is_same_on_sqlite, is_same_text, uncompared};
use crate::steps::check::Check;
use crate::steps::column::Column;
use crate::steps::enum_type::{EnumType, quoted};

/// A declared check: its part of the table, its name and its condition.
struct WantedCheck {
    part: String,
    name: String,
    condition: String,
}

/// Compares the declared defaults and checks of a table. Those that are not declared are no difference.
///
/// PostgreSQL stores a normal form, and is asked for that of the declared text; SQLite stores the text itself.
pub(crate) async fn differences(
    connection: &mut Connection,
    table: &str,
    columns: &[Column],
    checks: &[Check],
    validated: &[&str],
    found: &ActualTable,
) -> Result<Vec<Difference>> {
    let dialect = connection.dialect();
    let columns: Vec<_> = columns.iter().filter(|column| found.column(column.name).is_some()).collect();
    let differs = |part: &str, expected: String, found: String| {
        Difference::new(DifferenceKind::Blocking, table, part, expected, found)
    };
    let mut differences = Vec::new();

    let mut defaults = Vec::new();
    for column in &columns {
        let Some(wanted) = column.default.map(|wanted| wanted.text(dialect)) else { continue };
        let part = format!("default of {}", column.name);
        match found.column(column.name).and_then(|there| there.default.clone()) {
            None => differences.push(differs(&part, wanted.to_owned(), NOTHING.to_owned())),
            Some(there) if is_same(wanted, &there, dialect) => {}
            Some(there) if dialect == Dialect::Sqlite => {
                differences.push(differs(&part, wanted.to_owned(), noted(&there, AS_TEXT)));
            }
            Some(there) => defaults.push((part, column.name, wanted, there)),
        }
    }
    let questions: Vec<_> =
        defaults.iter().map(|(_, column, wanted, _)| Question::default(column, wanted)).collect();
    let answers = normal_form::ask(connection, table, &questions).await?;
    for ((part, _, wanted, there), answer) in defaults.into_iter().zip(answers) {
        match answer {
            Ok(normal) if normal == there => {}
            Ok(_) => differences.push(differs(&part, wanted.to_owned(), there)),
            Err(why) => differences.push(differs(&part, wanted.to_owned(), noted(&there, &uncompared(&why)))),
        }
    }

    let of_columns = columns.iter().flat_map(|column| {
        column.conditions(dialect).into_iter().map(|condition| WantedCheck {
            part: format!("check of {}", column.name),
            name: column.check_name(table),
            condition,
        })
    });
    let of_table = checks.iter().map(|check| WantedCheck {
        part: format!("check {}", check.name),
        name: check.name.to_owned(),
        condition: check.expression.text(dialect).to_owned(),
    });
    let mut asked = Vec::new();
    for wanted in of_columns.chain(of_table) {
        match found.checks.iter().find(|there| is_same(&wanted.condition, &there.condition, dialect)) {
            Some(there) => differences.extend(not_validated(table, &wanted, there, validated)),
            None if found.checks.is_empty() => {
                differences.push(differs(
                    &wanted.part,
                    format!("CHECK ({})", wanted.condition),
                    NOTHING.to_owned(),
                ));
            }
            None => asked.push(wanted),
        }
    }
    let questions: Vec<_> = match dialect {
        Dialect::Postgres => asked
            .iter()
            .enumerate()
            .map(|(number, wanted)| Question::check(number, &wanted.condition))
            .collect(),
        Dialect::Sqlite => Vec::new(),
    };
    let mut answers = normal_form::ask(connection, table, &questions).await?.into_iter();
    for wanted in asked {
        let of_name = found.checks.iter().find(|there| there.name.as_deref() == Some(&*wanted.name));
        let there = match of_name {
            Some(there) => format!("CHECK ({})", there.condition),
            None => no_such_check(found),
        };
        let expected = format!("CHECK ({})", wanted.condition);
        match answers.next() {
            Some(Ok(normal)) => match found.checks.iter().find(|there| there.condition == normal) {
                Some(there) => differences.extend(not_validated(table, &wanted, there, validated)),
                None => {
                    differences.push(differs(&wanted.part, expected, there));
                }
            },
            Some(Err(why)) => {
                differences.push(differs(&wanted.part, expected, noted(&there, &uncompared(&why))));
            }
            None => differences.push(differs(&wanted.part, expected, noted(&there, AS_TEXT))),
        }
    }
    Ok(differences)
}

fn is_same(wanted: &str, there: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => is_same_text(wanted, there),
        Dialect::Sqlite => is_same_on_sqlite(wanted, there),
    }
}

/// Describes the checks that exist, where none has the declared name.
fn no_such_check(found: &ActualTable) -> String {
    let others: Vec<_> = found.checks.iter().map(|there| format!("CHECK ({})", there.condition)).collect();
    format!("{NO_SUCH_CHECK}{}", others.join(" and "))
}

fn not_validated(
    table: &str,
    wanted: &WantedCheck,
    there: &catalog::FoundCheck,
    validated: &[&str],
) -> Option<Difference> {
    let is_left = !there.is_valid && validated.contains(&&*wanted.name);
    let expected = format!("CHECK ({})", wanted.condition);
    is_left.then(|| {
        Difference::new(DifferenceKind::Blocking, table, &wanted.part, expected, NOT_VALIDATED_CHECK)
    })
}

/// Compares an enum type of PostgreSQL.
pub(crate) fn enum_type(wanted: &EnumType, found: Option<&[String]>) -> Option<Difference> {
    let there = match found {
        None => NOTHING.to_owned(),
        Some(labels) if labels == wanted.labels => return None,
        Some(labels) => format!("ENUM ({})", quoted(labels.iter().map(String::as_str))),
    };
    let expected = format!("ENUM ({})", quoted(wanted.labels.iter().copied()));
    Some(Difference::new(DifferenceKind::Blocking, wanted.name, "enum type", expected, there))
}
