//! The lexer, for both dialects.

use super::keyword::Keyword;
use super::token::{Kind, Token};

/// The longest come first.
const OPERATORS: [&str; 35] = [
    "!~~*", "<->", "<=>", "<#>", "->>", "#>>", "!~*", "!~~", "~~*", "-|-", "::", ":=", "=>", "->", "#>",
    "#-", "@>", "<@", "@@", "@?", "||", "&&", "<=", ">=", "<>", "!=", "==", "<<", ">>", "~~", "~*", "!~",
    "|/", "^@", "**",
];

/// Returns the tokens of a statement, without comments, white space and final semicolons.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { sql, at: 0, tokens: Vec::with_capacity(sql.len() / 4 + 1), brackets: 0 };
    while let Some(byte) = lexer.byte(0) {
        lexer.next_token(byte);
    }
    let mut tokens = lexer.tokens;
    while tokens.last().is_some_and(|last| last.is_symbol(";")) {
        tokens.pop();
    }
    tokens
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
    /// Number of open square brackets: arrays and subscripts.
    brackets: usize,
}

impl<'a> Lexer<'a> {
    fn next_token(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t'..=b'\r' => self.at += 1,
            b'-' if self.byte(1) == Some(b'-') => self.line_comment(),
            b'/' if self.byte(1) == Some(b'*') => self.block_comment(),
            b'\'' => self.string(0, false),
            b'"' | b'`' => self.quoted_name(byte),
            b'[' if self.quotes_a_name() => self.quoted_name(b']'),
            b'$' => self.dollar(),
            b'?' => self.question_mark(),
            b':' | b'@' if self.byte(1).is_some_and(starts_name) => self.named_placeholder(),
            b'.' if self.starts_fraction() => self.number(),
            _ if byte.is_ascii_digit() => self.number(),
            _ if starts_name(byte) => self.word(),
            _ => self.symbol(),
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    /// Returns how many bytes from `ahead` on satisfy a predicate.
    fn run(&self, ahead: usize, is_such: impl Fn(u8) -> bool) -> usize {
        let rest = self.sql.as_bytes().get(self.at + ahead..).unwrap_or_default();
        rest.iter().take_while(|byte| is_such(**byte)).count()
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let end = (self.at + length).min(self.sql.len());
        self.tokens.push(Token { kind, text: &self.sql[self.at..end] });
        self.at = end;
    }

    fn line_comment(&mut self) {
        self.at += self.run(0, |byte| byte != b'\n');
    }

    /// PostgreSQL's comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.byte(0) {
            match (byte, self.byte(1)) {
                (b'/', Some(b'*')) => (depth, self.at) = (depth + 1, self.at + 2),
                (b'*', Some(b'/')) => (depth, self.at) = (depth - 1, self.at + 2),
                _ => self.at += 1,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads a string whose quote follows a prefix of some bytes.
    fn string(&mut self, prefix: usize, has_escapes: bool) {
        let mut length = prefix + 1;
        while let Some(byte) = self.byte(length) {
            length += match byte {
                b'\\' if has_escapes => 2,
                b'\'' if self.byte(length + 1) == Some(b'\'') => 2,
                b'\'' => return self.push(Kind::Text, length + 1),
                _ => 1,
            };
        }
        self.push(Kind::Text, length);
    }

    fn quoted_name(&mut self, quote: u8) {
        self.at += 1;
        let mut length = self.run(0, |byte| byte != quote);
        while quote != b']' && self.byte(length) == Some(quote) && self.byte(length + 1) == Some(quote) {
            length += 2;
            length += self.run(length, |byte| byte != quote);
        }
        let inside = &self.rest()[..length];
        let kind = if is_plain(inside) { Kind::Name } else { Kind::Quoted(quote) };
        self.push(kind, length);
        // Skip the closing quote, unless the text ends before it.
        self.at = (self.at + 1).min(self.sql.len());
    }

    /// SQLite's `[name]` stands where an operand begins. A subscript follows an operand, and inside an array there are
    /// only arrays.
    fn quotes_a_name(&self) -> bool {
        let is_array = |last: &Token<'_>| last.ends_operand() || last.is_keyword(Keyword::Array);
        self.brackets == 0 && !self.tokens.last().is_some_and(is_array)
    }

    /// `$1`, `$tag$…$tag$` or `$name`.
    fn dollar(&mut self) {
        let digits = self.run(1, |byte| byte.is_ascii_digit());
        if digits > 0 {
            return self.numbered_placeholder(digits);
        }
        let tag = self.run(1, |byte| byte != b'$' && continues_name(byte));
        if self.byte(tag + 1) == Some(b'$') {
            let (open, body) = self.rest().split_at(tag + 2);
            let length = body.find(open).map_or(body.len(), |end| end + open.len());
            self.push(Kind::Text, open.len() + length);
        } else if tag > 0 {
            self.push(Kind::Placeholder(None), tag + 1);
        } else {
            self.push(Kind::Symbol, 1);
        }
    }

    /// Reads a placeholder, unless it is one of the operators `?|` and `?&`; `?||` is a placeholder and a
    /// concatenation.
    fn question_mark(&mut self) {
        let digits = self.run(1, |byte| byte.is_ascii_digit());
        match self.byte(1) {
            Some(sign @ (b'|' | b'&')) if self.byte(2) != Some(sign) => self.push(Kind::Symbol, 2),
            _ if digits > 0 => self.numbered_placeholder(digits),
            _ => self.push(Kind::Placeholder(None), 1),
        }
    }

    fn numbered_placeholder(&mut self, digits: usize) {
        let number = self.rest()[1..=digits].parse().ok();
        self.push(Kind::Placeholder(number), digits + 1);
    }

    fn named_placeholder(&mut self) {
        let length = 1 + self.run(1, continues_name);
        self.push(Kind::Placeholder(None), length);
    }

    fn starts_fraction(&self) -> bool {
        let is_qualified = |last: &Token<'_>| last.is_name() || matches!(last.text, ")" | "]" | ".");
        self.byte(1).is_some_and(|next| next.is_ascii_digit())
            && !self.tokens.last().is_some_and(is_qualified)
    }

    fn number(&mut self) {
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        let is_radix = |byte: u8| matches!(byte, b'x' | b'X' | b'o' | b'O' | b'b' | b'B');
        let radix_digits = self.run(2, |byte| byte.is_ascii_hexdigit() || byte == b'_');
        if self.byte(0) == Some(b'0') && self.byte(1).is_some_and(is_radix) && radix_digits > 0 {
            return self.push(Kind::Number, 2 + radix_digits);
        }
        let mut length = self.run(0, is_digit);
        if self.byte(length) == Some(b'.') {
            length += 1 + self.run(length + 1, is_digit);
        }
        if matches!(self.byte(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(length + 1), Some(b'+' | b'-')));
            let exponent = self.run(length + 1 + sign, is_digit);
            length += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        self.push(Kind::Number, length);
    }

    fn word(&mut self) {
        let length = self.run(0, continues_name);
        let word = &self.rest()[..length];
        match (word.as_bytes(), self.byte(length)) {
            ([b'e' | b'E'], Some(b'\'')) => self.string(1, true),
            ([b'b' | b'B' | b'n' | b'N' | b'x' | b'X'], Some(b'\'')) => self.string(1, false),
            ([b'u' | b'U'], Some(b'&')) if self.byte(2) == Some(b'\'') => self.string(2, false),
            _ => self.push(Keyword::of(word).map_or(Kind::Name, Kind::Keyword), length),
        }
    }

    fn symbol(&mut self) {
        let rest = self.rest();
        match rest.as_bytes()[0] {
            b'(' | b')' | b',' | b'.' | b';' => return self.push(Kind::Symbol, 1),
            b'[' => self.brackets += 1,
            b']' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
        self.push(Kind::Symbol, operator.map_or(1, |operator| operator.len()));
    }
}

/// In both dialects, every character beyond ASCII may be part of a name.
fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn continues_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Returns whether a quoted name means the same without its quotes.
fn is_plain(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|first| starts_name(*first))
        && bytes.iter().all(|byte| continues_name(*byte) && !byte.is_ascii_uppercase())
        && Keyword::of(name).is_none()
}
