//! SQLite's storage form of each type, and the forms of other programs that are read.

use chrono::{NaiveDate, NaiveTime};
use rust_decimal::Decimal;
use serde_json::{Value as JsonValue, json};
use tallybook::{Json, Numeric, Row, Value, all, execute, one, params};
use uuid::Uuid;

use crate::support::{open, read, try_read, write};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[derive(Debug, PartialEq, Row)]
struct Fee {
    #[row(numeric)]
    amount: Decimal,
}

#[tokio::test]
async fn each_type_has_the_storage_form_that_is_documented() {
    let db = open("sqlite::memory:").await;
    let mut session = db.read().await.unwrap();
    let key = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    for (value, ty, text) in [
        (params![true], "integer", "1"),
        (params![key], "text", "67e55044-10b1-426f-9247-bb680e5fe0c8"),
        (params![json!({ "b": 1.0, "a": [] })], "text", "{\"a\":[],\"b\":1.0}"),
        (params![Json(Some(1))], "text", "1"),
        (params![NaiveDate::from_ymd_opt(2024, 2, 29).unwrap()], "text", "2024-02-29"),
        (params![NaiveTime::from_hms_opt(9, 30, 0).unwrap()], "text", "09:30:00.000000"),
        (params![Numeric(decimal("1.50"))], "text", "1.5"),
        (
            params![Numeric(decimal("0.1234567890123456789012345678"))],
            "text",
            "0.1234567890123456789012345678",
        ),
        (params![decimal("1.5")], "real", "1.5"),
    ] {
        let found =
            session.run(one::<(String, String)>("SELECT typeof($1), CAST($1 AS text)", value)).await.unwrap();
        assert_eq!(found, (ty.to_owned(), text.to_owned()));
    }
}

#[tokio::test]
async fn a_uuid_of_other_programs_is_read() {
    let db = open("sqlite::memory:").await;
    let key = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    for value in [
        "'67e55044-10b1-426f-9247-bb680e5fe0c8'",
        "'67E55044-10B1-426F-9247-BB680E5FE0C8'",
        "'67e5504410b1426f9247bb680e5fe0c8'",
        "x'67e5504410b1426f9247bb680e5fe0c8'",
    ] {
        assert_eq!(read::<(Uuid,)>(&db, format!("SELECT {value}")).await, [(key,)], "{value}");
    }
    for (value, found) in
        [("'67e55044'", "a text of 8 bytes"), ("x'00'", "a blob of 1 bytes"), ("7", "an integer")]
    {
        let error = try_read::<(Uuid,)>(&db, format!("SELECT {value}")).await.unwrap_err();
        let message = format!("row 1, column `0`: expected a UUID, found {found}");
        assert!(error.is_decode() && error.to_string().starts_with(&message), "{error}");
    }
}

#[tokio::test]
async fn an_exact_decimal_is_not_read_from_a_double() {
    let db = open("sqlite::memory:").await;
    // SQLite makes a double of the text, because of the column's type.
    write(&db, "CREATE TABLE fees (amount numeric(20, 10))").await;
    let fee = Fee { amount: decimal("1234567890.1234500000001") };
    let mut session = db.begin().await.unwrap();
    session.run(execute("INSERT INTO fees VALUES ($1)", fee.encode())).await.unwrap();
    session.commit().await.unwrap();
    let error = try_read::<Fee>(&db, "SELECT amount FROM fees").await.unwrap_err();
    let message = "row 1, column `amount`: expected an exact decimal, found a double; a numeric column has the type TEXT on SQLite";
    assert!(error.is_decode() && error.to_string().starts_with(message), "{error}");
    assert!(try_read::<(Numeric,)>(&db, "SELECT amount FROM fees").await.unwrap_err().is_decode());
    for (value, amount) in [
        ("7", "7"),
        ("'7.10'", "7.1"),
        ("'-0.5'", "-0.5"),
        ("'1.5e-3'", "0.0015"),
        ("9223372036854775807", "9223372036854775807"),
    ] {
        let found = read::<Fee>(&db, format!("SELECT {value} AS amount")).await;
        assert_eq!(found, [Fee { amount: decimal(amount) }], "{value}");
    }
    for value in ["''", "'many'", "'1_000'", "'NaN'", "'0.12345678901234567890123456789'", "x'31'", "'1e30'"]
    {
        let error = try_read::<Fee>(&db, format!("SELECT {value} AS amount")).await.unwrap_err();
        assert!(
            error.is_decode() && error.to_string().contains("expected an exact decimal, found a "),
            "{value}: {error}"
        );
    }
}

#[tokio::test]
async fn a_decimal_of_a_text_column_reads_back_equal_or_is_refused() {
    let db = open("sqlite::memory:").await;
    write(&db, "CREATE TABLE fees (id integer primary key, amount text)").await;
    let mut session = db.begin().await.unwrap();
    for (id, amount) in
        ["0.1", "100", "0.0000001", "123456789012345", "100000000000000000000", "-1.5"].iter().enumerate()
    {
        let insert = execute("INSERT INTO fees VALUES ($1, $2)", params![id as i64, decimal(amount)]);
        session.run(insert).await.unwrap();
        let found =
            session.run(one::<(Decimal,)>("SELECT amount FROM fees WHERE id = $1", params![id as i64])).await;
        assert_eq!(found.unwrap(), (decimal(amount),), "{amount}");
    }
    session.commit().await.unwrap();
    // SQLite would keep 15 digits of this double.
    let mut session = db.begin().await.unwrap();
    let insert = execute("INSERT INTO fees (amount) VALUES ($1)", params![decimal("0.30000000000000004")]);
    let error = session.run(insert).await.unwrap_err();
    assert!(error.is_invalid_value() && error.to_string().contains("bind it as Numeric"), "{error}");
    assert!(error.to_string().starts_with("$1: 0.30000000000000004 would change"), "{error}");
}

#[tokio::test]
async fn json_that_sqlite_has_made_a_number_of_is_not_read() {
    let db = open("sqlite::memory:").await;
    write(&db, "CREATE TABLE notes (data jsonb)").await;
    let mut session = db.begin().await.unwrap();
    session.run(execute("INSERT INTO notes VALUES ($1)", params![json!(1.0)])).await.unwrap();
    session.commit().await.unwrap();
    let error = try_read::<(JsonValue,)>(&db, "SELECT data FROM notes").await.unwrap_err();
    let message =
        "row 1, column `0`: expected JSON, found a number; a JSON column has the type TEXT on SQLite";
    assert!(error.is_decode() && error.to_string().starts_with(message), "{error}");
    let error = try_read::<(JsonValue,)>(&db, "SELECT '{secret'").await.unwrap_err();
    assert!(error.to_string().contains("found a text that is no JSON, line 1 column 2"), "{error}");
    assert!(!error.message().contains("secret") || error.message().contains("(in `"), "{error}");
}

#[tokio::test]
async fn a_list_that_would_be_stored_as_null_is_refused() {
    let db = open("sqlite::memory:").await;
    write(&db, "CREATE TABLE lists (id integer primary key, list text)").await;
    let mut session = db.begin().await.unwrap();
    let insert = execute("INSERT INTO lists VALUES ($1, $2)", params![1, vec![1_i64, 2]]);
    let error = session.run(insert).await.unwrap_err();
    let message = "$2: a list, which SQLite takes in rarray(…) only and would store as NULL elsewhere";
    assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
    drop(session);
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("lists", &["id", "list"]).await.unwrap();
    let error = load.write_values(vec![Value::Int(1), Value::Texts(vec!["a".to_owned()])]).await.unwrap_err();
    assert!(
        error.is_invalid_value()
            && error.to_string().contains("list: a list of texts, which SQLite can't store"),
        "{error}"
    );
    drop(load);
    drop(session);
    let query = all::<(i64,)>("SELECT value FROM rarray($1) ORDER BY 1", params![vec![2_i64, 1]]);
    assert_eq!(db.read().await.unwrap().run(query).await.unwrap(), [(1,), (2,)]);
    assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM lists").await, [(0,)]);
}
