//! The operation of a statement, and its tables.

use std::collections::HashSet;

use super::keyword::Keyword;
use super::summary::Summary;
use super::token::{Kind, Token};

const READ_OPERATIONS: [&str; 5] = ["SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN"];
const WRITE_OPERATIONS: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];

/// Operations and tables of a statement.
#[derive(Debug, Default)]
pub(super) struct Subject {
    pub(super) operation: String,
    /// First table of the main statement, else of a CTE.
    pub(super) collection: Option<String>,
    pub(super) summary: String,
    writes: bool,
}

impl Subject {
    /// Returns whether the statement only reads. `EXPLAIN` executes nothing.
    pub(super) fn is_read(&self) -> bool {
        READ_OPERATIONS.contains(&&*self.operation) && (!self.writes || self.operation == "EXPLAIN")
    }
}

pub(super) fn subject(tokens: &[Token<'_>]) -> Subject {
    let mut walk = Walk {
        tokens,
        at: 0,
        levels: vec![Level::default()],
        withs: Vec::new(),
        ctes: HashSet::new(),
        summary: Summary::default(),
        in_cte: None,
        subject: Subject::default(),
    };
    walk.first_word();
    while let Some(token) = tokens.get(walk.at) {
        walk.step(token);
    }
    walk.finish()
}

/// The state inside one pair of parentheses.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// True if a `FROM` names tables here. Elsewhere it belongs to `extract(year FROM …)` and the like.
    is_query: bool,
    /// True if a `USING` names tables here.
    has_using: bool,
    next: Next,
}

/// The meaning of the next name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Next {
    #[default]
    Other,
    /// A table, or a function that returns one.
    Source,
    /// A table, even if a parenthesis follows.
    Target,
    /// Part of an item in a list of sources: another source follows a comma.
    Listed,
}

/// A `WITH` whose main statement has not begun.
#[derive(Debug)]
struct With {
    depth: usize,
    is_recursive: bool,
    /// True if the name of a CTE comes next.
    is_named_next: bool,
    /// CTE being defined: inside its own definition, the name refers to a table.
    unknown: Option<String>,
}

struct Walk<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    levels: Vec<Level>,
    withs: Vec<With>,
    ctes: HashSet<String>,
    summary: Summary,
    /// First table inside a CTE.
    in_cte: Option<String>,
    subject: Subject,
}

impl Walk<'_, '_> {
    fn finish(self) -> Subject {
        let collection = self.subject.collection.or(self.in_cte);
        let mut operation = self.subject.operation;
        if operation.is_empty() && self.tokens.first().is_some_and(|first| first.is_keyword(Keyword::With)) {
            "WITH".clone_into(&mut operation);
        }
        Subject { operation, collection, summary: self.summary.text, writes: self.subject.writes }
    }

    /// Takes the first word, whatever it is, as the operation. Operations of nested statements are found later.
    fn first_word(&mut self) {
        let first = self.tokens.iter().position(|token| !token.is_symbol("("));
        let Some((first, token)) = first.map(|first| (first, &self.tokens[first])) else { return };
        let is_word = matches!(token.kind, Kind::Name | Kind::Keyword(_));
        if is_word && !token.is_keyword(Keyword::With) && self.verb(first).is_none() {
            self.subject.operation = token.text.to_ascii_uppercase();
            self.summary.add(&self.subject.operation);
            if self.subject.operation == "COPY" {
                self.level().next = Next::Target;
                self.at = first + 1;
            }
        }
    }

    fn step(&mut self, token: &Token<'_>) {
        if let Some(verb) = self.verb(self.at) {
            self.begin(verb);
            self.at += 1;
            return;
        }
        match token.kind {
            Kind::Symbol => self.symbol(token.text),
            Kind::Keyword(keyword) => self.keyword(keyword),
            Kind::Name | Kind::Quoted(_) => return self.name(),
            _ => self.level().next = self.level().next.after_operand(),
        }
        self.at += 1;
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level is never closed")
    }

    fn is_next(&self, ahead: usize, is_such: impl Fn(&Token<'_>) -> bool) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(is_such)
    }

    fn before(&self, index: usize) -> Option<&Token<'_>> {
        index.checked_sub(1).map(|before| &self.tokens[before])
    }

    /// Returns the operation that begins at a token.
    fn verb(&self, index: usize) -> Option<&'static str> {
        let token = &self.tokens[index];
        let before = self.before(index);
        let verb = match token.kind {
            Kind::Keyword(Keyword::Select) => "SELECT",
            Kind::Keyword(Keyword::Insert) => "INSERT",
            Kind::Keyword(Keyword::Update) => "UPDATE",
            Kind::Keyword(Keyword::Delete) => "DELETE",
            Kind::Keyword(Keyword::Values) if before.is_none_or(|before| self.begins_main(before)) => {
                "VALUES"
            }
            Kind::Keyword(Keyword::Table) if before.is_none_or(|before| self.begins_main(before)) => "TABLE",
            Kind::Name if self.is_followed_by_into(index) && token.is_word("merge") => "MERGE",
            Kind::Name if self.is_followed_by_into(index) && token.is_word("replace") => "REPLACE",
            _ => return None,
        };
        (!before.is_some_and(belongs_to)).then_some(verb)
    }

    /// Returns whether the token is the last one before a main statement.
    fn begins_main(&self, before: &Token<'_>) -> bool {
        let is_behind_ctes = self.withs.last().is_some_and(|with| with.depth == self.levels.len());
        let is_first = self.subject.operation.is_empty() && self.withs.is_empty();
        before.is_symbol("(") && is_first || before.is_symbol(")") && is_behind_ctes
    }

    fn is_followed_by_into(&self, index: usize) -> bool {
        self.tokens.get(index + 1).is_some_and(|next| next.is_keyword(Keyword::Into))
    }

    fn begin(&mut self, verb: &'static str) {
        if self.withs.last().is_some_and(|with| with.depth == self.levels.len()) {
            self.ctes.extend(self.withs.pop().and_then(|with| with.unknown));
        }
        if self.subject.operation.is_empty() && self.withs.is_empty() {
            verb.clone_into(&mut self.subject.operation);
        }
        self.subject.writes |= WRITE_OPERATIONS.contains(&verb);
        self.summary.add(verb);
        let next = if matches!(verb, "UPDATE" | "TABLE") { Next::Target } else { Next::Other };
        *self.level() = Level { is_query: true, has_using: matches!(verb, "DELETE" | "MERGE"), next };
    }

    fn symbol(&mut self, symbol: &str) {
        match symbol {
            "(" => self.open(),
            ")" if self.levels.len() > 1 => {
                self.levels.pop();
            }
            "," => self.comma(),
            ";" => *self.level() = Level::default(),
            _ => self.level().next = self.level().next.after_operand(),
        }
    }

    /// Opens a parenthesis. In place of a table it holds a subquery or a join.
    fn open(&mut self) {
        let is_source = self.level().next == Next::Source;
        self.level().next = self.level().next.after_operand();
        let next = if is_source { Next::Source } else { Next::Other };
        self.levels.push(Level { is_query: is_source, has_using: false, next });
    }

    fn comma(&mut self) {
        let depth = self.levels.len();
        if let Some(with) = self.withs.last_mut().filter(|with| with.depth == depth) {
            with.is_named_next = true;
            self.ctes.extend(with.unknown.take());
        } else if self.level().next == Next::Listed {
            self.level().next = Next::Source;
        }
    }

    fn keyword(&mut self, keyword: Keyword) {
        let before = self.before(self.at).and_then(Token::keyword);
        let level = *self.level();
        let next = match keyword {
            Keyword::From if before == Some(Keyword::Distinct) => level.next,
            Keyword::From | Keyword::Join if level.is_query => Next::Source,
            Keyword::Using if level.has_using => Next::Source,
            Keyword::Into | Keyword::Table => Next::Target,
            Keyword::With => {
                self.begin_with();
                level.next
            }
            // `INSERT OR REPLACE`, `UPDATE OR IGNORE`, `IF NOT EXISTS`, `LATERAL`
            Keyword::Or if level.next == Next::Target => {
                self.at += 1;
                level.next
            }
            Keyword::Not | Keyword::Exists | Keyword::Lateral => level.next,
            _ if keyword.ends_sources() => Next::Other,
            _ => level.next.after_operand(),
        };
        self.level().next = next;
    }

    /// Begins a `WITH` that defines CTEs, as opposed to `WITH TIME ZONE` and `WITH ORDINALITY`.
    fn begin_with(&mut self) {
        let is_recursive = self.is_next(1, |token| token.is_word("recursive"))
            && self.is_next(2, |token| !token.is_keyword(Keyword::As));
        let name = 1 + usize::from(is_recursive);
        let is_body = |token: &Token<'_>| token.is_keyword(Keyword::As) || token.is_symbol("(");
        if self.is_next(name, |token| token.is_name() && !token.is_word("ordinality"))
            && self.is_next(name + 1, is_body)
        {
            let depth = self.levels.len();
            self.withs.push(With { depth, is_recursive, is_named_next: true, unknown: None });
            self.at += usize::from(is_recursive);
        }
    }

    fn name(&mut self) {
        let name = qualified_name(&self.tokens[self.at..]);
        let depth = self.levels.len();
        if let Some(with) = self.withs.last_mut().filter(|with| with.depth == depth && with.is_named_next) {
            with.is_named_next = false;
            if with.is_recursive {
                self.ctes.insert(normalized(name));
            } else {
                with.unknown = Some(normalized(name));
            }
        } else if matches!(self.level().next, Next::Source | Next::Target) && !self.is_modifier() {
            self.source(name);
        }
        self.at += name.len();
    }

    /// Returns whether the token is the first word of `ONLY trades` or `IF NOT EXISTS trades`.
    fn is_modifier(&self) -> bool {
        let token = &self.tokens[self.at];
        let is_condition =
            |next: &Token<'_>| next.is_keyword(Keyword::Not) || next.is_keyword(Keyword::Exists);
        token.is_word("only") && self.is_next(1, |next| next.is_name())
            || token.is_word("if") && self.is_next(1, is_condition)
    }

    /// Adds a table, unless the name is that of a CTE or a function.
    fn source(&mut self, tokens: &[Token<'_>]) {
        let next = self.level().next;
        self.level().next = next.after_operand();
        if next == Next::Source && self.is_next(tokens.len(), |token| token.is_symbol("(")) {
            return;
        }
        let name = normalized(tokens);
        if !self.ctes.contains(&name) {
            self.summary.add(&name);
            let first = if self.withs.is_empty() { &mut self.subject.collection } else { &mut self.in_cte };
            first.get_or_insert(name);
        }
    }
}

impl Next {
    fn after_operand(self) -> Self {
        match self {
            Self::Source | Self::Listed => Self::Listed,
            Self::Target | Self::Other => Self::Other,
        }
    }
}

/// Returns whether `INSERT`, `UPDATE` or `DELETE` after the token is part of a clause: `FOR NO KEY UPDATE`, `DO
/// UPDATE`, `ON DELETE`, `THEN INSERT`.
fn belongs_to(before: &Token<'_>) -> bool {
    let is_clause = |keyword| matches!(keyword, Keyword::For | Keyword::On | Keyword::Or | Keyword::Then);
    before.keyword().is_some_and(is_clause) || before.is_word("do") || before.is_word("key")
}

/// Returns the tokens of a name and its qualifiers.
fn qualified_name<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let is_part =
        |pair: &&[Token<'_>]| pair[0].is_symbol(".") && (pair[1].is_name() || pair[1].keyword().is_some());
    let parts = tokens[1..].chunks_exact(2).take_while(is_part).count();
    &tokens[..1 + 2 * parts]
}

/// Returns a name as the normalised text spells it.
fn normalized(tokens: &[Token<'_>]) -> String {
    let mut name = String::new();
    for token in tokens {
        token.write(&mut name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::subject;

    fn operation(sql: &str) -> String {
        subject(&tokens(sql)).operation
    }

    fn collection(sql: &str) -> Option<String> {
        subject(&tokens(sql)).collection
    }

    fn summary(sql: &str) -> String {
        subject(&tokens(sql)).summary
    }

    #[test]
    fn a_bulk_load_has_its_table() {
        let sql = "COPY trades (id, symbol) FROM STDIN";
        assert_eq!((summary(sql), collection(sql)), ("COPY trades".to_owned(), Some("trades".to_owned())));
        assert_eq!(summary("COPY (SELECT id FROM trades) TO STDOUT"), "COPY SELECT trades");
    }

    #[test]
    fn the_operation_is_the_first_word() {
        assert_eq!(operation("select 1"), "SELECT");
        assert_eq!(operation("((SELECT 1) UNION SELECT 2)"), "SELECT");
        assert_eq!(operation("VALUES (1)"), "VALUES");
        assert_eq!(operation("pragma foreign_keys = on"), "PRAGMA");
        assert_eq!(operation("CREATE TABLE a (id integer)"), "CREATE");
        assert_eq!(operation("REPLACE INTO a VALUES (1)"), "REPLACE");
        assert_eq!(operation("EXPLAIN (FORMAT JSON) DELETE FROM a"), "EXPLAIN");
        assert_eq!(operation("set a = 1"), "SET");
        assert_eq!(operation(""), "");
        assert_eq!(operation("7"), "");
    }

    #[test]
    fn after_ctes_the_operation_is_that_of_the_main_statement() {
        assert_eq!(operation("WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a"), "INSERT");
        assert_eq!(operation("WITH a AS (DELETE FROM b RETURNING id) SELECT * FROM a"), "SELECT");
        assert_eq!(
            operation("WITH a(x, y) AS NOT MATERIALIZED (SELECT 1, 2), b AS (SELECT 3) UPDATE c SET d = 1"),
            "UPDATE"
        );
        assert_eq!(operation("WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) DELETE FROM c"), "DELETE");
        assert_eq!(operation("WITH a AS (SELECT 1) TABLE a"), "TABLE");
        assert_eq!(operation("WITH a"), "WITH");
    }

    #[test]
    fn the_collection_is_the_first_table() {
        let is = |sql, table: &str| assert_eq!(collection(sql).as_deref(), Some(table), "{sql}");
        is("SELECT id FROM Trades t JOIN executions e ON e.trade_id = t.id", "trades");
        is("SELECT id FROM public.trades", "public.trades");
        is("SELECT id FROM \"Trades\"", "\"Trades\"");
        is("SELECT id FROM ONLY trades", "trades");
        is("INSERT INTO trades(a) VALUES (1)", "trades");
        is("INSERT OR IGNORE INTO trades VALUES (1)", "trades");
        is("UPDATE OR REPLACE trades SET a = 1", "trades");
        is("UPDATE trades AS t SET a = 1", "trades");
        is("DELETE FROM trades WHERE id = 1", "trades");
        is("CREATE TABLE IF NOT EXISTS trades (id integer)", "trades");
        is("DROP TABLE IF EXISTS trades", "trades");
        is("SELECT * FROM (SELECT * FROM trades) AS t", "trades");
        is("SELECT * FROM ((trades JOIN a ON true) JOIN b ON true)", "trades");
        is("SELECT * FROM generate_series(1, 3) AS n, trades", "trades");
        is("SELECT extract(year FROM created_at) FROM trades", "trades");
        is("TABLE trades", "trades");
    }

    #[test]
    fn functions_ctes_and_clauses_are_not_collections() {
        for sql in [
            "SELECT 1",
            "SELECT extract(year FROM created_at)",
            "SELECT a IS DISTINCT FROM b",
            "SELECT * FROM generate_series(1, 3)",
            "SELECT * FROM rarray($1) AS ids",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "WITH RECURSIVE a(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM a) SELECT n FROM a",
            "SELECT * FROM (VALUES (1)) AS v",
        ] {
            assert_eq!(collection(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_cte_may_hide_a_table_that_it_reads() {
        let sql = "WITH trades AS (SELECT * FROM trades) SELECT * FROM trades";
        assert_eq!(summary(sql), "SELECT trades SELECT");
        assert_eq!(collection(sql).as_deref(), Some("trades"));
    }

    #[test]
    fn a_table_of_the_main_statement_comes_before_those_of_ctes() {
        let sql = "WITH a AS (SELECT * FROM orders) INSERT INTO trades SELECT * FROM a";
        assert_eq!(collection(sql).as_deref(), Some("trades"));
    }

    #[test]
    fn the_summary_has_operations_and_tables_in_order() {
        let is = |sql, expected: &str| assert_eq!(summary(sql), expected, "{sql}");
        is("SELECT * FROM trades", "SELECT trades");
        is("SELECT 1", "SELECT");
        is("INSERT INTO shipping_details (a) SELECT b FROM orders", "INSERT shipping_details SELECT orders");
        is(
            "SELECT * FROM executions WHERE trade_id IN (SELECT id FROM trades)",
            "SELECT executions SELECT trades",
        );
        is("SELECT * FROM a, b LEFT JOIN c USING (id), d WHERE e IN (1, 2)", "SELECT a b c d");
        is("DELETE FROM a USING b WHERE a.id = b.id", "DELETE a b");
        is("UPDATE a SET b = c.d FROM c", "UPDATE a c");
        is("SELECT a FROM b ORDER BY c, d FOR UPDATE", "SELECT b");
        is("SELECT a FROM b FOR NO KEY UPDATE", "SELECT b");
        is("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1", "INSERT a");
        is("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", "MERGE a b");
        is("SELECT a FROM b UNION SELECT c FROM d", "SELECT b SELECT d");
        is("EXPLAIN SELECT a FROM b", "EXPLAIN SELECT b");
        is("SELECT now()::timestamp with time zone FROM a", "SELECT a");
        is("SELECT * FROM unnest($1) WITH ORDINALITY AS u (a, n), b", "SELECT b");
    }
}
