//! Databases similar to those that Alembic makes, with different but compatible types, names, rows and additions.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tallybook::Database;
use tallybook::Dialect;
use tallybook::book::{
    ALEMBIC, Executions, LimitOffset, Portfolios, Positions, Trades, TradingSessions, migrator,
};
use tallybook::migrate::Target;
use tallybook_testkit::{SqliteFile, alembic_script, postgres, run_script};
use tokio::runtime::Handle;

use crate::adopt::{all_rows_as_text, columns};
use crate::support::open;

const BOOK: [&str; 5] = ["portfolios", "positions", "trades", "executions", "trading_sessions"];

/// How a database differs from one that Alembic made.
#[derive(Clone, Debug)]
struct Variation {
    /// The choice of a compatible type for each column.
    types: Vec<usize>,
    status: String,
    moment: usize,
    renames_keys: bool,
    renames_index: bool,
    adds: [bool; 5],
    /// Release it from where it was adopted, rather than from the newest revision.
    goes_back: bool,
}

fn variations() -> impl Strategy<Value = Variation> {
    let words = "[A-Za-z?! ]{0,20}";
    let flags = (any::<bool>(), any::<bool>(), any::<[bool; 5]>(), any::<bool>());
    (vec(0..12_usize, 80), words, 0..4_usize, flags).prop_map(|(types, status, moment, flags)| Variation {
        types,
        status,
        moment,
        renames_keys: flags.0,
        renames_index: flags.1,
        adds: flags.2,
        goes_back: flags.3,
    })
}

/// Returns the types compatible with a type, including itself.
fn alike(dialect: Dialect, ty: &str) -> Vec<String> {
    let length = ty.split_once('(').and_then(|(_, rest)| rest.trim_end_matches(')').parse::<u32>().ok());
    let list: &[&str] = match (dialect, ty, length) {
        (Dialect::Sqlite, "VARCHAR", _) => {
            &["VARCHAR", "TEXT", "CLOB", "CHARACTER VARYING", "varchar", "VARCHAR(4000)"]
        }
        (Dialect::Sqlite, _, Some(length)) => {
            let longer = format!("VARCHAR({})", length + 7);
            let own = [ty, &longer, "VARCHAR(3)", "NVARCHAR(20)", "VARCHAR", "TEXT"];
            return own.map(str::to_owned).to_vec();
        }
        (Dialect::Sqlite, "DATETIME", _) => &["DATETIME", "TIMESTAMP", "TEXT", "VARCHAR(26)"],
        (Dialect::Sqlite, "FLOAT", _) => &["FLOAT", "REAL", "DOUBLE PRECISION", "NUMERIC(20, 8)"],
        (Dialect::Sqlite, "INTEGER", _) => &["INTEGER", "BIGINT", "int"],
        (Dialect::Postgres, "character varying", _) => &["character varying", "text"],
        (Dialect::Postgres, _, Some(length)) => {
            let longer = format!("character varying({})", length + 7);
            return [ty, &longer, "character varying", "text"].map(str::to_owned).to_vec();
        }
        (Dialect::Postgres, "timestamp without time zone", _) => {
            &["timestamp without time zone", "timestamp(6) without time zone", "timestamp with time zone"]
        }
        (Dialect::Postgres, "integer", _) => &["integer", "bigint"],
        _ => return vec![ty.to_owned()],
    };
    list.iter().map(ToString::to_string).collect()
}

/// Replaces the type in a line of a table's definition, if the line is a column.
fn vary_column(dialect: Dialect, line: &str, choice: usize) -> Option<String> {
    let (name, rest) = line.trim_start().split_once(' ')?;
    let is_column =
        name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit());
    // Only this type generates identifiers.
    if !is_column || (name == "id" && dialect == Dialect::Sqlite) {
        return None;
    }
    let end =
        [" NOT NULL", ","].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.trim_end().len());
    let (ty, after) = rest.split_at(end);
    let alike = alike(dialect, ty);
    Some(format!("  {name} {}{after}", alike[choice % alike.len()]))
}

fn vary(dialect: Dialect, script: &str, variation: &Variation) -> String {
    let mut lines = Vec::new();
    let (mut is_book, mut column) = (false, 0);
    for line in script.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            is_book = BOOK
                .iter()
                .any(|table| rest.trim_start_matches("public.").starts_with(&format!("{table} (")));
        }
        let choice = variation.types[column % variation.types.len()];
        let varied = is_book.then(|| vary_column(dialect, line, choice)).flatten();
        column += usize::from(varied.is_some());
        lines.push(varied.unwrap_or_else(|| line.to_owned()));
        is_book &= !line.starts_with(')');
    }
    let mut script = lines.join("\n") + "\n";
    script = script.replace("'Needs Review'", &format!("'{}'", variation.status));
    let moments =
        ["2025-03-01 09:30:00", "2025-03-01T09:30:00", "2025-03-01 09:30:00.5", "2025-03-01T09:30:00.000001"];
    script = script.replace("'2025-03-01 09:30:00'", &format!("'{}'", moments[variation.moment]));
    if variation.renames_keys {
        script = script.replace("_portfolio_id_fkey", "_owner");
        script =
            script.replace("\tFOREIGN KEY(portfolio_id)", "\tCONSTRAINT owner FOREIGN KEY(portfolio_id)");
    }
    if variation.renames_index {
        script += "DROP INDEX ix_trades_symbol; CREATE INDEX trades_by_symbol ON trades (symbol);";
    }
    let adds = [
        "ALTER TABLE trades ADD COLUMN note TEXT;",
        "ALTER TABLE portfolios ADD COLUMN risk INTEGER DEFAULT 3 NOT NULL;",
        "CREATE INDEX quantities ON trades (quantity); CREATE INDEX lowered ON trades (lower(symbol));
         CREATE INDEX open_only ON trades (symbol) WHERE status = 'PENDING';",
        "CREATE TABLE tags (id INTEGER PRIMARY KEY, trade_id INTEGER REFERENCES trades (id) ON DELETE CASCADE);
         INSERT INTO tags VALUES (1, 2);",
        "CREATE VIEW buys AS SELECT id, symbol FROM trades WHERE action = 'BUY';",
    ];
    for (add, _) in adds.iter().zip(variation.adds).filter(|(_, is_added)| *is_added) {
        script += add;
    }
    script
}

/// Reads all rows.
async fn read_all(db: &Database) {
    let mut session = db.read().await.unwrap();
    let window = LimitOffset::first(9);
    assert_eq!(Portfolios::new(&mut session).get_many(window).await.unwrap().len(), 3);
    assert_eq!(Positions::new(&mut session).get_many(window).await.unwrap().len(), 3);
    assert_eq!(Trades::new(&mut session).get_many(window).await.unwrap().len(), 3);
    assert_eq!(Executions::new(&mut session).get_many(window).await.unwrap().len(), 3);
    assert_eq!(TradingSessions::new(&mut session).get_many(window).await.unwrap().len(), 2);
}

async fn goes_all_the_way(url: &str, variation: &Variation) {
    let dialect = if url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres };
    run_script(url, &vary(dialect, &alembic_script(url, "c1e38cfe113f"), variation)).await;
    let db = open(url).await;
    let columns: Vec<_> =
        columns(&db).await.into_iter().filter(|(table, _)| table != "alembic_version").collect();
    let before = all_rows_as_text(&db, &columns).await;
    let found = migrator(&db).adoption(ALEMBIC).await.unwrap();
    assert!(!found.is_blocked(), "{found:?}");
    assert!(found.differences.iter().any(|one| one.part.starts_with("column ")), "types vary: {found:?}");
    migrator(&db).adopt(ALEMBIC).await.unwrap();
    migrator(&db).upgrade(&Target::Head).await.unwrap();
    let differences = migrator(&db).check().await.unwrap();
    assert!(differences.iter().all(|difference| !difference.is_blocking()), "{differences:?}");
    read_all(&db).await;
    let mut version = "5951c803aff7";
    migrator(&db).downgrade(&"0002".parse().unwrap()).await.unwrap();
    if variation.goes_back {
        migrator(&db).downgrade(&"0001".parse().unwrap()).await.unwrap();
        version = "c1e38cfe113f";
    }
    assert_eq!(migrator(&db).release(ALEMBIC).await.unwrap().version, Some(version));
    assert_eq!(all_rows_as_text(&db, &columns).await, before, "every row is as it was");
    db.close().await;
}

fn hold(cases: u32, law: impl AsyncFn(Variation)) {
    let runtime = Handle::current();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&variations(), |variation| {
            runtime.block_on(law(variation));
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_database_of_another_make_goes_all_the_way_with_every_row() {
    hold(32, async |variation| {
        let file = SqliteFile::new("varied");
        goes_all_the_way(&file.url(), &variation).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_database_of_another_make_goes_all_the_way_with_every_row() {
    let server = postgres().await;
    let number = Cell::new(0);
    hold(12, async |variation| {
        number.set(number.get() + 1);
        let database = server.database(&format!("varied_{}", number.get())).await;
        goes_all_the_way(database.url(), &variation).await;
    });
}
