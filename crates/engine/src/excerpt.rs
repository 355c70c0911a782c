//! What messages quote of statements and of other messages.

/// A message with a question mark for all from its first to its last quotation mark: a value may have some in it.
pub(crate) fn unquoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(start), Some(end)) if start < end => format!("{}?{}", &message[..start], &message[end + 1..]),
        _ => message.to_owned(),
    }
}

/// A statement on one line.
pub(crate) fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// It cut to what a person reads.
pub(crate) fn shorten(sql: &str) -> String {
    const LIMIT: usize = 160;
    match sql.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", &sql[..cut]),
        None => sql.to_owned(),
    }
}

/// The table that a statement reads first.
pub(crate) fn table(sql: &str) -> Option<&str> {
    let mut words = sql.split(' ');
    words.by_ref().find(|word| word.eq_ignore_ascii_case("from"))?;
    words.next().map(|word| word.trim_end_matches([',', ';', ')'])).filter(|word| !word.starts_with('('))
}
