//! Untrusted text, made safe for a terminal and for a log of lines.

use std::fmt::{self, Write};

/// Displays untrusted text on one line.
///
/// Control characters, escape sequences, line breaks and marks that change the direction of text appear as Rust writes
/// them in a string (`\n`, `\u{1b}`). All other text appears as it is.
///
/// Names of database objects, messages of a server and reports of another program are untrusted. Tallybook prints all
/// of them through this type. JSON keeps the text, with JSON's own escapes.
///
/// ```
/// use tallybook::Escaped;
///
/// assert_eq!(Escaped("ix_naïve\u{1b}[2J\nnext: rm").to_string(), "ix_naïve\\u{1b}[2J\\nnext: rm");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(
    /// The text.
    pub &'a str,
);

impl Escaped<'_> {
    /// Returns whether a character is displayed as it is.
    pub fn is_safe(symbol: char) -> bool {
        !is_unsafe(symbol)
    }
}

/// Escapes everything that is written through it.
pub struct Escaping<W>(pub W);

/// Returns whether a character could move the cursor, start an escape sequence, forge a line or reverse the text.
fn is_unsafe(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, symbol)) = rest.char_indices().find(|(_, symbol)| is_unsafe(*symbol)) {
            self.0.write_str(&rest[..at])?;
            match symbol {
                '\n' => self.0.write_str("\\n")?,
                '\r' => self.0.write_str("\\r")?,
                '\t' => self.0.write_str("\\t")?,
                symbol => write!(self.0, "{}", symbol.escape_unicode())?,
            }
            rest = &rest[at + symbol.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaping(f).write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_text_is_kept() {
        for (text, shown) in [
            ("Zürich 東京 👩‍👧 «x»", "Zürich 東京 👩‍👧 «x»"),
            ("a\u{1b}]0;t\u{7}b", "a\\u{1b}]0;t\\u{7}b"),
            ("a\u{9b}31mb\u{7f}", "a\\u{9b}31mb\\u{7f}"),
            ("one\r\ntwo\tthree\u{2028}", "one\\r\\ntwo\\tthree\\u{2028}"),
            ("user\u{202e}nimda\u{2069}", "user\\u{202e}nimda\\u{2069}"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>()) {
            let shown = Escaped(&text).to_string();
            prop_assert!(!shown.chars().any(is_unsafe), "{shown:?}");
            if !text.chars().any(is_unsafe) {
                prop_assert_eq!(shown, text);
            }
        }
    }
}
