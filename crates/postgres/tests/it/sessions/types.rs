//! Types that are made during a session, and types that nobody knows.

use tallybook_sql::row::{Decode, DecodeError, ValueRef};
use tallybook_sql::value::Value;
use tallybook_sql::{Encode, all, execute, one, params};

use super::notes::stage;
use crate::support::{ask, begin, goes_on, recovers, run, write};

/// An enum of the database.
#[derive(Clone, Debug, PartialEq)]
struct Mood(String);

impl Decode for Mood {
    const SQL_TYPE: tallybook_sql::SqlType = tallybook_sql::SqlType::Enum;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        String::decode(value).map(Self)
    }
}

impl Encode for Mood {
    const SQL_TYPE: tallybook_sql::SqlType = tallybook_sql::SqlType::Enum;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Enum(self.0.clone()))
    }
}

#[tokio::test]
async fn an_enum_type_that_is_made_after_the_connection_is_written_and_read() {
    let (_database, admin, mut connection) = stage("late_enum").await;
    admin
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('calm', 'bright'); CREATE TABLE moods (id bigint, mood mood)",
        )
        .await
        .unwrap();
    let mood = Mood("bright".to_owned());
    let insert = execute("INSERT INTO moods VALUES ($1, $2)", params![1, mood]);
    let select = one::<(Mood, String)>("SELECT mood, mood::text FROM moods", params![]);
    let (_, answer) = write(&mut connection, (insert, select)).await.unwrap();
    assert_eq!(answer, (mood.clone(), "bright".to_owned()));
    let wrong = execute("INSERT INTO moods VALUES ($1, $2)", params![2, Mood("gloomy".to_owned())]);
    let error = write(&mut connection, wrong).await.unwrap_err();
    assert_eq!(error.code(), Some("22P02"), "{error:?}");
    recovers(&mut connection).await;
    // Many rows of it, of which the type is met in the result.
    admin
        .batch_execute("INSERT INTO moods SELECT n, 'calm' FROM generate_series(2, 3000) AS n")
        .await
        .unwrap();
    let moods =
        run(&mut connection, all::<(Mood,)>("SELECT mood FROM moods ORDER BY id", params![])).await.unwrap();
    assert_eq!((moods.len(), &moods[0].0, &moods[2999 - 1].0), (3_000, &mood, &Mood("calm".to_owned())));
}

#[tokio::test]
async fn an_enum_type_that_is_made_after_the_connection_is_loaded() {
    let (_database, admin, mut connection) = stage("late_enum_load").await;
    admin
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('calm', 'bright'); CREATE TABLE moods (id bigint, mood mood)",
        )
        .await
        .unwrap();
    begin(&mut connection, ()).await.unwrap();
    let mut load = connection.load("moods", &["id", "mood"]).await.unwrap();
    load.write(&[Value::Int(1), Value::Enum("calm".into())]).await.unwrap();
    load.finish().await.unwrap();
    connection.commit().await.unwrap();
    assert_eq!(ask(&admin, "SELECT mood FROM moods").await, "calm");
}

/// What a struct could not take is an error that names the column, for the first row and for none.
#[tokio::test]
async fn types_that_nobody_knows_are_a_clear_error_and_the_connection_goes_on() {
    let (_database, admin, mut connection) = stage("unknown_types").await;
    admin
        .batch_execute(
            "CREATE TYPE pair AS (a integer, b text); CREATE DOMAIN label AS text CHECK (value <> '');
             CREATE TYPE mood AS ENUM ('calm')",
        )
        .await
        .unwrap();
    for value in [
        "ROW(1, 'x')::pair",
        "int4range(1, 5)",
        "ARRAY[ROW(1, 'x')::pair]",
        "point(1, 2)",
        "'127.0.0.1'::inet",
        "interval '1 day'",
        "'<a/>'::xml",
        "to_tsvector('simple', 'a text')",
        "B'101'::bit(3)",
        "'{[1,5)}'::int4multirange",
        "pg_snapshot '10:20:10,14'",
    ] {
        for rows in [0, 1, 5] {
            let sql = format!("SELECT {value} AS odd FROM generate_series(1, {rows})");
            for _ in 0..2 {
                let answer = run(&mut connection, all::<(i64,)>(sql.clone(), params![])).await;
                match answer {
                    Err(error) => {
                        assert!(error.is_decode() && error.to_string().contains("odd"), "{value}: {error:?}");
                    }
                    Ok(found) => assert!(rows == 0 && found.is_empty(), "{value}: {found:?}"),
                }
                goes_on(&mut connection).await;
            }
        }
    }
}

#[tokio::test]
async fn a_domain_is_read_as_the_type_below_it() {
    let (_database, admin, mut connection) = stage("domains").await;
    admin
        .batch_execute("CREATE DOMAIN label AS text; CREATE DOMAIN small AS bigint CHECK (value < 10)")
        .await
        .unwrap();
    let query = one::<(String, i64)>("SELECT 'x'::label, 5::small", params![]);
    assert_eq!(run(&mut connection, query).await.unwrap(), ("x".to_owned(), 5));
    let error = run(&mut connection, one::<(i64,)>("SELECT $1::small", params![50])).await.unwrap_err();
    assert_eq!(error.code(), Some("23514"), "{error:?}");
    goes_on(&mut connection).await;
}

/// Types of extensions have other numbers in each database.
#[tokio::test]
async fn a_type_of_an_extension_is_read_where_it_is_cast_to_text() {
    let (_database, admin, mut connection) = stage("extensions").await;
    admin.batch_execute("CREATE EXTENSION citext; CREATE TABLE words (word citext)").await.unwrap();
    write(&mut connection, execute("INSERT INTO words VALUES ($1::text::citext)", params!["Word"]))
        .await
        .unwrap();
    let cast = all::<(String,)>("SELECT word::text FROM words WHERE word = 'WORD'", params![]);
    assert_eq!(run(&mut connection, cast).await.unwrap(), [("Word".to_owned(),)]);
    match run(&mut connection, all::<(String,)>("SELECT word FROM words", params![])).await {
        Ok(words) => assert_eq!(words, [("Word".to_owned(),)]),
        Err(error) => assert!(error.is_decode() && error.to_string().contains("citext"), "{error:?}"),
    }
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_parameter_of_a_type_that_nobody_knows_is_a_clear_error() {
    let (_database, admin, mut connection) = stage("unknown_parameter").await;
    admin
        .batch_execute("CREATE TYPE pair AS (a integer, b text); CREATE TABLE pairs (pair pair)")
        .await
        .unwrap();
    let error =
        write(&mut connection, execute("INSERT INTO pairs VALUES ($1)", params!["(1,x)"])).await.unwrap_err();
    assert_eq!(error.code(), Some("42804"), "{error:?}");
    recovers(&mut connection).await;
}
