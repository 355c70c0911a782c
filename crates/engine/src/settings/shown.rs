//! What of a setting may be shown. A text that could hold a password is never quoted, however it spells it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What stands for a part that is not shown.
pub(crate) const HIDDEN: &str = "***";
/// Schemes that are named in messages. Any other text before a colon could be a part of a password.
const SCHEMES: [&str; 12] = [
    "postgresql",
    "postgres",
    "sqlite",
    "mysql",
    "mariadb",
    "mssql",
    "oracle",
    "mongodb",
    "redis",
    "jdbc",
    "http",
    "https",
];
/// What the names of secrets contain.
const SECRETS: [&str; 6] = ["pass", "pwd", "secret", "token", "private", "-----begin"];
/// A setting that is longer is no number, word or path that somebody has to see again.
const LONGEST: usize = 120;

/// A text that is no URL, such as a number, a word or a path, for a message: as it is if it is plain, else no more than
/// its length.
///
/// ```
/// use tallybook_engine::hide_unless_plain;
///
/// assert_eq!(hide_unless_plain("src/report.rs:42"), "src/report.rs:42");
/// assert_eq!(hide_unless_plain("host=db password=hunter2"), "a text of 24 characters");
/// ```
pub fn hide_unless_plain(text: &str) -> Cow<'_, str> {
    if is_plain(text) && text.len() <= LONGEST { text.into() } else { length(text).into() }
}

/// The same with the quotation marks of a text that is shown.
pub(crate) fn quoted(text: &str) -> String {
    match hide_unless_plain(text) {
        Cow::Borrowed(text) => format!("{text:?}"),
        Cow::Owned(length) => length,
    }
}

/// A URL that does not parse: its scheme, if that is a known one, and its length.
pub(super) fn unparsed_url(text: &str) -> String {
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.split('+').next().unwrap_or_default());
    let known =
        SCHEMES.into_iter().find(|known| scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(known)));
    match known {
        Some(scheme) => format!("{} that begins with {scheme}:", length(text)),
        None => length(text),
    }
}

/// The name of a user or a database, percent-encoded or not.
pub(crate) fn name(name: &str) -> &str {
    if is_plain(&decoded(name)) { name } else { HIDDEN }
}

/// The hosts of a URL that parsed, with their ports.
pub(super) fn hosts(hosts: &str) -> &str {
    let is_usual = |symbol: char| symbol.is_alphanumeric() || "-_.,:/[]~ ".contains(symbol);
    if decoded(hosts).chars().all(is_usual) { hosts } else { HIDDEN }
}

/// The value of a parameter that is known and no password.
pub(super) fn parameter(value: &str) -> &str {
    let decoded = decoded(value);
    let is_usual = |symbol: char| symbol.is_alphanumeric() || "-_.,:/[]~ =@+".contains(symbol);
    if decoded.chars().all(is_usual) && !names_secret(&decoded) { value } else { HIDDEN }
}

/// Whether nothing in it can be a password: letters, digits and a few signs, in which only a number follows a colon.
pub(super) fn is_plain(text: &str) -> bool {
    let is_usual = |symbol: char| symbol.is_alphanumeric() || "-_.,:/~+ ".contains(symbol);
    let is_number = |behind: &str| behind.starts_with(|symbol: char| symbol.is_ascii_digit());
    text.chars().all(is_usual) && text.split(':').skip(1).all(is_number) && !names_secret(text)
}

fn names_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRETS.iter().any(|secret| text.contains(secret))
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn length(text: &str) -> String {
    match text.chars().count() {
        1 => "a text of 1 character".to_owned(),
        count => format!("a text of {count} characters"),
    }
}
