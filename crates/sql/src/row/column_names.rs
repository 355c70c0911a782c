//! Checks the column names of a result against a struct.
//!
//! A row is decoded by position, so two columns of one type in the wrong order would be swapped silently. The rule: at
//! each position the result has the column that the struct names there, without regard to ASCII case. An expression
//! without a name is matched by position, unless its generated name is that of another field.

use super::Column;
use crate::error::{Error, Result};

/// Compares the names of a result with the columns of a struct; both have the same number. `is_named` returns whether
/// the author of the statement, or a table, chose the name of the column at a position.
pub fn check_names<'a>(
    expected: &[Column],
    found: impl Fn(usize) -> &'a str,
    is_named: impl Fn(usize, &str) -> bool,
) -> Result<()> {
    for (place, column) in expected.iter().enumerate().filter(|(_, column)| !column.is_positional()) {
        let name = found(place);
        if name.eq_ignore_ascii_case(column.name) {
            continue;
        }
        let is_of_another = expected.iter().any(|other| name.eq_ignore_ascii_case(other.name));
        if is_of_another || is_named(place, name) {
            return Err(Error::column_misplaced(column.name, place, name));
        }
    }
    Ok(())
}

/// Returns whether the statement or a table chose the name of a column on SQLite. An expression without a name is
/// called by its text, and the columns of `VALUES` by numbers.
pub fn is_named_on_sqlite(name: &str) -> bool {
    is_identifier(name) && !is_numbered(name) && !is_keyword(name)
}

/// Returns whether the statement chose the name of a computed column on PostgreSQL. An expression without a name is
/// called after its function or the type of its cast, or `?column?`.
pub fn is_named_on_postgres(sql: &str, name: &str) -> bool {
    !is_numbered(name) && !is_keyword(name) && !TYPES.contains(&name) && is_word_of(sql, name)
}

fn is_identifier(name: &str) -> bool {
    let is_letter = |c: char| c.is_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || c == '$')
}

/// Returns whether it is `column1` or the like, the name of a column of `VALUES` in both dialects.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_prefix("column");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether it stands for a value, or begins an expression that is named after it.
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 16] = [
        "array",
        "case",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "exists",
        "false",
        "localtime",
        "localtimestamp",
        "null",
        "row",
        "true",
    ];
    KEYWORDS.iter().any(|keyword| name.eq_ignore_ascii_case(keyword))
        || matches!(name, "session_user" | "system_user" | "user")
}

/// Types that PostgreSQL names a column after.
const TYPES: [&str; 26] = [
    "bool",
    "bpchar",
    "bytea",
    "char",
    "date",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int8",
    "interval",
    "json",
    "jsonb",
    "name",
    "numeric",
    "oid",
    "regclass",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "uuid",
    "varchar",
    "xid",
];

/// Returns whether `name` occurs as a word of its own: not as a function, as a type after `::`, or inside a string or a
/// comment.
fn is_word_of(sql: &str, name: &str) -> bool {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let end = match bytes[at] {
            b'\'' => at + 1 + rest[1..].find('\'').map_or(rest.len() - 1, |end| end + 1),
            b'-' if rest.starts_with("--") => at + rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => at + rest.find("*/").map_or(rest.len(), |end| end + 2),
            b'"' => {
                let quoted = &rest[1..];
                let length = quoted.find('"').unwrap_or(quoted.len());
                if &quoted[..length] == name {
                    return true;
                }
                at + (length + 2).min(rest.len())
            }
            _ => {
                let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let is_function = || rest[length..].trim_start().starts_with('(');
                let is_cast = || sql[..at].trim_end().ends_with("::");
                if rest[..length].eq_ignore_ascii_case(name) && !is_function() && !is_cast() {
                    return true;
                }
                at + length.max(rest.chars().next().map_or(1, char::len_utf8))
            }
        };
        at = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SqlType;

    fn check(expected: &[&'static str], found: &[&str], is_named: bool) -> Result<()> {
        let column = |&name: &&'static str| Column {
            name,
            sql_type: SqlType::Int,
            nullable: false,
            max: None,
            precision: None,
            references: None,
        };
        let expected: Vec<_> = expected.iter().map(column).collect();
        check_names(&expected, |place| found[place], |_, _| is_named)
    }

    #[test]
    fn names_are_compared_in_each_place_whatever_their_case() {
        assert!(check(&["id", "price"], &["ID", "Price"], true).is_ok());
        assert!(check(&["id", "price"], &["price", "id"], false).is_err());
        assert!(check(&["id", "price"], &["id", "quantity"], true).is_err());
        assert!(check(&["id", "price"], &["id", "max"], false).is_ok());
        // The same column twice does not match another field.
        assert!(check(&["id", "portfolio_id"], &["id", "id"], false).is_err());
        assert!(check(&["0", "1"], &["b", "a"], true).is_ok(), "a tuple has places only");
    }

    #[test]
    fn the_error_names_both_columns_and_the_way_out() {
        let text = check(&["id", "price"], &["id", "quantity"], true).unwrap_err().to_string();
        assert!(
            text.starts_with("column `price`: expected in place 2 of the result, found `quantity`"),
            "{text}"
        );
        assert!(text.contains("`… AS price`"), "{text}");
    }

    #[test]
    fn sqlite_calls_an_expression_by_its_text() {
        for name in ["price", "_total", "größe", "a1$"] {
            assert!(is_named_on_sqlite(name), "{name}");
        }
        for name in ["count(*)", "6 * 7", "'one'", "NULL", "true", "column2", "?1", "1", "", "a b"] {
            assert!(!is_named_on_sqlite(name), "{name}");
        }
    }

    #[test]
    fn postgresql_calls_an_expression_by_what_is_in_it() {
        for (sql, name) in [
            ("SELECT sum(x) AS total FROM t", "total"),
            ("SELECT sum(x) total FROM t", "total"),
            ("SELECT sum(x) AS \"Total\" FROM t", "Total"),
            ("WITH n(i) AS (SELECT 1) SELECT i FROM n", "i"),
            ("SELECT max(y), max FROM (SELECT 1 AS max, 2 AS y) AS t GROUP BY max", "max"),
            ("SELECT größe FROM f() AS g(größe)", "größe"),
        ] {
            assert!(is_named_on_postgres(sql, name), "{sql}: {name}");
        }
        for (sql, name) in [
            ("SELECT sum(x) FROM t", "sum"),
            ("SELECT sum (x) FROM t", "sum"),
            ("SELECT 1 + 1", "?column?"),
            ("SELECT CASE WHEN a THEN b END FROM t", "case"),
            ("SELECT $1::int8", "int8"),
            ("SELECT CAST($1 AS numeric)", "numeric"),
            ("SELECT max(x) FROM t WHERE kind = 'max' -- max\n", "max"),
            ("SELECT max(x) /* max */ FROM t", "max"),
            ("SELECT trim(x) FROM t", "btrim"),
            ("VALUES (1)", "column1"),
            ("SELECT 'it''s max', max(x) FROM t", "max"),
            ("SELECT 'no end", "no"),
        ] {
            assert!(!is_named_on_postgres(sql, name), "{sql}: {name}");
        }
    }
}
