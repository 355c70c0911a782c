//! A tokenizer for SQL: enough to skip comments and to find the end of a statement.

/// Returns the tokens of a text: words, quoted strings and punctuation, without comments and white space.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter(|(kind, _)| *kind == Kind::Token).map(|(_, piece)| piece)
}

/// Splits a text into statements that can be sent one by one.
pub(crate) fn statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut at, mut is_empty) = (0, 0, true);
    for (kind, piece) in pieces(text) {
        at += piece.len();
        if kind == Kind::Token && piece == ";" {
            if !is_empty {
                statements.push(text[start..at - 1].trim());
            }
            (start, is_empty) = (at, true);
        } else if kind == Kind::Token {
            is_empty = false;
        }
    }
    if !is_empty {
        statements.push(text[start..].trim());
    }
    statements
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Token,
    Space,
}

/// Returns all pieces of a text, in order. Comments and white space are one kind.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = (Kind, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (kind, length) = next(rest)?;
        let (piece, tail) = rest.split_at(length);
        rest = tail;
        Some((kind, piece))
    })
}

fn next(text: &str) -> Option<(Kind, usize)> {
    let first = text.chars().next()?;
    let until = |end: Option<usize>, width: usize| end.map_or(text.len(), |end| end + width);
    Some(if first.is_whitespace() {
        (Kind::Space, until(text.find(|c: char| !c.is_whitespace()), 0))
    } else if text.starts_with("--") {
        (Kind::Space, until(text.find('\n'), 0))
    } else if text.starts_with("/*") {
        (Kind::Space, until(text.find("*/"), 2))
    } else if matches!(first, '\'' | '"' | '`') {
        (Kind::Token, quoted(text, first))
    } else if let Some(tag) = dollar_tag(text) {
        (Kind::Token, until(text[tag..].find(&text[..tag]).map(|at| at + tag), tag))
    } else if is_word(first) {
        (Kind::Token, until(text.find(|c: char| !is_word(c)), 0))
    } else {
        (Kind::Token, first.len_utf8())
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of a quoted string. A doubled quotation mark is part of it.
fn quoted(text: &str, mark: char) -> usize {
    let mut rest = 1;
    while let Some(end) = text[rest..].find(mark) {
        rest += end + 1;
        if !text[rest..].starts_with(mark) {
            return rest;
        }
        rest += 1;
    }
    text.len()
}

/// Returns the length of `$$` or `$tag$`, PostgreSQL's dollar quotes.
fn dollar_tag(text: &str) -> Option<usize> {
    let name = text.strip_prefix('$')?;
    let end = name.find(|c: char| !is_word(c))?;
    let is_tag = name[end..].starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        let text = "create index a on b (c); -- one; two\n select ';', \"a;b\", $f$ x; $f$, $1 /* ; */;;\n\n";
        assert_eq!(
            statements(text),
            ["create index a on b (c)", "-- one; two\n select ';', \"a;b\", $f$ x; $f$, $1 /* ; */"]
        );
    }

    #[test]
    fn a_quote_that_does_not_end_takes_the_rest() {
        assert_eq!(statements("select 'a; b"), ["select 'a; b"]);
        assert_eq!(statements(" -- nothing\n"), [""; 0]);
    }
}
