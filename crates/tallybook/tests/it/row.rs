//! Rows to structs and back, and the errors when they do not match.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook::{Database, Dialect, Params, Row, Statement, all, execute, one, params};

use crate::support::{open, read, try_read, write};

#[derive(Clone, Debug, PartialEq, Row)]
struct Thing {
    flag: bool,
    small: i32,
    big: i64,
    ratio: f64,
    amount: Decimal,
    #[row(max = 8)]
    title: String,
    at: DateTime<Utc>,
    raw: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Row)]
struct Perhaps {
    flag: Option<bool>,
    small: Option<i32>,
    big: Option<i64>,
    ratio: Option<f64>,
    amount: Option<Decimal>,
    #[row(max = 8)]
    title: Option<String>,
    at: Option<DateTime<Utc>>,
    raw: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Row)]
struct Renamed {
    #[row(name = "small")]
    kind: i64,
    r#big: i64,
}

#[derive(Debug, Row)]
struct Label {
    #[allow(dead_code)]
    id: i64,
    #[allow(dead_code)]
    title: String,
}

#[derive(Debug, Row)]
struct Stars {
    #[allow(dead_code)]
    title: String,
    #[allow(dead_code)]
    stars: i32,
}

#[derive(Debug, PartialEq, Row)]
struct Quote {
    bid: f64,
    ask: f64,
}

#[derive(Debug, PartialEq, Row)]
struct Spread {
    ask: f64,
    bid: f64,
}

#[derive(Debug, PartialEq, Row)]
struct Counted {
    title: String,
    trades: i64,
}

const CREATE: &str = "CREATE TABLE things (flag boolean, small integer, big bigint, ratio double precision, \
                      amount double precision, title varchar(8), at timestamp, raw bytea)";
const INSERT: &str = "INSERT INTO things VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

fn thing() -> Thing {
    Thing {
        flag: true,
        small: i32::MIN,
        big: i64::MAX,
        ratio: -0.1,
        amount: "12345.6789".parse().unwrap(),
        title: "grüße 🦀".to_owned(),
        at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
        raw: vec![0, 1, 255],
    }
}

fn perhaps() -> Perhaps {
    let Thing { flag, small, big, ratio, amount, title, at, raw } = thing();
    Perhaps {
        flag: Some(flag),
        small: Some(small),
        big: Some(big),
        ratio: Some(ratio),
        amount: Some(amount),
        title: Some(title),
        at: Some(at),
        raw: Some(raw),
    }
}

const NOTHING: Perhaps = Perhaps {
    flag: None,
    small: None,
    big: None,
    ratio: None,
    amount: None,
    title: None,
    at: None,
    raw: None,
};

async fn with_quotes(url: &str) -> Database {
    let db = open(url).await;
    write(&db, "CREATE TABLE quotes (bid double precision, ask double precision, middle double precision)")
        .await;
    write(&db, "INSERT INTO quotes VALUES (1, 2, 1.5)").await;
    db
}

tallybook_testkit::both_dialects! {
    async fn a_struct_of_every_type_comes_back_as_it_went(url: &str) {
        let db = open(url).await;
        write(&db, CREATE).await;
        let mut session = db.begin().await.unwrap();
        let insert = |row: Params| execute(INSERT, row);
        session
            .run(vec![insert(thing().encode().into()), insert(NOTHING.encode().into())])
            .await
            .unwrap();
        session.commit().await.unwrap();
        let list = format!("SELECT {} FROM things WHERE flag", Thing::COLUMN_LIST);
        assert_eq!(read::<Thing>(&db, list).await, [thing()]);
        let list = format!("SELECT {} FROM things ORDER BY flag IS NULL", Perhaps::COLUMN_LIST);
        assert_eq!(read::<Perhaps>(&db, list).await, [perhaps(), NOTHING]);
    }

    async fn a_field_can_have_another_name_than_its_column(url: &str) {
        let db = open(url).await;
        write(&db, CREATE).await;
        write(&db, "INSERT INTO things (small, big) VALUES (1, 2)").await;
        assert_eq!(Renamed::COLUMN_LIST, "small, big");
        let list = format!("SELECT {} FROM things", Renamed::COLUMN_LIST);
        assert_eq!(read::<Renamed>(&db, list).await, [Renamed { kind: 1, big: 2 }]);
    }

    async fn columns_in_another_order_are_refused_and_both_are_named(url: &str) {
        let db = with_quotes(url).await;
        let right = "SELECT bid, ask FROM quotes";
        assert_eq!(read::<Quote>(&db, right).await, [Quote { bid: 1.0, ask: 2.0 }]);
        let mut session = db.read().await.unwrap();
        for sql in ["SELECT ask, bid FROM quotes", "SELECT ask, bid FROM quotes WHERE bid > 5", "SELECT * FROM (SELECT ask, bid FROM quotes) AS q"] {
            // With an unprepared and with a prepared statement.
            for _ in 0..3 {
                let error = session.run(all::<Quote>(sql, params![])).await.expect_err(sql);
                let message = "column `bid`: expected in place 1 of the result, found `ask`; put the columns in the order of the \
                            struct, or call that one `… AS bid` if it is meant";
                assert!(error.is_decode() && error.to_string().contains(message), "{sql}: {error}");
                assert_eq!(error.column(), Some("bid"));
                assert!(error.to_string().contains(sql), "{error}");
            }
        }
    }

    async fn another_column_of_the_same_type_is_refused(url: &str) {
        let db = with_quotes(url).await;
        for (sql, found) in [
            ("SELECT bid, middle FROM quotes", "middle"),
            ("SELECT bid, ask AS price FROM quotes", "price"),
            ("SELECT bid, sum(ask) AS price FROM quotes GROUP BY bid", "price"),
            ("WITH q(one, two) AS (SELECT bid, ask FROM quotes) SELECT one AS bid, two FROM q", "two"),
        ] {
            let error = try_read::<Quote>(&db, sql).await.expect_err(sql);
            let message = format!("column `ask`: expected in place 2 of the result, found `{found}`");
            assert!(error.to_string().contains(&message), "{sql}: {error}");
        }
    }

    async fn a_column_that_is_named_for_it_is_read_whatever_the_case(url: &str) {
        let db = with_quotes(url).await;
        for sql in [
            "SELECT ask AS bid, bid AS ask FROM quotes",
            "SELECT ask AS \"BID\", bid AS Ask FROM quotes",
            "SELECT sum(ask) AS bid, max(bid) AS ask FROM quotes",
        ] {
            assert_eq!(read::<Quote>(&db, sql).await, [Quote { bid: 2.0, ask: 1.0 }], "{sql}");
        }
    }

    async fn an_expression_without_a_name_is_read_by_its_place(url: &str) {
        let db = with_quotes(url).await;
        for sql in [
            "SELECT max(bid), min(ask) FROM quotes",
            "SELECT bid + 0.0, coalesce(ask, 0.0) FROM quotes",
            "SELECT CASE WHEN bid > 0 THEN bid END, ask * 1 FROM quotes",
            "SELECT CAST(bid AS double precision) AS bid, CAST('2' AS double precision) FROM quotes",
        ] {
            assert_eq!(read::<Quote>(&db, sql).await, [Quote { bid: 1.0, ask: 2.0 }], "{sql}");
        }
        let sql = "SELECT 'one' AS title, count(*) FROM quotes";
        assert_eq!(read::<Counted>(&db, sql).await, [Counted { title: "one".to_owned(), trades: 1 }]);
        assert_eq!(read::<(f64, f64)>(&db, "SELECT ask, bid FROM quotes").await, [(2.0, 1.0)], "a tuple has places");
    }

    async fn a_statement_that_two_structs_are_read_by_fits_each_or_not(url: &str) {
        let db = with_quotes(url).await;
        let mut session = db.read().await.unwrap();
        for _ in 0..3 {
            let query = || Statement::new("SELECT bid, ask FROM quotes");
            assert_eq!(session.run(all::<Quote>(query(), params![])).await.unwrap(), [Quote { bid: 1.0, ask: 2.0 }]);
            assert!(session.run(all::<Spread>(query(), params![])).await.is_err_and(|error| error.is_decode()));
        }
    }

    async fn a_table_recreated_under_a_prepared_statement_is_noticed(url: &str) {
        let db = with_quotes(url).await;
        let all_of_it = "SELECT * FROM narrow";
        write(&db, "CREATE TABLE narrow (bid double precision, ask double precision)").await;
        for _ in 0..3 {
            assert_eq!(read::<Quote>(&db, all_of_it).await, []);
        }
        write(&db, "DROP TABLE narrow").await;
        write(&db, "CREATE TABLE narrow (ask double precision, bid double precision)").await;
        write(&db, "INSERT INTO narrow (bid, ask) VALUES (1, 2)").await;
        for _ in 0..3 {
            let error = try_read::<Quote>(&db, all_of_it).await.unwrap_err();
            assert!(error.is_decode() && error.to_string().contains("found `ask`"), "{error}");
        }
    }

    async fn what_an_insert_returns_in_another_order_is_refused_and_not_kept(url: &str) {
        let db = with_quotes(url).await;
        for _ in 0..3 {
            let mut session = db.begin().await.unwrap();
            let insert = one::<Quote>("INSERT INTO quotes (bid, ask) VALUES (3, 4) RETURNING ask, bid", params![]);
            assert!(session.run(insert).await.unwrap_err().is_decode());
            assert!(session.commit().await.is_err());
        }
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM quotes").await, [(1,)]);
    }

    async fn whole_numbers_of_any_width_are_read(url: &str) {
        let db = open(url).await;
        write(&db, "CREATE TABLE widths (two smallint, four integer, eight bigint)").await;
        write(&db, "INSERT INTO widths VALUES (-2, -4, -8)").await;
        let sql = "SELECT two, four, eight FROM widths";
        assert_eq!(read::<(i64, i64, i64)>(&db, sql).await, [(-2, -4, -8)]);
        assert_eq!(read::<(i32, i32, i32)>(&db, sql).await, [(-2, -4, -8)]);
    }

    async fn a_value_that_does_not_fit_is_told_with_its_row_and_column(url: &str) {
        let db = open(url).await;
        for (statement, message) in [
            (
                "SELECT 'one', 1 UNION ALL SELECT NULL, 2 ORDER BY 2",
                "row 2, column `title`: expected a text, found NULL",
            ),
            (
                "SELECT 'one', 1 UNION ALL SELECT 'two', NULL ORDER BY 1",
                "row 2, column `stars`: expected a whole number, found NULL",
            ),
            (
                "SELECT 'one', 3000000000",
                "row 1, column `stars`: expected a whole number, found one that 32 bits can't hold",
            ),
        ] {
            let error = try_read::<Stars>(&db, statement).await.unwrap_err();
            assert!(error.is_decode() && error.to_string().starts_with(message), "{error}");
            assert!(error.to_string().contains(&format!("(in `{statement}`)")), "{error}");
        }
    }

    async fn a_row_that_does_not_fit_is_named_by_its_table_and_identifier(url: &str) {
        let db = open(url).await;
        write(&db, "CREATE TABLE labels (id bigint, title text)").await;
        write(&db, "INSERT INTO labels VALUES (7, 'seven'), (12, NULL)").await;
        let error = try_read::<Label>(&db, "SELECT id, title FROM labels ORDER BY id").await.unwrap_err();
        let message = "row 2 (id 12 of labels), column `title`: expected a text, found NULL (in `SELECT";
        assert!(error.to_string().starts_with(message), "{error}");
    }

    async fn a_column_of_another_type_is_reported(url: &str) {
        let db = open(url).await;
        let error = try_read::<Stars>(&db, "SELECT 'one', 'many'").await.unwrap_err();
        assert!(error.is_decode(), "{error}");
        let text = error.to_string();
        assert!(text.contains("column `stars`: expected a whole number, found "), "{text}");
        assert!(text.contains("text"), "{text}");
        let error = try_read::<(f64,)>(&db, "SELECT 'many'").await.unwrap_err();
        assert!(error.to_string().contains("expected a double, found "), "{error}");
        let error = try_read::<(DateTime<Utc>,)>(&db, "SELECT 7").await.unwrap_err();
        assert!(error.to_string().contains("expected a timestamp"), "{error}");
    }

    async fn a_value_beyond_decimal_is_reported(url: &str) {
        let db = open(url).await;
        write(&db, "CREATE TABLE doubles (amount double precision)").await;
        let values: &[(&str, &str)] = match db.dialect() {
            // SQLite stores NaN as NULL.
            Dialect::Sqlite => &[("9e999", "inf"), ("-9e999", "-inf"), ("1e40", "a double beyond"), ("NULL", "NULL")],
            Dialect::Postgres => {
                &[("'Infinity'", "inf"), ("'-Infinity'", "-inf"), ("1e40", "a double beyond"), ("'NaN'", "NaN")]
            }
        };
        for (value, found) in values {
            write(&db, "DELETE FROM doubles").await;
            write(&db, format!("INSERT INTO doubles VALUES ({value})")).await;
            let error = try_read::<(Decimal,)>(&db, "SELECT amount FROM doubles").await.unwrap_err();
            assert!(error.is_decode(), "{error}");
            let message = format!("row 1, column `0`: expected a decimal, found {found}");
            assert!(error.to_string().starts_with(&message), "{error}");
        }
    }

    async fn a_result_with_another_number_of_columns_is_refused_even_if_it_is_empty(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        for sql in ["SELECT 1", "SELECT 1 WHERE 1 = 0", "SELECT 'a', 1, 2", "SELECT 'a', 1, 2 WHERE 1 = 0"] {
            // With an unprepared and with a prepared statement.
            for _ in 0..2 {
                let error = session.run(all::<Stars>(sql, params![])).await.expect_err(sql);
                assert!(error.is_decode(), "{sql}: {error}");
                assert!(error.to_string().contains("columns where the struct has 2"), "{sql}: {error}");
            }
        }
    }

    async fn a_value_that_would_change_is_refused_with_its_column(url: &str) {
        let db = open(url).await;
        write(&db, CREATE).await;
        let exact: Decimal = "0.12345678901234567".parse().unwrap();
        for (row, message) in [
            (Thing { ratio: f64::NAN, ..thing() }, "ratio: NaN"),
            (Thing { ratio: f64::INFINITY, ..thing() }, "ratio: inf"),
            (Thing { amount: exact, ..thing() }, "amount: 0.12345678901234567 would change"),
            (Thing { title: "ninechars".to_owned(), ..thing() }, "title: has 9 characters, at most 8 fit"),
            (Thing { title: "a\0b".to_owned(), ..thing() }, "title: holds the character U+0000"),
            (
                Thing { at: DateTime::from_timestamp(1_700_000_000, 1).unwrap(), ..thing() },
                "at: 2023-11-14 22:13:20.000000001 UTC is finer than the microseconds",
            ),
            (Thing { at: DateTime::<Utc>::MAX_UTC, ..thing() }, "at: "),
        ] {
            let error = row.encode().unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
            let mut session = db.begin().await.unwrap();
            let error = session.run(execute(INSERT, row.encode())).await.unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
        }
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM things").await, [(0,)]);
    }

    async fn a_parameter_that_is_refused_is_named_by_its_number(url: &str) {
        let db = open(url).await;
        let query = one::<(i64,)>("SELECT $1 + $2", params![1.5, f64::NAN]);
        let error = db.read().await.unwrap().run(query).await.unwrap_err();
        assert!(error.is_invalid_value(), "{error}");
        assert!(error.to_string().starts_with("$2: NaN"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moments_that_only_postgresql_has_are_reported() {
    let database = tallybook_testkit::postgres().await.database("moments_that_only").await;
    let db = open(database.url()).await;
    for moment in ["infinity", "-infinity"] {
        let statement = format!("SELECT timestamp '2024-01-01' UNION ALL SELECT timestamp '{moment}'");
        let error = try_read::<(DateTime<Utc>,)>(&db, statement).await.unwrap_err();
        assert!(error.is_decode(), "{error}");
        assert!(error.to_string().starts_with("row 2, column `0`: expected a timestamp"), "{error}");
        assert!(error.to_string().contains(&format!("found {moment}")), "{error}");
    }
    // PostgreSQL's calendar reaches the year 294276. A date that could not be written back is not read.
    for moment in ["290000-01-01", "10000-01-01", "0001-12-31 23:59:59 BC"] {
        let statement = format!("SELECT timestamp '{moment}'");
        let error = try_read::<(DateTime<Utc>,)>(&db, statement).await.unwrap_err();
        assert!(error.to_string().contains("found a moment outside the years 0001 to 9999"), "{error}");
    }
}

#[tokio::test]
async fn values_of_another_type_in_a_column_of_sqlite_are_told() {
    let db = open("sqlite::memory:").await;
    // SQLite lets any column hold any type.
    for (value, kind, message) in [
        ("'many'", "i", "expected a whole number, found a text of 4 bytes"),
        ("1.5", "i", "expected a whole number, found a double"),
        ("x'00ff'", "i", "expected a whole number, found a blob of 2 bytes"),
        ("2", "b", "expected a boolean, found an integer"),
        ("9007199254740993", "f", "expected a double, found an integer of more than 53 bits"),
        (
            "'yesterday'",
            "t",
            "expected a timestamp (YYYY-MM-DD HH:MM:SS.ffffff, UTC), found a text that is no timestamp",
        ),
        ("'2024-02-30 00:00:00.000000'", "t", "found a text that is no timestamp"),
    ] {
        let statement = Statement::from(format!("SELECT {value}"));
        let error = match kind {
            "i" => try_read::<(i64,)>(&db, statement).await.map(drop),
            "b" => try_read::<(bool,)>(&db, statement).await.map(drop),
            "f" => try_read::<(f64,)>(&db, statement).await.map(drop),
            _ => try_read::<(DateTime<Utc>,)>(&db, statement).await.map(drop),
        }
        .unwrap_err();
        assert!(error.is_decode() && error.to_string().contains(message), "{error}");
    }
}
