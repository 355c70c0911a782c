//! Types that only PostgreSQL has, and how its columns choose what a parameter becomes.

use chrono::{NaiveDate, NaiveTime};
use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value as JsonValue, json};
use tallybook::{Database, Numeric, Result, TextEnum, Value, all, execute, one, params};
use tallybook_testkit::postgres;
use uuid::Uuid;

use crate::support::{open, property, read, try_read, write};
use crate::types::any_decimal;
use crate::values::{any_text, column, comes_back, keep};

#[derive(Clone, Debug, PartialEq, TextEnum)]
#[text_enum(pg_enum)]
enum Role {
    #[text = "ADMIN"]
    Admin,
    #[text = "VIEWER"]
    Viewer,
}

async fn run(db: &Database, sql: &'static str, value: Decimal) -> Result<u64> {
    Ok(db.write(async |session| session.run(execute(sql, params![value])).await).await?.into_value())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decimal_that_a_double_would_round_is_refused_by_a_column_of_doubles_only() {
    let database = postgres().await.database("a_decimal_that_a_double").await;
    let db = open(database.url()).await;
    write(&db, "CREATE TABLE amounts (id integer, exact numeric, rounded double precision)").await;
    write(&db, "INSERT INTO amounts (id) VALUES (1)").await;
    let long: Decimal = "0.1234567890123456789012345678".parse().unwrap();
    // With a statement that is new to the connection, and again.
    for _ in 0..2 {
        assert_eq!(run(&db, "UPDATE amounts SET exact = $1", long).await.unwrap(), 1);
        for sql in [
            "UPDATE amounts SET rounded = $1",
            "UPDATE amounts SET rounded = coalesce($1, rounded)",
            "INSERT INTO amounts (rounded) VALUES ($1)",
            "INSERT INTO amounts (rounded) VALUES (0), ($1)",
            "DELETE FROM amounts WHERE rounded = $1",
        ] {
            let error = run(&db, sql, long).await.unwrap_err();
            assert!(error.is_invalid_value(), "{sql}: {error}");
            let message = format!(
                "$1: {long} would change in a double precision column, which keeps 15 significant digits"
            );
            assert!(error.to_string().starts_with(&message) && error.to_string().contains(sql), "{error}");
        }
    }
    assert_eq!(
        read::<(Decimal, Option<f64>)>(&db, "SELECT exact, rounded FROM amounts").await,
        [(long, None)]
    );
    // The comparison is exact, too.
    assert_eq!(
        run(&db, "UPDATE amounts SET id = 2 WHERE exact = $1", long + Decimal::new(1, 28)).await.unwrap(),
        0
    );
    assert_eq!(run(&db, "UPDATE amounts SET id = 2 WHERE exact = $1", long).await.unwrap(), 1);
    // A decimal that a double keeps goes to either column.
    let short: Decimal = "0.30000000000000004".parse().unwrap();
    assert_eq!(run(&db, "UPDATE amounts SET rounded = $1, exact = $1", short).await.unwrap(), 1);
    let found =
        read::<(Decimal, Decimal, String)>(&db, "SELECT exact, rounded, exact::text FROM amounts").await;
    assert_eq!(found, [(short, short, short.to_string())]);
    let error = run(&db, "DELETE FROM amounts WHERE $1 + $1 = 0", long).await.unwrap_err();
    assert!(error.is_invalid_value() && error.to_string().contains("write CAST(… AS numeric)"), "{error}");
    assert_eq!(
        run(&db, "DELETE FROM amounts WHERE CAST($1 AS numeric) + CAST($1 AS numeric) = 0", long)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decimal_comes_back_equal_from_a_numeric_column_whatever_it_is_bound_as() {
    let database = postgres().await.database("every_decimal_comes_back").await;
    let db = column(database.url(), "numeric").await;
    property(128, &vec(any_decimal(), 1..16), async |values| comes_back(&db, values).await);
    // As the server prints it, so that the driver's own reading does not hide its writing.
    property(128, &any_decimal(), async |value| {
        keep(&db, &[Numeric(value)]).await.unwrap();
        let text = read::<(String,)>(&db, "SELECT value::text FROM kept").await;
        prop_assert_eq!(text, [(if value.is_zero() { value.abs() } else { value }.to_string(),)]);
        Ok(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loaded_decimal_is_checked_against_its_column() {
    let database = postgres().await.database("a_loaded_decimal").await;
    let db = open(database.url()).await;
    write(&db, "CREATE TABLE amounts (exact numeric, rounded double precision, whole integer)").await;
    let long: Decimal = "12345678901234567.89".parse().unwrap();
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("amounts", &["exact", "rounded"]).await.unwrap();
    load.write_values(vec![Value::Decimal(long), Value::Decimal(1.into())]).await.unwrap();
    for (value, message) in [
        (Value::Decimal(long), "rounded: 12345678901234567.89 would change in a double precision column"),
        (Value::Numeric(1.into()), "rounded: an exact decimal for a column of type float8"),
    ] {
        let error = load.write_values(vec![Value::Numeric(long), value]).await.unwrap_err();
        assert!(error.is_invalid_value() && error.to_string().contains(message), "{error}");
    }
    assert_eq!(load.finish().await.unwrap(), 1);
    let error = {
        let mut load = session.load("amounts", &["whole"]).await.unwrap();
        load.write_values(vec![Value::Decimal(1.into())]).await.unwrap_err()
    };
    assert!(error.to_string().contains("whole: a decimal for a column of type int4"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_an_enum_type_takes_and_gives_texts() {
    let database = postgres().await.database("a_column_of_an_enum_type").await;
    let setup = open(database.url()).await;
    write(&setup, "CREATE SCHEMA \"odd name\"").await;
    write(&setup, "CREATE TYPE \"odd name\".role AS ENUM ('ADMIN', 'VIEWER')").await;
    write(&setup, "CREATE TABLE kept (id integer PRIMARY KEY, value \"odd name\".role)").await;
    let db = open(database.url()).await;
    comes_back(&db, vec![Some(Role::Viewer), None, Some(Role::Admin)]).await.unwrap();
    assert_eq!(
        read::<(Option<String>,)>(&db, "SELECT value FROM kept ORDER BY id").await,
        [(Some("VIEWER".to_owned()),), (None,), (Some("ADMIN".to_owned()),)]
    );
    let mut session = db.read().await.unwrap();
    for _ in 0..2 {
        let query = all::<(i64,)>("SELECT id FROM kept WHERE value = $1", params![Role::Admin]);
        assert_eq!(session.run(query).await.unwrap(), [(2,)]);
        let query = one::<(i64,)>("SELECT count(*) FROM kept WHERE value = $1", params![None::<Role>]);
        assert_eq!(session.run(query).await.unwrap(), (0,));
    }
    drop(session);
    // A text that is no label is the server's error.
    let insert = execute("INSERT INTO kept VALUES (7, $1)", vec![Value::Enum("OWNER".to_owned())]);
    let error = db.write(async |session| session.run(insert).await).await.unwrap_err();
    assert_eq!(error.code(), Some("22P02"), "{error}");
    // A text that looks like a number is not taken for the bytes of one.
    let select = one::<(i64,)>("SELECT id FROM kept WHERE id = $1", vec![Value::Enum("2".to_owned())]);
    assert_eq!(db.read().await.unwrap().run(select).await.unwrap(), (2,));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_result_with_an_enum_that_the_connection_never_saw_is_read() {
    let database = postgres().await.database("a_long_result_with_an_enum").await;
    let setup = open(database.url()).await;
    write(&setup, "CREATE TYPE role AS ENUM ('ADMIN', 'VIEWER')").await;
    write(&setup, "CREATE TABLE users (id integer, role role, name text)").await;
    write(
        &setup,
        "INSERT INTO users SELECT i, 'VIEWER', repeat('x', 1000) FROM generate_series(1, 5000) AS i",
    )
    .await;
    let db = open(database.url()).await;
    let users = read::<(i64, Role, String)>(&db, "SELECT id, role, name FROM users ORDER BY id").await;
    assert_eq!(users.len(), 5_000);
    assert!(users.iter().all(|(_, role, _)| *role == Role::Viewer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_array_comes_back_equal() {
    let database = postgres().await.database("every_array_comes_back").await;
    let url = database.url();
    let db = column(url, "bigint[]").await;
    property(64, &vec(vec(any::<i64>(), 0..5), 1..8), async |values| comes_back(&db, values).await);
    let db = fresh(&db, url, "integer[]").await;
    property(64, &vec(proptest::option::of(vec(any::<i32>(), 0..5)), 1..8), async |values| {
        comes_back(&db, values).await
    });
    let db = fresh(&db, url, "double precision[]").await;
    let finite = any::<f64>().prop_filter("finite", |value| value.is_finite());
    property(64, &vec(vec(finite, 0..5), 1..8), async |values| comes_back(&db, values).await);
    let db = fresh(&db, url, "boolean[]").await;
    property(64, &vec(vec(any::<bool>(), 0..5), 1..8), async |values| comes_back(&db, values).await);
    let db = fresh(&db, url, "varchar[]").await;
    property(64, &vec(vec(any_text(), 0..5), 1..8), async |values| comes_back(&db, values).await);
    let db = fresh(&db, url, "uuid[]").await;
    let uuid = any::<u128>().prop_map(Uuid::from_u128);
    property(64, &vec(vec(uuid, 0..5), 1..8), async |values| comes_back(&db, values).await);
}

async fn fresh(db: &Database, url: &str, ty: &str) -> Database {
    write(db, "DROP TABLE kept").await;
    column(url, ty).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrays_can_be_loaded_and_a_number_too_wide_is_named() {
    let database = postgres().await.database("arrays_can_be_loaded").await;
    let db = open(database.url()).await;
    write(
        &db,
        "CREATE TABLE lists (two smallint[], four integer[], eight bigint[], ratios double precision[], flags boolean[], \
         words text[], keys uuid[])",
    )
    .await;
    let columns = ["two", "four", "eight", "ratios", "flags", "words", "keys"];
    let key = Uuid::from_u128(u128::MAX / 7);
    let row = || {
        vec![
            Value::Ints(vec![i64::from(i16::MIN)]),
            Value::Ints(vec![i64::from(i32::MAX), 0]),
            Value::Ints(vec![]),
            Value::Floats(vec![0.1]),
            Value::Bools(vec![true, false]),
            Value::Texts(vec!["it's".to_owned(), String::new()]),
            Value::Uuids(vec![key]),
        ]
    };
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("lists", &columns).await.unwrap();
    load.write_values(row()).await.unwrap();
    load.write_values(row().iter().map(|value| Value::Null(value.kind())).collect()).await.unwrap();
    let mut wide = row();
    wide[1] = Value::Ints(vec![3_000_000_000]);
    let error = load.write_values(wide).await.unwrap_err();
    assert!(
        error.to_string().contains("four: a number of the list does not fit a column of type _int4"),
        "{error}"
    );
    assert_eq!(load.finish().await.unwrap(), 2);
    session.commit().await.unwrap();
    type Lists = (Vec<i64>, Vec<i32>, Vec<i64>, Vec<f64>, Vec<bool>, Vec<String>, Vec<Uuid>);
    let expected: Lists = (
        vec![-32_768],
        vec![i32::MAX, 0],
        vec![],
        vec![0.1],
        vec![true, false],
        vec!["it's".to_owned(), String::new()],
        vec![key],
    );
    assert_eq!(read::<Lists>(&db, "SELECT * FROM lists WHERE two IS NOT NULL").await, [expected]);
    assert_eq!(read::<(Option<Vec<i64>>,)>(&db, "SELECT two FROM lists WHERE two IS NULL").await, [(None,)]);
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("lists", &["words"]).await.unwrap();
    let error = load.write_values(vec![Value::Ints(vec![1])]).await.unwrap_err();
    assert!(
        error.to_string().contains("words: a list of whole numbers for a column of type _text"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_rust_type_holds_is_told_with_its_column() {
    let database = postgres().await.database("what_no_rust_type_holds").await;
    let db = open(database.url()).await;
    for (value, found) in [
        ("date 'infinity'", "infinity"),
        ("date '-infinity'", "-infinity"),
        ("date '10000-01-01'", "a day outside the years 0001 to 9999"),
        ("date '0001-12-31 BC'", "a day outside the years 0001 to 9999"),
    ] {
        let error = try_read::<(NaiveDate,)>(&db, format!("SELECT {value}")).await.unwrap_err();
        let message = format!("row 1, column `0`: expected a date (YYYY-MM-DD), found {found}");
        assert!(error.is_decode() && error.to_string().starts_with(&message), "{error}");
    }
    let error = try_read::<(NaiveTime,)>(&db, "SELECT time '24:00'").await.unwrap_err();
    assert!(error.to_string().contains("found 24:00:00, which is no time of a day"), "{error}");
    for (value, found) in
        [("ARRAY[1, NULL]", "an array with a NULL in it"), ("ARRAY[[1], [2]]", "an array of 2 dimensions")]
    {
        let error = try_read::<(Vec<i64>,)>(&db, format!("SELECT {value}")).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains(&format!("found {found}")), "{error}");
    }
    let error = try_read::<(Vec<i32>,)>(&db, "SELECT ARRAY[3000000000]").await.unwrap_err();
    assert!(error.to_string().contains("found a list of numbers that 32 bits can't hold"), "{error}");
    for (sql, found) in [
        ("SELECT time with time zone '09:30+01'", "type timetz"),
        ("SELECT interval '1 day'", "type interval"),
        ("SELECT 'now'::timestamp", "type timestamp"),
    ] {
        let error = try_read::<(NaiveTime,)>(&db, sql).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains(found), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_of_json_has_the_operators_of_jsonb() {
    let database = postgres().await.database("a_parameter_of_json").await;
    let db = column(database.url(), "jsonb").await;
    keep(&db, &[json!({ "a": 1, "b": [2] }), json!([])]).await.unwrap();
    let query =
        all::<(i64, JsonValue)>("SELECT id, value FROM kept WHERE value @> $1", params![json!({ "a": 1 })]);
    assert_eq!(db.read().await.unwrap().run(query).await.unwrap(), [(0, json!({ "a": 1, "b": [2] }))]);
    // Numbers beyond a double are read as the nearest one, as JSON is read everywhere; a text keeps them.
    let found = read::<(String,)>(&db, "SELECT '12345678901234567890.5'::jsonb").await;
    assert_eq!(found, [("12345678901234567890.5".to_owned(),)]);
}
