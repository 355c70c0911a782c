//! The normal form of SQL expressions, by which declared and existing ones are compared.

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use crate::catalog::fetch;
use crate::steps::table::Index;
use crate::steps::tokens::tokens;

/// Separates the answers for several expressions, and an answer's kind from its text.
const ANSWERS: char = '\u{1e}';
const PARTS: char = '\u{1f}';

/// A question for PostgreSQL: a statement on the temporary table `expected` and a query of the result.
pub(crate) struct Question {
    pub(crate) change: String,
    pub(crate) result: String,
}

impl Question {
    /// Asks for the normal form of a column's default.
    pub(crate) fn default(column: &str, expression: &str) -> Self {
        Self {
            change: format!(
                "ALTER TABLE pg_temp.tallybook_expected ALTER COLUMN {column} SET DEFAULT {expression}"
            ),
            result: format!(
                "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a \
                 ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
                 WHERE d.adrelid = 'pg_temp.tallybook_expected'::regclass AND a.attname = {}",
                literal(column)
            ),
        }
    }

    /// Asks for the normal form of an index.
    pub(crate) fn index(number: usize, index: &Index) -> Self {
        let name = format!("tallybook_index_{number}");
        Self {
            change: index.sql_elsewhere(&name, "pg_temp.tallybook_expected", Dialect::Postgres),
            result: format!("SELECT pg_get_indexdef('pg_temp.{name}'::regclass)"),
        }
    }

    /// Asks for the normal form of a check.
    pub(crate) fn check(number: usize, expression: &str) -> Self {
        let name = format!("tallybook_check_{number}");
        Self {
            change: format!(
                "ALTER TABLE pg_temp.tallybook_expected ADD CONSTRAINT {name} CHECK ({expression})"
            ),
            result: format!(
                "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint \
                 WHERE conrelid = 'pg_temp.tallybook_expected'::regclass AND conname = '{name}'"
            ),
        }
    }
}

/// The note on texts of SQLite that differ.
pub(crate) const AS_TEXT: &str = "compared as text: SQLite has no normal form";

/// Returns the note on a text that could not be compared.
pub(crate) fn uncompared(why: &str) -> String {
    format!("could not be compared: {why}")
}

/// Asks PostgreSQL for normal forms: each, or why there is none. Two round trips, and one to clean up.
///
/// The server makes an empty temporary table of the same columns, adds the expressions to it, reads them back from
/// its catalog, and rolls all of that back. A block of PL/pgSQL does so inside and outside of a transaction.
pub(crate) async fn ask(
    connection: &mut Connection,
    table: &str,
    questions: &[Question],
) -> Result<Vec<std::result::Result<String, String>>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let mut steps = String::new();
    for Question { change, result } in questions {
        steps += &format!(
            "BEGIN EXECUTE {}; EXECUTE {} INTO STRICT answer; answers := answers || E'\\x1e=\\x1f' || answer; \
             EXCEPTION WHEN OTHERS THEN answers := answers || E'\\x1e!\\x1f' || SQLERRM; END; ",
            literal(change),
            literal(result)
        );
    }
    let block = format!(
        "DECLARE answer text; answers text := ''; BEGIN \
           BEGIN CREATE TEMP TABLE tallybook_expected (LIKE {table}); {steps} RAISE SQLSTATE 'TB000'; \
           EXCEPTION WHEN SQLSTATE 'TB000' THEN NULL; WHEN OTHERS THEN answers := E'\\x1f' || SQLERRM; END; \
           PERFORM set_config('tallybook.normal_forms', answers, false); END"
    );
    connection.script(&format!("DO {}", literal(&block))).await?;
    let read = one::<(String,)>("SELECT current_setting('tallybook.normal_forms')", params![]);
    let (answers,) = fetch(connection, read).await?;
    connection.script("RESET tallybook.normal_forms").await?;
    if let Some(error) = answers.strip_prefix(PARTS) {
        return Ok(questions.iter().map(|_| Err(error.to_owned())).collect());
    }
    let parsed: Vec<_> = answers
        .split(ANSWERS)
        .skip(1)
        .map(|answer| match answer.split_once(PARTS) {
            Some(("=", text)) => Ok(text.to_owned()),
            Some((_, error)) => Err(error.to_owned()),
            None => Err("the answer is malformed".to_owned()),
        })
        .collect();
    if parsed.len() != questions.len() {
        return Ok(questions.iter().map(|_| Err("the answers are malformed".to_owned())).collect());
    }
    Ok(parsed)
}

fn literal(text: &str) -> String {
    // `E` keeps backslashes literal whatever standard_conforming_strings says.
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Returns whether two texts are the same expression, token by token, except for parentheses around the whole.
pub(crate) fn is_same_text(one: &str, other: &str) -> bool {
    bare(one) == bare(other)
}

/// Returns whether two texts are the same expression for SQLite, which ignores case outside of quotes.
pub(crate) fn is_same_on_sqlite(one: &str, other: &str) -> bool {
    let folded = |text| {
        let fold = |token: &str| match token.starts_with(['\'', '"', '`']) {
            true => token.to_owned(),
            false => token.to_ascii_lowercase(),
        };
        bare(text).into_iter().map(fold).collect::<Vec<_>>()
    };
    folded(one) == folded(other)
}

/// Returns the tokens of an expression without the parentheses around the whole.
fn bare(text: &str) -> Vec<&str> {
    let all: Vec<_> = tokens(text).collect();
    let mut bare = &all[..];
    while let ["(", inner @ .., ")"] = bare {
        let mut depth = 0;
        let is_whole = inner.iter().all(|token| {
            depth += match *token {
                "(" => 1,
                ")" => -1,
                _ => 0,
            };
            depth >= 0
        });
        if !is_whole {
            break;
        }
        bare = inner;
    }
    bare.to_vec()
}

#[cfg(test)]
mod tests {
    use super::{is_same_on_sqlite, is_same_text};

    #[test]
    fn parentheses_around_the_whole_and_white_space_do_not_count() {
        assert!(is_same_text("((a > 0))", "a  >\n0 -- positive"));
        assert!(is_same_text("(a) OR (b)", "((a) OR (b))"));
        assert!(!is_same_text("(a) OR (b)", "a) OR (b"));
        assert!(!is_same_text("(a + b) * c", "a + b * c"));
        assert!(!is_same_text("'a b'", "'a  b'"));
    }

    #[test]
    fn sqlite_ignores_case_outside_of_quotes() {
        assert!(is_same_on_sqlite("Status in ('NEW')", "(status IN ('NEW'))"));
        assert!(!is_same_on_sqlite("status IN ('NEW')", "status IN ('new')"));
        assert!(!is_same_text("status in ('NEW')", "status IN ('NEW')"));
    }
}
