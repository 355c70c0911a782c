//! Properties that hold for every statement.

use proptest::prelude::*;

use super::Fingerprint;

/// A part of a statement that can be written in several ways.
#[derive(Clone, Debug)]
enum Part {
    /// A keyword or an unquoted name.
    Word(String),
    Symbol(&'static str),
    Value,
    /// Values in parentheses.
    List,
}

/// Chooses how each part is written.
struct Style<'a> {
    choices: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    varies: fn(Variation) -> bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Variation {
    Blanks,
    Case,
    Values,
    Lengths,
}

const BLANKS: [&str; 6] = [" ", "\n", "\t \r\n", " /* why /* not */ */ ", " -- it's\n", "/**/"];
const VALUES: [&str; 12] = [
    "1",
    "-2.5",
    "+7",
    "0x1F",
    "1e-9",
    "'it''s'",
    "''",
    r"E'it\'s'",
    "$tag$ it's $$ $tag$",
    "x'0f'",
    "$1",
    ":name",
];

impl Style<'_> {
    fn choose(&mut self, variation: Variation, count: usize) -> usize {
        let choice = usize::from(*self.choices.next().unwrap());
        if (self.varies)(variation) { choice % count } else { 0 }
    }

    fn write(&mut self, parts: &[Part]) -> String {
        let mut sql = String::new();
        for part in parts {
            sql.push_str(BLANKS[self.choose(Variation::Blanks, BLANKS.len())]);
            match part {
                Part::Word(word) => sql.push_str(&self.word(word)),
                Part::Symbol(symbol) => sql.push_str(symbol),
                Part::Value => sql.push_str(self.value()),
                Part::List => {
                    let length = 1 + self.choose(Variation::Lengths, 5);
                    let values: Vec<_> = (0..length).map(|_| self.value()).collect();
                    sql.push_str(&format!("({})", values.join(",")));
                }
            }
        }
        sql
    }

    fn word(&mut self, word: &str) -> String {
        match self.choose(Variation::Case, 3) {
            0 => word.to_owned(),
            1 => word.to_uppercase(),
            _ => word[..1].to_uppercase() + &word[1..],
        }
    }

    fn value(&mut self) -> &'static str {
        VALUES[self.choose(Variation::Values, VALUES.len())]
    }
}

fn plain(parts: &[Part]) -> String {
    Style { choices: [0].iter().cycle(), varies: |_| false }.write(parts)
}

fn varied(parts: &[Part], choices: &[u8], varies: fn(Variation) -> bool) -> String {
    Style { choices: choices.iter().cycle(), varies }.write(parts)
}

fn words(text: &str) -> Vec<Part> {
    text.split(' ').map(|word| Part::Word(word.to_owned())).collect()
}

/// A name that is not a keyword.
fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,6}_[a-z0-9]{0,3}"
}

fn condition() -> impl Strategy<Value = Vec<Part>> {
    let compared = |column: String, symbol| vec![Part::Word(column), Part::Symbol(symbol), Part::Value];
    let listed = |column: String| [vec![Part::Word(column)], words("in"), vec![Part::List]].concat();
    let between = |column: String| {
        [vec![Part::Word(column)], words("between"), vec![Part::Value], words("and"), vec![Part::Value]]
            .concat()
    };
    prop_oneof![
        (name(), prop::sample::select(vec!["=", "<", ">=", "<>", "->>", "@>", "||"]))
            .prop_map(move |(column, symbol)| compared(column, symbol)),
        name().prop_map(listed),
        name().prop_map(between),
    ]
}

/// `SELECT … FROM … WHERE … LIMIT …`
fn select() -> impl Strategy<Value = Vec<Part>> {
    (name(), name(), prop::collection::vec(condition(), 1..5)).prop_map(|(column, table, conditions)| {
        let mut parts = words(&format!("select {column} from {table} where true"));
        for condition in conditions {
            parts.extend(words("and"));
            parts.extend(condition);
        }
        parts.extend(words("limit"));
        parts.push(Part::Value);
        parts
    })
}

/// `INSERT INTO … VALUES …`
fn insert() -> impl Strategy<Value = Vec<Part>> {
    (name(), name(), name()).prop_map(|(table, one, other)| {
        let mut parts = words(&format!("insert into {table}"));
        parts.extend([
            Part::Symbol("("),
            Part::Word(one),
            Part::Symbol(","),
            Part::Word(other),
            Part::Symbol(")"),
        ]);
        parts.extend(words("values"));
        parts.extend([Part::List, Part::Symbol(","), Part::List]);
        parts
    })
}

fn statement() -> impl Strategy<Value = Vec<Part>> {
    prop_oneof![select(), insert()]
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..40)
}

/// Tokens in any order, with and without spaces between them.
fn random_tokens() -> impl Strategy<Value = String> {
    let pieces = [
        "select", "from", "where", "in", "values", "array", "with", "as", "insert", "into", "update", "set",
        "any", "between", "and", "limit", "a", "B", "\"c\"", "\"D\"", "\"in\"", "`e`", "[f g]", "[", "]",
        "(", ")", ",", ".", ";", "?", "?|", "$1", "$2", "$", "$$", "$x$", ":n", ":", "::", "@", "-", "--",
        "+", "/*", "*/", "*", "'", "\"", "1", ".5", "1.", "2e", "e'\\", "x'", "u&'", "null", "=", "<", ">",
        "|", "||", "\n", "é", "\\", "#", "!",
    ];
    prop::collection::vec((prop::sample::select(pieces.to_vec()), prop::bool::ANY), 0..40).prop_map(
        |pieces| {
            pieces
                .into_iter()
                .map(|(piece, needs_space)| format!("{piece}{}", if needs_space { " " } else { "" }))
                .collect()
        },
    )
}

proptest! {
    #[test]
    fn a_normalised_text_is_normal(sql in prop_oneof![any::<String>(), random_tokens()]) {
        let once = Fingerprint::of(&sql);
        prop_assert_eq!(&Fingerprint::of(&once.text).text, &once.text);
    }

    #[test]
    fn comments_and_white_space_do_not_count(parts in statement(), choices in choices()) {
        let other = varied(&parts, &choices, |variation| variation == Variation::Blanks);
        prop_assert_eq!(Fingerprint::of(&other), Fingerprint::of(&plain(&parts)));
    }

    #[test]
    fn values_do_not_count(parts in statement(), choices in choices()) {
        let other = varied(&parts, &choices, |variation| variation == Variation::Values);
        prop_assert_eq!(Fingerprint::of(&other).text, Fingerprint::of(&plain(&parts)).text, "{}", other);
    }

    #[test]
    fn lengths_of_lists_do_not_count(parts in statement(), choices in choices()) {
        let other = varied(&parts, &choices, |variation| variation == Variation::Lengths);
        prop_assert_eq!(Fingerprint::of(&other), Fingerprint::of(&plain(&parts)));
    }

    #[test]
    fn case_does_not_count(parts in statement(), choices in choices()) {
        let other = varied(&parts, &choices, |variation| variation == Variation::Case);
        prop_assert_eq!(Fingerprint::of(&other), Fingerprint::of(&plain(&parts)));
    }

    #[test]
    fn another_table_or_column_is_another_statement(
        parts in statement(),
        place in any::<prop::sample::Index>(),
        name in name(),
    ) {
        let names: Vec<usize> = (0..parts.len())
            .filter(|place| matches!(&parts[*place], Part::Word(word) if word.contains('_')))
            .collect();
        let mut others = parts.clone();
        let place = names[place.index(names.len())];
        prop_assume!(!matches!(&parts[place], Part::Word(word) if *word == name));
        others[place] = Part::Word(name);
        let (one, other) = (Fingerprint::of(&plain(&parts)), Fingerprint::of(&plain(&others)));
        prop_assert_ne!(&one.text, &other.text);
        prop_assert_ne!(one.hash, other.hash);
    }

    #[test]
    fn the_table_is_found_whatever_the_style(parts in statement(), choices in choices()) {
        let table = match &parts[..] {
            [_, Part::Word(into), Part::Word(table), ..] if into == "into" => table,
            [_, _, _, Part::Word(table), ..] => table,
            _ => unreachable!("statements are selects and inserts"),
        };
        let found = Fingerprint::of(&varied(&parts, &choices, |_| true)).collection;
        prop_assert_eq!(found.as_deref(), Some(table.as_str()));
    }
}
