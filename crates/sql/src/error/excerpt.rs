//! Parts of statements and messages that error messages quote.

/// Replaces everything from the first to the last quotation mark by a question mark: a quoted value may contain
/// quotation marks itself.
pub(super) fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(start), Some(end)) if start < end => format!("{}?{}", &message[..start], &message[end + 1..]),
        _ => message.to_owned(),
    }
}

/// Joins the lines of a statement.
pub(super) fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Shortens a statement to the length that a person reads.
pub(super) fn shorten(sql: &str) -> String {
    const LIMIT: usize = 160;
    match sql.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", &sql[..cut]),
        None => sql.to_owned(),
    }
}

/// Returns the first table that a statement reads.
pub(super) fn first_table(sql: &str) -> Option<&str> {
    let mut words = sql.split(' ');
    words.by_ref().find(|word| word.eq_ignore_ascii_case("from"))?;
    words.next().map(|word| word.trim_end_matches([',', ';', ')'])).filter(|word| !word.starts_with('('))
}
