//! What a message about wrong arguments repeats of them. A URL may stand where no URL belongs, with its password in it.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, Error};
use tallybook_engine::hide_unless_plain;

/// Where clap quotes what was typed.
const QUOTED: [ContextKind; 4] = [
    ContextKind::InvalidArg,
    ContextKind::InvalidSubcommand,
    ContextKind::InvalidValue,
    ContextKind::TrailingArg,
];

/// The same error with the length alone of what could hold a password.
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

/// The name of an option, as in `--interval <SECONDS>`.
fn is_option(typed: &str) -> bool {
    let is_name = |symbol: char| symbol.is_ascii_lowercase() || symbol == '-';
    let name = typed.split(" <").next().unwrap_or_default();
    typed.starts_with("--") && name.chars().all(is_name) && !typed.contains(['=', ':', '@'])
}

/// Reads a path. A URL is none: messages would tell its password with the path.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_string_lossy().contains("://") {
        true => Err("a URL is no path; a database is named by --database or DATABASE_URL"),
        false => Ok(path),
    })
}
