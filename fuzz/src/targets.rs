//! What is fuzzed: everything that reads a text of somebody else. None may panic, none may take more memory than its text
//! allows, and where a text is read and written it comes back equal.
//!
//! `scripts/fuzz` runs these for minutes, guided by coverage; the tests of the program run them for a second. What the
//! crates don't make public is compiled in here as a module.

// Of what is compiled in, only a part is used.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::all)]

#[path = "../../crates/cli/src/csv/mod.rs"]
mod csv_files;
#[path = "server.rs"]
mod postgres_server;
#[path = "../../crates/migrate/src/steps/tokens.rs"]
mod script;

use tallybook::book::{Cursor, Execution, Portfolio, Position, Table, Trade};
use tallybook::tables::{Aggregate, Include};
use tallybook::{CommitToken, Escaped, Report, Row, Settings};
use tallybook_sql::fingerprint;

/// A reader of texts that others write.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its seeds.
    pub name: &'static str,
    /// Texts to begin with, one a line; `\n` is a line end.
    pub seeds: &'static str,
    /// Reads a text; panics where a law is broken.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident),*) => {
        [$(Target { name: stringify!($name), seeds: include_str!(concat!("../seeds/", stringify!($name), ".txt")), run: $name }),*]
    };
}

/// All of them.
pub const TARGETS: [Target; 9] =
    targets![urls, csv, cursors, includes, tokens, scripts, fingerprints, reports, server];

/// What it shows of a URL is a URL that shows the same; what it says of none is one line.
fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Settings::new(text) {
        Ok(settings) => {
            let shown = settings.database_url.to_string();
            let again = Settings::new(&shown)
                .unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
            assert_eq!(again.database_url.to_string(), shown, "{text:?}");
            let _ = format!("{settings:?}");
        }
        Err(error) => {
            let told = format!("{error} {error:?}");
            assert!(told.chars().all(Escaped::is_safe), "{told:?}");
            assert!(told.len() < 2_000, "{told}");
        }
    }
    let _ = Settings::from_lookup(|_| Some(text.to_owned()));
}

fn csv(data: &[u8]) {
    rows::<Portfolio>(data);
    rows::<Trade>(data);
}

/// The rows that are read are those that are read of what they are written as.
fn rows<T: Table>(data: &[u8]) {
    let (columns, read) = match csv_rows::<T>(data) {
        Ok(rows) => rows,
        Err(error) => return assert!(format!("{error:#}").len() < 2_000, "{error:#}"),
    };
    let mut written = ::csv::Writer::from_writer(Vec::new());
    written.write_record(&columns).unwrap();
    for row in &read {
        let fields = columns.iter().zip(row).map(|(name, value)| {
            let column = <T as Row>::COLUMNS.iter().find(|column| column.name == *name).unwrap();
            csv_files::to_field(column, value)
        });
        written.write_record(fields).unwrap();
    }
    let written = written.into_inner().unwrap();
    let (again, same) = csv_rows::<T>(&written).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!((again, same), (columns, read));
}

fn csv_rows<T: Table>(data: &[u8]) -> anyhow::Result<(Vec<&'static str>, Vec<Vec<tallybook::Value>>)> {
    let mut reader = csv_files::Reader::new::<T>(T::NAME, data)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    Ok((reader.columns(), rows))
}

fn cursors(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(cursor) = text.parse::<Cursor<Trade>>() {
        assert_eq!(cursor.to_string().parse().ok(), Some(cursor), "{text:?}");
    }
    if let Ok(cursor) = text.parse::<Cursor<Portfolio>>() {
        assert_eq!(cursor.to_string().parse().ok(), Some(cursor), "{text:?}");
    }
}

#[derive(Aggregate)]
struct TradeView {
    #[root]
    trade: Trade,
    #[many]
    executions: Option<Vec<Execution>>,
}

#[derive(Aggregate)]
struct PortfolioView {
    #[root]
    portfolio: Portfolio,
    #[many]
    positions: Option<Vec<Position>>,
    #[many]
    trades: Option<Vec<TradeView>>,
}

/// A client neither panics nor hangs, whatever a server sends.
fn server(data: &[u8]) {
    postgres_server::serve(data);
}

/// What it says of an unknown path is one short line.
fn includes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Include<PortfolioView>>() {
        Ok(include) => assert_eq!(include.to_string().parse(), Ok(include), "{text:?}"),
        Err(error) => {
            let told = error.to_string();
            assert!(told.chars().all(Escaped::is_safe), "{told:?}");
            assert!(told.len() < 2_000, "{told}");
        }
    }
}

fn tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = text.parse::<CommitToken>() {
        assert_eq!(token.to_string().parse::<CommitToken>().ok(), Some(token), "{text:?}");
        let json = serde_json::to_string(&token).unwrap();
        assert_eq!(serde_json::from_str::<CommitToken>(&json).ok(), Some(token), "{text:?}");
    }
}

/// Its pieces are the whole text, and each of its statements is one.
fn scripts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(script::pieces(text).map(|(_, piece)| piece).collect::<String>(), text);
    for statement in script::statements(text) {
        assert_eq!(script::statements(statement), [statement], "{text:?}");
    }
    assert!(script::tokens(text).all(|token| !token.trim().is_empty()), "{text:?}");
}

/// It is bounded, whatever the text, and the text without values has no more to lose.
fn fingerprints(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = fingerprint::Fingerprint::of(text);
    assert!(found.text.chars().count() <= 2_001 && found.summary.chars().count() <= 256, "{found:?}");
    if text.len() < 1_000 {
        assert_eq!(fingerprint::Fingerprint::of(&found.text).text, found.text, "{text:?}");
    }
}

/// What it reads it can write, and show without an escape sequence.
fn reports(data: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(data) else { return };
    let json = serde_json::to_vec(&report).expect("it was read");
    serde_json::from_slice::<Report>(&json).expect("it was written");
    for finding in &report.findings {
        let told = finding.to_string();
        assert!(told.split('\n').all(|line| line.chars().all(Escaped::is_safe)), "{told:?}");
    }
    let _ = report.statements.iter().map(|statement| statement.errors()).count();
}
