//! Redacts passwords in messages about wrong arguments. A URL may be typed where none belongs, with its password.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, Error};
use tallybook::hide_unless_plain;

/// The parts of an error in which clap quotes the arguments.
const QUOTED: [ContextKind; 4] = [
    ContextKind::InvalidArg,
    ContextKind::InvalidSubcommand,
    ContextKind::InvalidValue,
    ContextKind::TrailingArg,
];

/// Replaces every argument that could hold a password by its length.
pub(super) fn without_secrets(mut error: Error) -> Error {
    let mut is_hidden = false;
    for kind in QUOTED {
        let Some(ContextValue::String(typed)) = error.get(kind) else { continue };
        if is_option(typed) {
            continue;
        }
        let shown = hide_unless_plain(typed).into_owned();
        is_hidden |= shown != *typed;
        error.insert(kind, ContextValue::String(shown));
    }
    if is_hidden {
        // "to pass '…' as a value" quotes it again.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Returns whether the text is the name of an option, as in `--interval <SECONDS>`.
fn is_option(typed: &str) -> bool {
    let is_name = |symbol: char| symbol.is_ascii_lowercase() || symbol == '-';
    let name = typed.split(" <").next().unwrap_or_default();
    typed.starts_with("--") && name.chars().all(is_name) && !typed.contains(['=', ':', '@'])
}

/// Parses a path. It refuses URLs, because messages would print a path with the password in it.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_string_lossy().contains("://") {
        true => Err("a URL is not a path; name the database with --database or DATABASE_URL"),
        false => Ok(path),
    })
}
