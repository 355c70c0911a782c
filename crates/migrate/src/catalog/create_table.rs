//! Parses and edits the `CREATE TABLE` text that SQLite stores for a table.

use tallybook_sql::error::{Error, Result};

use crate::catalog::FoundCheck;
use crate::steps::column::Key;
use crate::steps::tokens::{Kind, pieces, tokens};

/// The parts of `CREATE TABLE name (items) options`.
pub(crate) struct CreateTable<'a> {
    items: Vec<&'a str>,
    options: &'a str,
}

impl<'a> CreateTable<'a> {
    pub(crate) fn parse(sql: &'a str) -> Result<Self> {
        let (mut depth, mut at, mut start) = (0, 0, 0);
        let mut items = Vec::new();
        for (kind, piece) in pieces(sql) {
            let is_end = depth == 1 && matches!(piece, "," | ")") && kind == Kind::Token;
            if is_end {
                items.push(without_trailing_comment(&sql[start..at]));
            }
            match piece {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
            at += piece.len();
            if (piece == "(" && depth == 1) || is_end {
                start = at;
            }
            if is_end && depth == 0 {
                return Ok(Self { items, options: sql[at..].trim() });
            }
        }
        Err(Error::revision(format!("the definition of a table has no end: {sql}")))
    }

    /// Builds the `CREATE TABLE` statement for a name.
    pub(crate) fn create(items: &[String], options: &str, name: &str) -> String {
        format!("CREATE TABLE {name} (\n\t{}\n) {options}", items.join(",\n\t"))
    }

    pub(crate) fn options(&self) -> &'a str {
        self.options
    }

    /// Returns whether a table constraint, not a column constraint, concerns the column.
    pub(crate) fn constrains(&self, column: &str) -> bool {
        self.items.iter().any(|item| is_key_of(item, column))
    }

    /// Returns the items without a column and without the foreign keys on that column alone.
    pub(crate) fn without_column(&self, column: &str) -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for item in &self.items {
            if is_column(item, column) || is_key_of(item, column) {
                continue;
            }
            if is_constraint(item) && local_columns(item).iter().any(|&name| is_name(name, column)) {
                return Err(Error::revision(format!("{column} can't go: it is part of `{item}`")));
            }
            kept.push((*item).to_owned());
        }
        Ok(kept)
    }

    /// Returns the items with a foreign key added to a column.
    pub(crate) fn with_key(&self, column: &str, key: &Key) -> Vec<String> {
        let change = |item: &&str| match is_column(item, column) {
            true => format!("{item} {}", key.sql()),
            false => (*item).to_owned(),
        };
        self.items.iter().map(change).collect()
    }

    /// Returns the check constraints of columns and of the table.
    pub(crate) fn checks(&self) -> Vec<FoundCheck> {
        self.items.iter().flat_map(|item| checks_of(item)).collect()
    }

    /// Returns the items with a constraint added to the table.
    pub(crate) fn with_constraint(&self, constraint: String) -> Vec<String> {
        self.items.iter().map(|item| (*item).to_owned()).chain([constraint]).collect()
    }

    /// Returns the items without a check of the table.
    pub(crate) fn without_check(&self, name: &str) -> Result<Vec<String>> {
        let is_it = |item: &str| {
            let mut tokens = tokens(item);
            tokens.next().is_some_and(|word| word.eq_ignore_ascii_case("CONSTRAINT"))
                && tokens.next().is_some_and(|token| is_name(token, name))
                && tokens.next().is_some_and(|word| word.eq_ignore_ascii_case("CHECK"))
        };
        let kept: Vec<_> =
            self.items.iter().filter(|item| !is_it(item)).map(|item| (*item).to_owned()).collect();
        match kept.len() < self.items.len() {
            true => Ok(kept),
            false => Err(Error::revision(format!("the table has no constraint {name} of its own"))),
        }
    }

    /// Returns the items without the foreign key of a column.
    pub(crate) fn without_key(&self, column: &str, key: &Key) -> Result<Vec<String>> {
        if self.constrains(column) {
            let kept = self.items.iter().filter(|item| !is_key_of(item, column));
            return Ok(kept.map(|item| (*item).to_owned()).collect());
        }
        let written = key.sql();
        let change = |item: &&str| match is_column(item, column) {
            true => match item.strip_suffix(&*written) {
                Some(kept) => Ok(kept.trim_end().to_owned()),
                None => Err(Error::revision(format!("the key of {column} is not `{written}` in `{item}`"))),
            },
            false => Ok((*item).to_owned()),
        };
        self.items.iter().map(change).collect()
    }
}

/// Returns the checks of one item, each with its name and the text inside its parentheses.
fn checks_of(item: &str) -> Vec<FoundCheck> {
    let mut checks = Vec::new();
    let (mut at, mut depth, mut start) = (0, 0, None);
    // The last tokens outside of parentheses.
    let mut last: [&str; 3] = [""; 3];
    for (kind, piece) in pieces(item) {
        let here = at;
        at += piece.len();
        if kind == Kind::Space {
            continue;
        }
        match piece {
            "(" => {
                if depth == 0 && last[2].eq_ignore_ascii_case("CHECK") {
                    start = Some(at);
                }
                depth += 1;
            }
            ")" => {
                depth -= 1;
                if let (0, Some(start)) = (depth, start.take_if(|_| depth == 0)) {
                    let is_named = last[0].eq_ignore_ascii_case("CONSTRAINT");
                    let name = is_named.then(|| last[1].trim_matches(['"', '`']).to_owned());
                    let condition = item[start..here].trim().to_owned();
                    checks.push(FoundCheck { name, condition, is_valid: true });
                }
            }
            _ => {}
        }
        if depth == 0 {
            last = [last[1], last[2], piece];
        }
    }
    checks
}

/// Removes what follows the last token of an item: a trailing comment would hide the comma.
fn without_trailing_comment(item: &str) -> &str {
    let (mut at, mut end) = (0, 0);
    for (kind, piece) in pieces(item) {
        at += piece.len();
        if kind == Kind::Token {
            end = at;
        }
    }
    item[..end].trim_start()
}

fn is_constraint(item: &str) -> bool {
    let first = tokens(item).next().unwrap_or_default();
    ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
}

fn is_column(item: &str, column: &str) -> bool {
    !is_constraint(item) && tokens(item).next().is_some_and(|name| is_name(name, column))
}

fn is_key_of(item: &str, column: &str) -> bool {
    let is_key = tokens(item).any(|token| token.eq_ignore_ascii_case("FOREIGN"));
    is_constraint(item) && is_key && matches!(*local_columns(item), [name] if is_name(name, column))
}

/// Returns the tokens in a constraint's first parentheses. For a foreign key these are the columns of its own
/// table.
fn local_columns(item: &str) -> Vec<&str> {
    let inside = tokens(item).skip_while(|token| *token != "(").skip(1);
    let is_foreign = tokens(item).any(|token| token.eq_ignore_ascii_case("FOREIGN"));
    let words = inside.take_while(|token| !(is_foreign && *token == ")"));
    words.filter(|token| !matches!(*token, "," | "(" | ")")).collect()
}

/// Returns whether a token, quoted or not, is this name.
fn is_name(token: &str, name: &str) -> bool {
    token.trim_matches(['"', '`', '[', ']']).eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::CreateTable;

    const TRADES: &str = "CREATE TABLE trades (\n\
        \tid INTEGER NOT NULL, -- the (first, one)\n\
        \t\"session_id\" INTEGER,\n\
        \tprice NUMERIC(10, 2) DEFAULT (1 + 2), /* a, b */\n\
        \tPRIMARY KEY (id),\n\
        \tCHECK (price > 0),\n\
        \tCONSTRAINT fk FOREIGN KEY(session_id) REFERENCES trading_sessions (id)\n) STRICT";

    fn after(items: &[String], definition: &CreateTable<'_>) -> String {
        CreateTable::create(items, definition.options(), "t").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_column_goes_with_its_key_and_the_rest_stays() {
        let definition = CreateTable::parse(TRADES).unwrap();
        assert!(definition.constrains("session_id") && !definition.constrains("id"));
        let items = definition.without_column("session_id").unwrap();
        assert_eq!(
            after(&items, &definition),
            "CREATE TABLE t ( id INTEGER NOT NULL, price NUMERIC(10, 2) DEFAULT (1 + 2), /* a, b */ PRIMARY KEY (id), \
             CHECK (price > 0) ) STRICT"
        );
        assert!(definition.without_column("price").is_err(), "a check needs it");
    }

    #[test]
    fn checks_of_columns_and_of_the_table_are_found_with_their_names() {
        let sql = "CREATE TABLE t (a INTEGER DEFAULT (1) CHECK (a > 0) CONSTRAINT \"b\" CHECK (a < (2 + 3)), \
                   c TEXT DEFAULT 'CHECK (d)', CONSTRAINT e CHECK (c IN ('x', ')')), UNIQUE (a))";
        let definition = CreateTable::parse(sql).unwrap();
        let found = definition.checks();
        let found: Vec<_> = found.iter().map(|one| (one.name.as_deref(), &*one.condition)).collect();
        assert_eq!(found, [(None, "a > 0"), (Some("b"), "a < (2 + 3)"), (Some("e"), "c IN ('x', ')')")]);
        let without = definition.without_check("e").unwrap();
        assert_eq!(without.len(), 3);
        assert!(definition.without_check("b").is_err(), "it belongs to its column");
    }

    #[test]
    fn a_key_is_added_to_its_column_and_removed_again() {
        let bare = "CREATE TABLE t (id INTEGER, session_id INTEGER)";
        let key = super::Key::new("fk", "trading_sessions");
        let definition = CreateTable::parse(bare).unwrap();
        let with = after(&definition.with_key("session_id", &key), &definition);
        assert!(with.contains("session_id INTEGER CONSTRAINT fk REFERENCES trading_sessions (id)"), "{with}");
        let again = CreateTable::parse(&with).unwrap();
        let without = after(&again.without_key("session_id", &key).unwrap(), &again);
        assert!(!without.contains("REFERENCES"), "{without}");
    }
}
