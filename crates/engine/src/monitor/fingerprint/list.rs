//! Lists, whose length does not count: of items that follow each other and are the same, one is kept.

use std::ops::Range;

use super::keyword::Keyword;
use super::token::Token;

/// A pair of brackets that is open, or the rows of a `VALUES`.
#[derive(Debug)]
pub(super) enum Level {
    /// What is in brackets and no list.
    Group,
    /// The items of an `IN`, an `ARRAY` or a row of values.
    Items(Items),
    /// Rows, each in parentheses, without any around all.
    Rows(Items),
}

/// Items already written to a text.
#[derive(Debug)]
pub(super) struct Items {
    /// The last one that is kept.
    kept: Option<Range<usize>>,
    /// Where the one that is being written begins.
    start: usize,
    is_array: bool,
}

impl Items {
    pub(super) fn new(start: usize) -> Self {
        Self { kept: None, start, is_array: false }
    }

    /// The item ends here; takes it out again when it is the same as the last.
    pub(super) fn end(&mut self, out: &mut String) {
        let item = out[self.start..].trim_start();
        let range = out.len() - item.len()..out.len();
        match &self.kept {
            Some(kept) if out[kept.clone()] == *item => out.truncate(kept.end),
            _ => self.kept = Some(range),
        }
    }

    /// The next item begins here.
    pub(super) fn next(&mut self, start: usize) {
        self.start = start;
    }
}

impl Level {
    /// What an opening bracket opens, behind `before` and in front of `after`; its content begins at `start`.
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

    /// As [`opened`](Self::opened), for square brackets.
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
