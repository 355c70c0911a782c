//! Lists, normalised to a length that does not depend on the number of items: of equal items in a row, one is kept.

use std::ops::Range;

use super::keyword::Keyword;
use super::token::Token;

/// An open pair of brackets, or the rows of a `VALUES`.
#[derive(Debug)]
pub(super) enum Level {
    /// Brackets that are not a list.
    Group,
    /// The items of an `IN`, an `ARRAY` or a row of values.
    Items(Items),
    /// Rows, each in parentheses, without parentheses around all of them.
    Rows(Items),
}

/// Items already written to the text.
#[derive(Debug)]
pub(super) struct Items {
    /// Range of the last item kept.
    kept: Option<Range<usize>>,
    /// Start of the item being written.
    start: usize,
    is_array: bool,
}

impl Items {
    pub(super) fn new(start: usize) -> Self {
        Self { kept: None, start, is_array: false }
    }

    /// Ends the item, and removes it from the text if it equals the last one.
    pub(super) fn end(&mut self, out: &mut String) {
        let item = out[self.start..].trim_start();
        let range = out.len() - item.len()..out.len();
        match &self.kept {
            Some(kept) if out[kept.clone()] == *item => out.truncate(kept.end),
            _ => self.kept = Some(range),
        }
    }

    /// Begins the next item.
    pub(super) fn next(&mut self, start: usize) {
        self.start = start;
    }
}

impl Level {
    /// Returns the level that an opening bracket begins, between the tokens `before` and `after`; its content starts at
    /// `start`.
    pub(super) fn opened(
        outer: Option<&Self>,
        before: Option<&Token<'_>>,
        after: Option<&Token<'_>>,
        start: usize,
    ) -> Self {
        let before = before.and_then(Token::keyword);
        let after = after.and_then(Token::keyword);
        let is_query = matches!(after, Some(Keyword::Select | Keyword::Values | Keyword::With));
        let is_row = matches!(outer, Some(Self::Rows(_)));
        match before {
            Some(Keyword::In) if !is_query => Self::Items(Items::new(start)),
            _ if is_row => Self::Items(Items::new(start)),
            _ => Self::Group,
        }
    }

    /// Returns the level that a square bracket begins; see [`opened`](Self::opened).
    pub(super) fn opened_square(outer: Option<&Self>, before: Option<&Token<'_>>, start: usize) -> Self {
        let is_array = before.is_some_and(|before| before.is_keyword(Keyword::Array));
        let is_nested = matches!(outer, Some(Self::Items(items)) if items.is_array)
            && before.is_some_and(|before| !before.ends_operand());
        if is_array || is_nested {
            Self::Items(Items { is_array: true, ..Items::new(start) })
        } else {
            Self::Group
        }
    }
}
