//! Whether a text only reads, or only inserts what stands in it. All of it is `const`, so that constant statements are looked at by the compiler.

const READS: [&[u8]; 6] = [b"SELECT", b"WITH", b"VALUES", b"TABLE", b"SHOW", b"EXPLAIN"];

/// Whether a text is that of a statement that only reads: by its first word, and because it does not mention
/// `set_config`.
pub(crate) const fn is_read(sql: &str) -> bool {
    let sql = sql.as_bytes();
    let start = first_word(sql, 0);
    let mut index = 0;
    while index < READS.len() {
        let end = start + READS[index].len();
        if matches(sql, start, READS[index]) && !(end < sql.len() && sql[end].is_ascii_alphabetic()) {
            return !mentions(sql, b"set_config");
        }
        index += 1;
    }
    false
}

/// Whether a text inserts values that stand in it, not those of a query.
pub(crate) const fn is_insert(sql: &str) -> bool {
    let sql = sql.as_bytes();
    matches(sql, first_word(sql, 0), b"INSERT") && mentions(sql, b"VALUES") && !mentions(sql, b"SELECT")
}

/// Where the first word is, behind white space, parentheses and comments.
const fn first_word(sql: &[u8], mut at: usize) -> usize {
    loop {
        while at < sql.len() && (sql[at].is_ascii_whitespace() || sql[at] == b'(') {
            at += 1;
        }
        if matches(sql, at, b"--") {
            at = behind(sql, at, b"\n");
        } else if matches(sql, at, b"/*") {
            at = behind(sql, at, b"*/");
        } else {
            return at;
        }
    }
}

/// The place behind the next `end`, or the end of the text.
const fn behind(sql: &[u8], mut at: usize, end: &[u8]) -> usize {
    while at < sql.len() {
        if matches(sql, at, end) {
            return at + end.len();
        }
        at += 1;
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

/// Whether `word` stands at this place, in letters of either case.
const fn matches(sql: &[u8], at: usize, word: &[u8]) -> bool {
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
    use super::{is_insert, is_read};

    #[test]
    fn reads_are_known_behind_comments_and_parentheses() {
        for sql in [
            "select 1",
            "  -- why\n SELECT 1",
            "/* a */ (select 1) union select 2",
            "WITH a AS (SELECT 1) TABLE a",
            "SELECT set_, _config, set_confi, reset_conf FROM a_b_",
        ] {
            assert!(is_read(sql), "{sql}");
        }
    }

    #[test]
    fn whatever_could_write_or_undo_read_only_is_no_read() {
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
        ] {
            assert!(!is_read(sql), "{sql}");
        }
    }

    #[test]
    fn inserts_of_given_values_are_told_from_those_of_queries() {
        assert!(is_insert("insert into a (b) values ($1), ($2) RETURNING id"));
        for sql in
            ["INSERT INTO a SELECT * FROM b", "INSERT INTO a VALUES ((SELECT 1))", "UPDATE a SET b = 1"]
        {
            assert!(!is_insert(sql), "{sql}");
        }
    }
}
