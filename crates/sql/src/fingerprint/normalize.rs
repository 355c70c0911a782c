//! Writes a statement without its values. Lexing the text again gives the same tokens.

use super::keyword::Keyword;
use super::list::{Items, Level};
use super::token::{Kind, Token};

/// Returns the text that all statements share which differ only in values, lengths of lists, comments, white space and
/// case. Normalising it again does not change it.
pub(super) fn normalize(tokens: &[Token<'_>], capacity: usize) -> String {
    let mut writer = Writer {
        tokens,
        out: String::with_capacity(capacity),
        before: None,
        levels: Vec::new(),
        is_target: false,
    };
    for index in 0..tokens.len() {
        if !writer.is_sign(index) {
            writer.write(index);
        }
    }
    writer.out
}

struct Writer<'t, 'a> {
    tokens: &'t [Token<'a>],
    out: String,
    before: Option<&'t Token<'a>>,
    levels: Vec<Level>,
    /// True after `INTO` and the name that follows it.
    is_target: bool,
}

impl Writer<'_, '_> {
    /// Returns whether the token is the sign of the number after it.
    fn is_sign(&self, index: usize) -> bool {
        matches!(self.tokens[index], Token { kind: Kind::Symbol, text: "-" | "+" })
            && self.tokens.get(index + 1).is_some_and(|next| next.kind == Kind::Number)
            && !self.before.is_some_and(Token::ends_operand)
    }

    fn write(&mut self, index: usize) {
        let token = &self.tokens[index];
        self.end_rows(token);
        if token.kind == Kind::Symbol && matches!(token.text, "," | ")" | "]") {
            self.end_item(token);
        }
        if self.before.is_some_and(|before| needs_space(before, token, self.is_target)) {
            self.out.push(' ');
        }
        token.write(&mut self.out);
        self.is_target = match token.kind {
            Kind::Name | Kind::Quoted(_) => self.is_target,
            Kind::Keyword(keyword) => keyword == Keyword::Into,
            _ => self.is_target && token.is_symbol("."),
        };
        self.open_or_close(index);
        self.before = Some(token);
    }

    /// Ends the rows, unless a comma or another row follows.
    fn end_rows(&mut self, token: &Token<'_>) {
        let Some(Level::Rows(_)) = self.levels.last() else { return };
        let before = self.before.map_or("", |before| before.text);
        let goes_on = match before {
            ")" => token.is_symbol(","),
            _ => token.is_symbol("("),
        };
        if !goes_on {
            self.levels.pop();
        }
    }

    /// Ends an item of a list. A row is compared with the last one when its parenthesis closes, in
    /// [`close`](Self::close).
    fn end_item(&mut self, token: &Token<'_>) {
        if let Some(Level::Items(items)) = self.levels.last_mut() {
            items.end(&mut self.out);
            items.next(self.out.len() + token.text.len());
        }
    }

    fn open_or_close(&mut self, index: usize) {
        let token = &self.tokens[index];
        let start = self.out.len();
        match (token.kind, token.text) {
            (Kind::Keyword(Keyword::Values), _) => self.levels.push(Level::Rows(Items::new(start))),
            (Kind::Symbol, "(") => {
                let after = self.tokens.get(index + 1);
                let level = Level::opened(self.levels.last(), self.before, after, start);
                self.levels.push(level);
            }
            (Kind::Symbol, "[") => {
                let level = Level::opened_square(self.levels.last(), self.before, start);
                self.levels.push(level);
            }
            (Kind::Symbol, ")" | "]") => self.close(),
            (Kind::Symbol, ",") => {
                if let Some(Level::Rows(rows)) = self.levels.last_mut() {
                    rows.next(start);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        self.levels.pop();
        if let Some(Level::Rows(rows)) = self.levels.last_mut() {
            rows.end(&mut self.out);
        }
    }
}

/// Returns whether a space separates two tokens; `is_target` is true if the first names the target of an `INTO`.
pub(super) fn needs_space(before: &Token<'_>, token: &Token<'_>, is_target: bool) -> bool {
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

/// Returns whether a parenthesis after the token holds its arguments.
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

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;

    fn text(sql: &str) -> String {
        super::normalize(&tokens(sql), sql.len())
    }

    fn assert_same(texts: &[&str], expected: &str) {
        for sql in texts {
            assert_eq!(text(sql), expected, "{sql}");
        }
    }

    #[test]
    fn values_are_left_out() {
        assert_same(
            &[
                "SELECT id FROM trades WHERE price = 1",
                "SELECT id FROM trades WHERE price = -1.5e+10",
                "SELECT id FROM trades WHERE price = - 7",
                "SELECT id FROM trades WHERE price = .5",
                "SELECT id FROM trades WHERE price = 0xFF",
                "SELECT id FROM trades WHERE price = 'it''s -- no comment'",
                r"SELECT id FROM trades WHERE price = E'it\'s'",
                "SELECT id FROM trades WHERE price = $a$ it's $b$ $a$",
                "SELECT id FROM trades WHERE price = $$$1$$",
                "SELECT id FROM trades WHERE price = x'0f'",
                "SELECT id FROM trades WHERE price = $1",
                "SELECT id FROM trades WHERE price = ?",
                "SELECT id FROM trades WHERE price = ?7",
                "SELECT id FROM trades WHERE price = :price",
                "SELECT id FROM trades WHERE price = @price",
                "SELECT id FROM trades WHERE price=$price",
            ],
            "select id from trades where price = ?",
        );
    }

    #[test]
    fn null_true_and_false_are_kept() {
        assert_same(&["SELECT TRUE, False, NULL"], "select true, false, null");
    }

    #[test]
    fn a_sign_belongs_to_a_number_where_an_operand_begins() {
        assert_same(&["SELECT a -1", "SELECT a - 1", "SELECT a-1"], "select a - ?");
        assert_same(&["SELECT -1", "SELECT 1"], "select ?");
        assert_same(&["SELECT (-1, +2)"], "select (?, ?)");
        assert_same(&["SELECT -a"], "select - a");
        assert_same(&["SELECT (a) - 1, null - 1, a[1] - 1"], "select (a) - ?, null - ?, a[?] - ?");
    }

    #[test]
    fn a_list_of_any_length_has_one_text() {
        assert_same(&["x IN (1)", "x IN ($1, $2, 3)", "x in(?,?)"], "x in (?)");
        assert_same(&["values (1), (2)", "VALUES (1, 'a')", "values (1,2),(3,4),(5,6)"], "values (?)");
        assert_same(&["ARRAY[1]", "array [1, 2]"], "array[?]");
        assert_same(&["ARRAY[[1, 2], [3, 4]]", "array[[1]]"], "array[[?]]");
        assert_same(&["(a, b) IN ((1, 2), (3, 4))", "(a, b) IN ((1, 2))"], "(a, b) in ((?, ?))");
        assert_same(&["x IN ($1::int, $2::int)"], "x in (?::int)");
        assert_same(&["VALUES (1, now()), (2, now())"], "values (?, now())");
        assert_same(&["a IN (1, 2) AND b IN (3, 4)"], "a in (?) and b in (?)");
    }

    #[test]
    fn anything_else_than_a_list_of_values_keeps_its_length() {
        assert_same(&["f(1, 1)"], "f(?, ?)");
        assert_same(&["x IN (SELECT a, b, b, c FROM d)"], "x in (select a, b, b, c from d)");
        assert_same(&["x IN (1, NULL, 2)"], "x in (?, null, ?)");
        assert_same(&["VALUES (1, NULL), (2, 3)"], "values (?, null), (?)");
        assert_same(&["VALUES (1, 2) ORDER BY (a), (b), (b)"], "values (?) order by (a), (b), (b)");
    }

    #[test]
    fn comments_white_space_and_final_semicolons_are_left_out() {
        assert_same(
            &[
                "select a from b",
                "-- first\nselect a -- it's\r\n from\tb;",
                "/* /* nested */ */select/**/a from b ; ; -- end",
                "  select a from b /* never closed",
            ],
            "select a from b",
        );
        assert_same(&["select 1; select 2;"], "select ?; select ?");
    }

    #[test]
    fn spacing_is_canonical() {
        assert_same(&["a=b", "a = b", "a  =b"], "a = b");
        assert_same(&["count ( * )", "COUNT(*)"], "count(*)");
        assert_same(&["t . a::int", "t.a :: int"], "t.a::int");
        assert_same(&["select(a),b"], "select (a), b");
        assert_same(&["insert into s.t(a)", "INSERT INTO s.t (a)"], "insert into s.t (a)");
        assert_same(&["sum(a) over(order by b)"], "sum(a) over (order by b)");
    }

    #[test]
    fn case_counts_only_in_quotes() {
        assert_same(&["SELECT Name FROM Trades", "select NAME from trades"], "select name from trades");
        assert_same(&["\"Name\"", "`Name`"], "\"Name\"");
        assert_same(&["SELECT [Name]"], "select \"Name\"");
        assert_same(&["name", "NAME", "\"name\"", "`name`", "[name]"], "name");
        assert_same(&["`a``B`"], "\"a`B\"");
        assert_same(&["\"a \"\" b\"", "`a \" b`", "[a \" b]"], "\"a \"\" b\"");
    }

    #[test]
    fn a_quoted_keyword_stays_a_name() {
        assert_same(
            &["SELECT \"order\", \"null\" FROM `table`"],
            "select \"order\", \"null\" from \"table\"",
        );
    }

    #[test]
    fn operators_survive() {
        for sql in [
            "a::jsonb -> ? ->> ?",
            "a @> ?::jsonb",
            "a <@ b",
            "a #>> ?",
            "a ?| array[?]",
            "a ?& array[?]",
            "a ? ?",
            "a @? ?",
            "a <=> b",
            "a !~* ?",
            "a[? : ?]",
            "a || ?",
        ] {
            assert_eq!(text(sql), sql);
        }
        assert_same(&["?||'x'", "?1 || $2"], "? || ?");
        assert_same(&["a->>'b'=-1"], "a ->> ? = ?");
    }

    #[test]
    fn an_open_quote_or_comment_ends_with_the_text() {
        assert_same(&["a 'b", "a E'b\\", "a $x$ b", "a x'"], "a ?");
        assert_same(&["\"B c", "`B c", "[B c"], "\"B c\"");
        assert_same(&["x in (1, 2"], "x in (?, ?");
        assert_same(&["", ";", "-- a", "/*"], "");
    }
}
