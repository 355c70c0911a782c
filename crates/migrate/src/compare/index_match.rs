//! Finds the indexes that have a declared definition of expressions, orders or a condition.

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::catalog::{self, FoundIndex};
use crate::compare::normal_form::{self, AS_TEXT, Question, is_same_on_sqlite, uncompared};
use crate::steps::table::Index;
use crate::steps::tokens::{Kind, pieces};

/// Reads the index that has the name of a declared one, and compares their definitions.
pub(crate) async fn find(connection: &mut Connection, wanted: &Index) -> Result<Option<FoundIndex>> {
    find_as(connection, wanted, wanted.name).await
}

/// Reads the index of another name, and compares its definition with a declared one.
pub(crate) async fn find_as(
    connection: &mut Connection,
    wanted: &Index,
    name: &str,
) -> Result<Option<FoundIndex>> {
    let Some(there) = catalog::index(connection, name).await? else { return Ok(None) };
    let mut found = [there];
    if found[0].table == wanted.table {
        compare(connection, wanted.table, &[*wanted], &mut found).await?;
    }
    let [there] = found;
    Ok(Some(there))
}

/// Compares the indexes of a table with those declared ones that have more than ascending columns, and notes in
/// each which of them it is.
pub(crate) async fn compare(
    connection: &mut Connection,
    table: &str,
    wanted: &[Index],
    found: &mut [FoundIndex],
) -> Result<()> {
    let dialect = connection.dialect();
    if found.is_empty() {
        return Ok(());
    }
    let mut asked = Vec::new();
    for index in wanted.iter().filter(|index| !index.is_plain()) {
        let known = index.known_normal_form().filter(|_| dialect == Dialect::Postgres);
        let is_there =
            |there: &FoundIndex| known.is_some() && after_using(&there.definition) == known.as_deref();
        // A difference may be one of quotes only, which the server knows.
        let has_name = found.iter().any(|there| there.name == index.name && !is_there(there));
        if known.is_none() || has_name {
            asked.push(index);
            continue;
        }
        found.iter_mut().filter(|there| is_there(there)).for_each(|there| there.same_as.push(index.name));
    }
    let wanted = asked;
    let questions: Vec<_> = match dialect {
        Dialect::Postgres => {
            wanted.iter().enumerate().map(|(number, index)| Question::index(number, index)).collect()
        }
        Dialect::Sqlite => Vec::new(),
    };
    let mut answers = normal_form::ask(connection, table, &questions).await?.into_iter();
    for index in wanted {
        let answer = answers.next();
        for there in found.iter_mut() {
            let (is_same, comparison) = match &answer {
                Some(Ok(normal)) => (after_using(normal) == after_using(&there.definition), None),
                Some(Err(why)) => (false, Some(uncompared(why))),
                None => {
                    let declared = index.sql(dialect);
                    let is_same = is_same_on_sqlite(after_table(&declared), after_table(&there.definition));
                    (is_same, Some(AS_TEXT.to_owned()))
                }
            };
            if is_same {
                there.same_as.push(index.name);
            }
            if there.name == index.name {
                there.comparison = comparison;
            }
        }
    }
    Ok(())
}

/// Returns what follows the names of an index and its table in PostgreSQL's normal form: method, keys, condition.
fn after_using(definition: &str) -> Option<&str> {
    definition.split_once(" USING ").map(|(_, rest)| rest)
}

/// Returns what follows the names of an index and its table, from the parenthesis before its keys.
fn after_table(definition: &str) -> &str {
    let mut at = 0;
    for (kind, piece) in pieces(definition) {
        if kind == Kind::Token && piece == "(" {
            return &definition[at..];
        }
        at += piece.len();
    }
    definition
}
