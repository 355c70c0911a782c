//! The tokens of a statement.

use super::keyword::Keyword;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// Text of the token; for a quoted name, the text between the quotes.
    pub(super) text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Keyword(Keyword),
    /// A name without quotes, or with quotes that are not necessary.
    Name,
    /// A quoted name, and its closing quote: `"`, `` ` `` or `]`.
    Quoted(u8),
    Number,
    /// A string or a blob.
    Text,
    /// A placeholder, and its number if it has one.
    Placeholder(Option<u32>),
    /// An operator or punctuation.
    Symbol,
}

impl Token<'_> {
    pub(super) fn keyword(&self) -> Option<Keyword> {
        match self.kind {
            Kind::Keyword(keyword) => Some(keyword),
            _ => None,
        }
    }

    pub(super) fn is_keyword(&self, keyword: Keyword) -> bool {
        self.kind == Kind::Keyword(keyword)
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Name | Kind::Quoted(_))
    }

    /// Returns whether it is an unquoted name with this spelling, such as `key`, which has a special meaning in some
    /// places.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Name && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_value(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::Text | Kind::Placeholder(_))
    }

    /// Returns whether an expression may end with it.
    pub(super) fn ends_operand(&self) -> bool {
        match self.kind {
            Kind::Keyword(keyword) => keyword.is_value(),
            Kind::Symbol => matches!(self.text, ")" | "]"),
            _ => true,
        }
    }

    /// Appends the token in its normalised form.
    pub(super) fn write(&self, out: &mut String) {
        match self.kind {
            Kind::Keyword(keyword) => out.push_str(keyword.text()),
            Kind::Name => {
                let start = out.len();
                out.push_str(self.text);
                out[start..].make_ascii_lowercase();
            }
            Kind::Quoted(_) => {
                out.push('"');
                out.push_str(&self.name().replace('"', "\"\""));
                out.push('"');
            }
            Kind::Number | Kind::Text | Kind::Placeholder(_) => out.push('?'),
            Kind::Symbol => out.push_str(self.text),
        }
    }

    /// Returns the name as the database stores it.
    pub(super) fn name(&self) -> String {
        match self.kind {
            Kind::Quoted(b'"') => self.text.replace("\"\"", "\""),
            Kind::Quoted(b'`') => self.text.replace("``", "`"),
            Kind::Quoted(_) => self.text.to_owned(),
            _ => self.text.to_ascii_lowercase(),
        }
    }
}
