//! Redacts settings for messages. A text that could contain a password is never quoted.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A problem with a URL; it never quotes the URL.
pub type Problem = Cow<'static, str>;

/// The placeholder for a redacted part.
pub const HIDDEN: &str = "***";
/// URL schemes that messages may quote. Any other text before a colon could be part of a password.
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
/// Parts of the names of secrets.
const SECRETS: [&str; 6] = ["pass", "pwd", "secret", "token", "private", "-----begin"];
/// Longest text that is quoted. A longer one is not a number, word or path that a reader needs.
const MAX_QUOTED: usize = 120;

/// Returns a text for a message: unchanged if it is plain (a number, a word, a path), else just its length.
///
/// Do not pass a URL.
///
/// ```
/// use tallybook::hide_unless_plain;
///
/// assert_eq!(hide_unless_plain("src/report.rs:42"), "src/report.rs:42");
/// assert_eq!(hide_unless_plain("host=db password=hunter2"), "a text of 24 characters");
/// ```
pub fn hide_unless_plain(text: &str) -> Cow<'_, str> {
    if is_plain(text) && text.len() <= MAX_QUOTED { text.into() } else { length(text).into() }
}

/// Like [`hide_unless_plain`], with quotation marks around a text that is shown.
pub fn quoted(text: &str) -> String {
    match hide_unless_plain(text) {
        Cow::Borrowed(text) => format!("{text:?}"),
        Cow::Owned(length) => length,
    }
}

/// Describes a URL that does not parse: its scheme, if that is well known, and its length.
pub fn unparsed_url(text: &str) -> String {
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

/// Returns the name of a user or a database, percent-encoded or not, or [`HIDDEN`].
pub fn name(name: &str) -> &str {
    if is_plain(&decoded(name)) { name } else { HIDDEN }
}

/// Returns the hosts of a parsed URL, with their ports, or [`HIDDEN`].
pub fn hosts(hosts: &str) -> &str {
    let is_usual = |symbol: char| symbol.is_alphanumeric() || "-_.,:/[]~ ".contains(symbol);
    if decoded(hosts).chars().all(is_usual) { hosts } else { HIDDEN }
}

/// Returns the value of a known parameter, or [`HIDDEN`] if it could be a secret.
pub fn parameter(value: &str) -> &str {
    let decoded = decoded(value);
    let is_usual = |symbol: char| symbol.is_alphanumeric() || "-_.,:/[]~ =@+".contains(symbol);
    if decoded.chars().all(is_usual) && !names_secret(&decoded) { value } else { HIDDEN }
}

/// Returns whether the text cannot contain a password: it has letters, digits and a few signs, and only digits follow a
/// colon.
pub fn is_plain(text: &str) -> bool {
    let is_usual = |symbol: char| symbol.is_alphanumeric() || "-_.,:/~+ ".contains(symbol);
    let is_number = |part: &str| part.starts_with(|symbol: char| symbol.is_ascii_digit());
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
