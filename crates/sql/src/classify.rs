//! Classifies statements by their text: whether a statement only reads, only inserts given values, leaves state on its
//! connection, or begins or ends a transaction.
//!
//! All of it is `const`, so that the compiler classifies constant statements. The dialects delimit comments by
//! different rules: a text that they read differently is classified by its more dangerous reading.

use crate::dialect::Dialect;

const READ_KEYWORDS: [&[u8]; 6] = [b"SELECT", b"WITH", b"VALUES", b"TABLE", b"SHOW", b"EXPLAIN"];

const TRANSACTION_KEYWORDS: [(&[u8], TransactionControl); 9] = [
    (b"BEGIN", TransactionControl::Begin),
    (b"START", TransactionControl::Begin),
    (b"COMMIT", TransactionControl::Commit),
    (b"END", TransactionControl::Commit),
    (b"ROLLBACK", TransactionControl::RollBack),
    (b"ABORT", TransactionControl::RollBack),
    (b"SAVEPOINT", TransactionControl::Savepoint),
    (b"RELEASE", TransactionControl::Savepoint),
    (b"PREPARE", TransactionControl::Prepare),
];

/// First words of statements that leave no state on a PostgreSQL connection, unless they contain one of
/// [`STATEFUL_MENTIONS`].
const STATELESS_KEYWORDS: [&[u8]; 24] = [
    b"SELECT",
    b"INSERT",
    b"UPDATE",
    b"DELETE",
    b"WITH",
    b"VALUES",
    b"TABLE",
    b"MERGE",
    b"SHOW",
    b"EXPLAIN",
    b"COPY",
    b"LOCK",
    b"NOTIFY",
    b"TRUNCATE",
    b"ALTER",
    b"CREATE",
    b"DROP",
    b"COMMENT",
    b"GRANT",
    b"REVOKE",
    b"ANALYZE",
    b"VACUUM",
    b"REINDEX",
    b"REFRESH",
];

/// Parts of a text that leave state on the connection, whatever the statement. Locks of the transaction
/// (`pg_advisory_xact_lock`) are not among them.
const STATEFUL_MENTIONS: [&[u8]; 6] =
    [b"set_config", b"advisory_lock", b"pg_temp", b"dblink_connect", b"setseed", b"U&\""];

/// The effect of a statement on its transaction.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionControl {
    Begin,
    Commit,
    RollBack,
    /// `SAVEPOINT` or `RELEASE`.
    Savepoint,
    /// `PREPARE TRANSACTION`.
    Prepare,
}

impl TransactionControl {
    /// Returns the call to make instead of the statement.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Begin => "for another transaction call Database::write or Database::begin",
            Self::Commit => {
                "return Ok from the closure of Database::write, call WriteSession::commit, or drop the ReadSession"
            }
            Self::RollBack => {
                "return an error from the closure of Database::write, or call WriteSession::roll_back"
            }
            Self::Savepoint => {
                "a failed statement ends its transaction, so what may fail needs a transaction of its own"
            }
            Self::Prepare => "two-phase commits are not supported",
        }
    }
}

/// Returns whether a statement only reads, by its first word, and because it does not mention `set_config`.
pub(crate) const fn is_read(sql: &str) -> bool {
    let sql = sql.as_bytes();
    starts_read(sql, first_word(sql, 0, Dialect::Postgres))
        && starts_read(sql, first_word(sql, 0, Dialect::Sqlite))
        && !mentions(sql, b"set_config")
}

/// Returns whether a statement inserts values given in its text, not the result of a query, and replaces nothing.
pub(crate) const fn is_insert(sql: &str) -> bool {
    let sql = sql.as_bytes();
    is_word(sql, first_word(sql, 0, Dialect::Postgres), b"INSERT")
        && is_word(sql, first_word(sql, 0, Dialect::Sqlite), b"INSERT")
        && mentions(sql, b"VALUES")
        && !mentions(sql, b"SELECT")
        && !mentions(sql, b"REPLACE")
}

/// Returns whether a statement may leave state on a PostgreSQL connection that outlasts its transaction: a setting, a
/// role, a lock, a temporary table, a cursor, a prepared statement. The body of a function is not examined.
pub(crate) const fn leaves_state(sql: &str) -> bool {
    let sql = sql.as_bytes();
    let start = first_word(sql, 0, Dialect::Postgres);
    if is_word(sql, start, b"SET") {
        let what = first_word(sql, start + b"SET".len(), Dialect::Postgres);
        return !is_word(sql, what, b"LOCAL")
            && !is_word(sql, what, b"TRANSACTION")
            && !is_word(sql, what, b"CONSTRAINTS");
    }
    let mut index = 0;
    while index < STATEFUL_MENTIONS.len() {
        if mentions(sql, STATEFUL_MENTIONS[index]) {
            return true;
        }
        index += 1;
    }
    let may_make_tables =
        is_word(sql, start, b"CREATE") || is_word(sql, start, b"EXPLAIN") || mentions(sql, b"INTO");
    if may_make_tables && (mentions_word(sql, b"TEMP") || mentions_word(sql, b"TEMPORARY")) {
        return true;
    }
    let mut index = 0;
    while index < STATELESS_KEYWORDS.len() {
        if is_word(sql, start, STATELESS_KEYWORDS[index]) {
            return false;
        }
        index += 1;
    }
    true
}

/// Returns the effect of a statement on its transaction, if it begins or ends one.
pub(crate) const fn transaction_control(sql: &str) -> Option<TransactionControl> {
    let sql = sql.as_bytes();
    match control_in(sql, Dialect::Postgres) {
        None => control_in(sql, Dialect::Sqlite),
        found => found,
    }
}

const fn starts_read(sql: &[u8], start: usize) -> bool {
    let mut index = 0;
    while index < READ_KEYWORDS.len() {
        if is_word(sql, start, READ_KEYWORDS[index]) {
            return true;
        }
        index += 1;
    }
    false
}

const fn control_in(sql: &[u8], dialect: Dialect) -> Option<TransactionControl> {
    let start = first_word(sql, 0, dialect);
    let mut index = 0;
    while index < TRANSACTION_KEYWORDS.len() {
        let (word, found) = TRANSACTION_KEYWORDS[index];
        if is_word(sql, start, word) {
            // `PREPARE name AS …` does not concern transactions.
            let is_unrelated = matches!(found, TransactionControl::Prepare)
                && !is_word(sql, first_word(sql, start + word.len(), dialect), b"TRANSACTION");
            return if is_unrelated { None } else { Some(found) };
        }
        index += 1;
    }
    None
}

/// Returns whether it is a COPY whose rows travel over the connection, in a sub-protocol of their own.
pub(crate) fn is_copy_over_connection(sql: &str) -> bool {
    let sql = sql.as_bytes();
    is_word(sql, first_word(sql, 0, Dialect::Postgres), b"COPY")
        && (mentions_word(sql, b"STDIN") || mentions_word(sql, b"STDOUT"))
}

/// Returns the offset of the first word from `at` on, after white space, parentheses, empty statements and comments.
const fn first_word(sql: &[u8], mut at: usize, dialect: Dialect) -> usize {
    loop {
        while at < sql.len() && (sql[at].is_ascii_whitespace() || matches!(sql[at], b'(' | b';' | 0x0b)) {
            at += 1;
        }
        if matches(sql, at, b"--") {
            at = after_line(sql, at, dialect);
        } else if matches(sql, at, b"/*") {
            at = after_comment(sql, at, dialect);
        } else if matches(sql, at, b"\xef\xbb\xbf") {
            // SQLite treats a byte order mark as white space.
            at += 3;
        } else {
            return at;
        }
    }
}

/// Returns the offset of the end of the line. For PostgreSQL, a carriage return ends it too.
const fn after_line(sql: &[u8], mut at: usize, dialect: Dialect) -> usize {
    while at < sql.len() && sql[at] != b'\n' && !(sql[at] == b'\r' && matches!(dialect, Dialect::Postgres)) {
        at += 1;
    }
    at
}

/// Returns the offset after the comment that begins at `at`, or the end of the text. PostgreSQL's comments nest.
const fn after_comment(sql: &[u8], mut at: usize, dialect: Dialect) -> usize {
    let mut depth = 0;
    while at < sql.len() {
        if matches(sql, at, b"/*") && (depth == 0 || matches!(dialect, Dialect::Postgres)) {
            depth += 1;
            at += 2;
        } else if matches(sql, at, b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

const fn mentions(sql: &[u8], word: &[u8]) -> bool {
    let mut at = 0;
    while at + word.len() <= sql.len() {
        if matches(sql, at, word) {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether `word` occurs as a word of its own.
const fn mentions_word(sql: &[u8], word: &[u8]) -> bool {
    let mut at = 0;
    while at + word.len() <= sql.len() {
        if is_whole_word(sql, at, word) {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether `word` stands at `at` as a word of its own.
pub(crate) const fn is_whole_word(sql: &[u8], at: usize, word: &[u8]) -> bool {
    (at == 0 || !is_word_byte(sql[at - 1])) && is_word(sql, at, word)
}

/// Returns whether `word` stands at `at` and ends there.
const fn is_word(sql: &[u8], at: usize, word: &[u8]) -> bool {
    let end = at + word.len();
    matches(sql, at, word) && (end == sql.len() || !is_word_byte(sql[end]))
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// Returns whether `word` stands at `at`, in either case.
pub(crate) const fn matches(sql: &[u8], at: usize, word: &[u8]) -> bool {
    if at + word.len() > sql.len() {
        return false;
    }
    let mut index = 0;
    while index < word.len() {
        if !sql[at + index].eq_ignore_ascii_case(&word[index]) {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{TransactionControl, is_insert, is_read, leaves_state, transaction_control};

    #[test]
    fn reads_are_recognised_after_comments_and_parentheses() {
        for sql in [
            "select 1",
            "  -- why\n SELECT 1",
            "/* a */ (select 1) union select 2",
            "WITH a AS (SELECT 1) TABLE a",
            "SELECT set_, _config, set_confi, reset_conf FROM a_b_",
            "SELECT(1)",
            ";; SELECT 1",
        ] {
            assert!(is_read(sql), "{sql}");
        }
    }

    #[test]
    fn statements_that_could_write_or_undo_read_only_are_not_reads() {
        for sql in [
            "INSERT INTO a VALUES (1)",
            "SET default_transaction_read_only = off",
            "PRAGMA query_only = 0",
            "SELECT Set_Config('default_transaction_read_only', 'off', false)",
            "SELECT pg_catalog.set_config('a', 'b', false) FROM trading_sessions",
            "/* SELECT */ DELETE FROM a",
            "-- SELECT",
            "",
            "selection",
            "select_1",
        ] {
            assert!(!is_read(sql), "{sql}");
        }
    }

    #[test]
    fn a_text_that_the_dialects_read_differently_counts_as_the_more_dangerous_one() {
        for sql in [
            // PostgreSQL: nested comments, then DELETE.
            "/* /* */ SELECT */ DELETE FROM a",
            // SQLite: a comment, then DELETE.
            "/* /* */ DELETE FROM a -- */ */ SELECT 1",
            // PostgreSQL: the carriage return ends the comment.
            "-- a\rDELETE FROM a --\n SELECT 1",
        ] {
            assert!(!is_read(sql), "{sql}");
        }
        for sql in
            ["/* /* */ SELECT */ COMMIT", "/* /* */ COMMIT -- */ */ SELECT 1", "-- a\rCOMMIT --\n SELECT 1"]
        {
            assert_eq!(transaction_control(sql), Some(TransactionControl::Commit), "{sql}");
        }
    }

    #[test]
    fn transaction_control_is_recognised_wherever_it_hides() {
        for (sql, expected) in [
            ("BEGIN", TransactionControl::Begin),
            ("start transaction read only", TransactionControl::Begin),
            ("commit", TransactionControl::Commit),
            (" ;; \u{feff}\u{b}COMMIT;", TransactionControl::Commit),
            ("-- a\n/* b */COMMIT/**/AND CHAIN", TransactionControl::Commit),
            ("End", TransactionControl::Commit),
            ("ROLLBACK TO a", TransactionControl::RollBack),
            ("ABORT", TransactionControl::RollBack),
            ("savepoint a", TransactionControl::Savepoint),
            ("RELEASE a", TransactionControl::Savepoint),
            ("PREPARE /* a */ TRANSACTION 'a'", TransactionControl::Prepare),
        ] {
            assert_eq!(transaction_control(sql), Some(expected), "{sql}");
        }
        for sql in ["", "SELECT 1", "PREPARE a AS SELECT 1", "commit_all", "ends", "UPDATE a SET commit = 1"]
        {
            assert_eq!(transaction_control(sql), None, "{sql}");
        }
    }

    #[test]
    fn statements_that_leave_state_on_a_connection_are_recognised() {
        for sql in [
            "SET ROLE reader",
            "set search_path = other",
            "SET SESSION AUTHORIZATION reader",
            "/* why */ RESET ROLE",
            "LISTEN orders",
            "PREPARE a AS SELECT 1",
            "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
            "DISCARD ALL",
            "LOAD 'auto_explain'",
            "DO $$ BEGIN END $$",
            "CALL change_role()",
            "CREATE TEMP TABLE a (id integer)",
            "create local temporary table a (id integer)",
            "CREATE TABLE pg_temp.a (id integer)",
            "SELECT 1 AS id INTO TEMP a",
            "EXPLAIN ANALYZE CREATE TEMP TABLE a AS SELECT 1",
            "SELECT pg_try_advisory_lock(1)",
            "SELECT Set_Config('role', 'reader', false)",
            "SELECT U&\"set\\005fconfig\"('role', 'reader', false)",
            "WHATEVER comes later",
        ] {
            assert!(leaves_state(sql), "{sql}");
        }
        for sql in [
            "SELECT * FROM notes",
            "INSERT INTO weather (temperature, attempts) VALUES ($1, $2)",
            "SELECT temp FROM weather",
            "UPDATE notes SET title = $1",
            "SET LOCAL statement_timeout = 100",
            "SET TRANSACTION DEFERRABLE",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SELECT pg_advisory_xact_lock($1)",
            "CREATE TABLE attempts (id integer)",
            "TRUNCATE notes",
        ] {
            assert!(!leaves_state(sql), "{sql}");
        }
    }

    #[test]
    fn inserts_of_given_values_are_distinguished_from_inserts_of_queries() {
        assert!(is_insert("insert into a (b) values ($1), ($2) RETURNING id"));
        for sql in
            ["INSERT INTO a SELECT * FROM b", "INSERT INTO a VALUES ((SELECT 1))", "UPDATE a SET b = 1"]
        {
            assert!(!is_insert(sql), "{sql}");
        }
    }
}
