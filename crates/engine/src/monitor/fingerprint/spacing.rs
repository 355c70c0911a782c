//! Where a normalised text has blanks. Reading it again must give the same tokens.

use super::keyword::Keyword;
use super::token::{Kind, Token};

/// Whether a blank stands between two tokens; `is_target` when the first names what an `INTO` fills.
pub(super) fn is_apart(before: &Token<'_>, token: &Token<'_>, is_target: bool) -> bool {
    let is_before = |symbols: &[&str]| before.kind == Kind::Symbol && symbols.contains(&before.text);
    match (token.kind, token.text) {
        (Kind::Symbol, "," | ")" | "]" | ";") => false,
        _ if is_before(&["(", "["]) => false,
        (Kind::Symbol, "." | "::") => !before.ends_operand(),
        (Kind::Symbol, "(") => is_target || !calls(before),
        (Kind::Symbol, "[") => !before.ends_operand() && !before.is_keyword(Keyword::Array),
        (Kind::Keyword(_) | Kind::Name | Kind::Quoted(_), _) | (Kind::Symbol, "*") => {
            !is_before(&[".", "::"])
        }
        _ => true,
    }
}

/// Whether a parenthesis behind it holds its arguments.
fn calls(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Keyword(keyword) => keyword.is_function(),
        Kind::Name => {
            !["over", "filter", "conflict", "materialized", "explain"].iter().any(|word| token.is_word(word))
        }
        Kind::Quoted(_) => true,
        _ => false,
    }
}
