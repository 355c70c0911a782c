//! Operands of comparisons.

use std::ops::Range;

use super::keyword::Keyword;
use super::token::{Kind, Token};

/// Tokens of a qualified column: database, schema, table and column, and the dots between them.
const MAX_COLUMN: usize = 7;

/// The kind of comparison that an operator makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Equal,
    Ordered,
}

impl Comparison {
    /// Returns the kind of comparison of an operator.
    pub(super) fn of(token: &Token<'_>) -> Option<Self> {
        match (token.kind, token.text) {
            (Kind::Symbol, "=" | "==") | (Kind::Keyword(Keyword::Is), _) => Some(Self::Equal),
            (Kind::Symbol, "<" | ">" | "<=" | ">=") | (Kind::Keyword(Keyword::Between), _) => {
                Some(Self::Ordered)
            }
            _ => None,
        }
    }
}

/// Returns the columns before `end` that are an operand, separated by commas: one column, or a row in parentheses,
/// which is the group closed last. `None` for any other operand.
pub(super) fn columns_before(
    tokens: &[Token<'_>],
    end: usize,
    group: Option<&Range<usize>>,
) -> Option<Range<usize>> {
    let last = end.checked_sub(1)?;
    let (start, columns) = match group {
        Some(group) if group.end == end => (group.start, group.start + 1..last),
        _ => {
            let start = qualified_start(tokens, last)?;
            (start, start..end)
        }
    };
    (begins_operand(tokens, start) && are_columns(&tokens[columns.clone()])).then_some(columns)
}

/// Returns the column that is the operand at `start`.
pub(super) fn column_at<'t, 'a>(tokens: &'t [Token<'a>], start: usize) -> Option<&'t Token<'a>> {
    let mut last = start;
    while tokens.get(last + 1).is_some_and(|dot| dot.is_symbol(".")) {
        last += 2;
    }
    tokens.get(last).filter(|token| token.is_name() && ends_operand(tokens, last + 1))
}

/// Returns whether nothing before an operand changes its value.
pub(super) fn begins_operand(tokens: &[Token<'_>], start: usize) -> bool {
    let Some(before) = start.checked_sub(1).map(|before| &tokens[before]) else { return true };
    before.keyword().is_some_and(|keyword| !keyword.is_value() && !keyword.is_function())
        || ["(", ",", "["].iter().any(|symbol| before.is_symbol(symbol))
}

/// Returns whether nothing after an operand changes its value.
pub(super) fn ends_operand(tokens: &[Token<'_>], end: usize) -> bool {
    let Some(after) = tokens.get(end) else { return true };
    after.keyword().is_some() || [")", ",", "]", ";"].iter().any(|symbol| after.is_symbol(symbol))
}

/// Returns the end of the casts after an operand: `::bigint`, `::numeric(9, 2)[]`.
pub(super) fn casts_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    let is = |at: usize, symbol: &str| tokens.get(at).is_some_and(|token| token.is_symbol(symbol));
    while is(at, "::") {
        at += 1;
        while tokens.get(at).is_some_and(Token::is_name) || is(at, ".") {
            at += 1;
        }
        if is(at, "(") {
            let size = |token: &Token<'_>| token.is_value() || token.is_symbol(",");
            at += 1 + tokens[at + 1..].iter().take_while(|token| size(token)).count();
            at += usize::from(is(at, ")"));
        }
        while is(at, "[") || is(at, "]") {
            at += 1;
        }
    }
    at
}

fn qualified_start(tokens: &[Token<'_>], last: usize) -> Option<usize> {
    let mut start = last;
    while start >= 2 && tokens[start - 1].is_symbol(".") && tokens[start - 2].is_name() {
        start -= 2;
    }
    tokens[last].is_name().then_some(start)
}

fn are_columns(tokens: &[Token<'_>]) -> bool {
    let is_part = |(place, token): (usize, &Token<'_>)| {
        if place % 2 == 0 { token.is_name() } else { token.is_symbol(".") }
    };
    let is_column = |column: &[Token<'_>]| {
        column.len() % 2 == 1 && column.len() <= MAX_COLUMN && column.iter().enumerate().all(is_part)
    };
    tokens.split(|token| token.is_symbol(",")).all(is_column)
}
