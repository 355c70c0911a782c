//! Casts that mean something else on SQLite.
//!
//! SQLite derives an affinity from the name of a type. A name that it does not know, such as `uuid`, has numeric
//! affinity: `CAST($1 AS uuid)` turns the text into a number, `Inf` or 7. Constant statements are checked when the
//! program is compiled.

use crate::classify::{is_whole_word, matches};

/// The byte range of the type's name in the text of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForeignCast {
    start: usize,
    end: usize,
}

impl ForeignCast {
    /// Returns the first cast to a type that SQLite takes for a number by mistake.
    pub(crate) const fn find(sql: &str) -> Option<Self> {
        let sql = sql.as_bytes();
        let mut at = 0;
        while at < sql.len() {
            if is_whole_word(sql, at, b"CAST") {
                if let Some(found) = type_of_cast(sql, at + b"CAST".len())
                    && is_foreign(sql, found)
                {
                    return Some(found);
                }
                at += b"CAST".len();
            } else {
                at = after(sql, at);
            }
        }
        None
    }

    /// Returns the cast to write instead.
    pub(crate) fn advice(self, sql: &str) -> String {
        let name = sql[self.start..self.end].trim();
        let affinity = match name.to_ascii_lowercase().as_str() {
            "bool" | "boolean" => "integer",
            "bytea" => "blob",
            "money" => "numeric",
            _ => "text",
        };
        format!(
            "SQLite knows no type {name} and would make a number of the value; write CAST(… AS {affinity}), or give SQLite \
             a text of its own by Statement::per_dialect"
        )
    }
}

/// Returns the type after `AS` in the parentheses that follow `at`.
const fn type_of_cast(sql: &[u8], mut at: usize) -> Option<ForeignCast> {
    while at < sql.len() && sql[at].is_ascii_whitespace() {
        at += 1;
    }
    if at == sql.len() || sql[at] != b'(' {
        return None;
    }
    at += 1;
    let (mut depth, mut start) = (1, 0);
    while at < sql.len() {
        if depth == 1 && is_whole_word(sql, at, b"AS") {
            start = at + b"AS".len();
        }
        if sql[at] == b'(' {
            depth += 1;
        } else if sql[at] == b')' {
            depth -= 1;
            if depth == 0 {
                return if start > 0 { Some(ForeignCast { start, end: at }) } else { None };
            }
        }
        at = after(sql, at);
    }
    None
}

/// Returns whether SQLite gives a type numeric affinity only because no part of its name is known to it. The parts are
/// those of SQLite's own rules.
const fn is_foreign(sql: &[u8], ForeignCast { start, end }: ForeignCast) -> bool {
    const PARTS: [&[u8]; 10] =
        [b"INT", b"CHAR", b"CLOB", b"TEXT", b"BLOB", b"REAL", b"FLOA", b"DOUB", b"NUMERIC", b"DECIMAL"];
    let mut at = start;
    while at < end {
        let mut part = 0;
        while part < PARTS.len() {
            if at + PARTS[part].len() <= end && matches(sql, at, PARTS[part]) {
                return false;
            }
            part += 1;
        }
        at += 1;
    }
    true
}

/// Returns the offset after the character, quoted text or comment at `at`.
const fn after(sql: &[u8], at: usize) -> usize {
    let end: &[u8] = match sql[at] {
        b'\'' => b"'",
        b'"' => b"\"",
        b'`' => b"`",
        b'[' => b"]",
        b'-' if matches(sql, at, b"--") => b"\n",
        b'/' if matches(sql, at, b"/*") => b"*/",
        _ => return at + 1,
    };
    let mut next = at + if end.len() == 2 { 2 } else { 1 };
    while next < sql.len() {
        if matches(sql, next, end) {
            return next + end.len();
        }
        next += 1;
    }
    sql.len()
}

#[cfg(test)]
mod tests {
    use super::ForeignCast;

    #[test]
    fn casts_to_types_unknown_to_sqlite_are_found() {
        for (sql, advice) in [
            (
                "SELECT CAST($1 AS uuid)",
                "no type uuid and would make a number of the value; write CAST(… AS text)",
            ),
            ("SELECT cast ( ( $1 ) as timestamp with time zone )", "timestamp with time zone"),
            ("SELECT CAST(CAST('AS uuid)' AS text) AS date)", "no type date"),
            ("SELECT CAST(CAST($1 AS json) AS text)", "no type json"),
            ("SELECT CAST($1 AS boolean)", "CAST(… AS integer)"),
            ("SELECT CAST($1 AS bytea)", "CAST(… AS blob)"),
            ("SELECT CAST((SELECT id AS integer FROM a) AS uuid)", "no type uuid"),
        ] {
            let found = ForeignCast::find(sql).unwrap_or_else(|| panic!("{sql}"));
            assert!(found.advice(sql).contains(advice), "{sql}: {}", found.advice(sql));
        }
    }

    #[test]
    fn other_casts_and_lookalikes_are_not_found() {
        for sql in [
            "",
            "CAST",
            "SELECT CAST($1",
            "SELECT CAST($1 AS double precision), CAST($2 AS varchar(20)), cast($3 as BIGINT)",
            "SELECT CAST($1 AS numeric(10, 2)), CAST($1 AS Decimal), CAST($1 AS real), CAST($1 AS blob)",
            "SELECT 'CAST(1 AS uuid)', \"CAST(1 AS uuid)\", [CAST(1 AS uuid)] -- CAST(1 AS uuid)",
            "/* CAST(1 AS uuid) */ SELECT broadcast(1 AS uuid), recast(2) AS date",
        ] {
            assert_eq!(ForeignCast::find(sql), None, "{sql}");
        }
    }
}
