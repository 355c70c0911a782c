//! Tables that change, and prepared statements that somebody drops.

use tallybook_postgres::Connection;
use tallybook_sql::value::Value;
use tallybook_sql::{Error, all, execute, one, params};
use tallybook_testkit::Database;

use super::notes::{NOTES, notes, notes_again, one_note, pid, stage};
use crate::support::{ask, goes_on, read, recovers, run, within, write};

/// Runs the statement until it is prepared, changes the table, and runs it again.
async fn after_change(name: &str, change: &str) -> (Result<Vec<(i64, String)>, Error>, Connection, Database) {
    let (database, admin, mut connection) = stage(name).await;
    for _ in 0..3 {
        assert_eq!(notes(&mut connection).await.unwrap(), one_note());
    }
    admin.batch_execute(change).await.unwrap();
    let answer = notes_again(&mut connection).await;
    (answer, connection, database)
}

#[tokio::test]
async fn a_column_that_is_added_between_two_runs_changes_nothing() {
    let (answer, mut connection, _database) =
        after_change("ddl_added", "ALTER TABLE notes ADD COLUMN more text").await;
    assert_eq!(answer.unwrap(), one_note());
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_column_that_is_added_is_not_seen_by_a_statement_for_all_of_them() {
    let (_database, admin, mut connection) = stage("ddl_star").await;
    let star = || all::<(i64, String)>("SELECT * FROM notes", params![]);
    for _ in 0..3 {
        assert_eq!(run(&mut connection, star()).await.unwrap(), one_note());
    }
    admin.batch_execute("ALTER TABLE notes ADD COLUMN more text").await.unwrap();
    let stale = run(&mut connection, star()).await.unwrap_err();
    assert!(stale.is_stale_plan() && stale.is_retryable(), "{stale:?}");
    // Now the struct does not fit.
    let misfit = run(&mut connection, star()).await.unwrap_err();
    assert!(misfit.is_decode(), "{misfit:?}");
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_column_whose_type_changes_to_a_compatible_one_is_read_as_before() {
    let (answer, mut connection, _database) =
        after_change("ddl_type", "ALTER TABLE notes ALTER title TYPE varchar(40), ALTER id TYPE integer")
            .await;
    // Either is right: the struct takes both, or asks for what it was declared with.
    match answer {
        Ok(rows) => assert_eq!(rows, one_note()),
        Err(error) => assert!(error.is_decode(), "{error:?}"),
    }
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_column_whose_type_changes_to_another_is_an_error_that_names_it() {
    let (answer, mut connection, _database) = after_change(
        "ddl_other_type",
        "ALTER TABLE notes ALTER title TYPE timestamptz USING timestamptz '2025-01-01 00:00:00Z'",
    )
    .await;
    let error = answer.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("title"), "{error:?}");
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_and_made_again_is_found() {
    let again =
        "DROP TABLE notes; CREATE TABLE notes (title text, id bigint); INSERT INTO notes VALUES ('one', 1)";
    let (answer, mut connection, _database) = after_change("ddl_again", again).await;
    assert_eq!(answer.unwrap(), one_note());
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_is_missing() {
    let (answer, mut connection, _database) = after_change("ddl_dropped", "DROP TABLE notes").await;
    assert_eq!(answer.unwrap_err().code(), Some("42P01"));
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_changes_within_a_pipeline_is_an_error_and_never_a_wrong_row() {
    let (_database, _admin, mut connection) = stage("ddl_pipeline").await;
    for _ in 0..2 {
        assert_eq!(notes(&mut connection).await.unwrap(), one_note());
    }
    let batch = (
        execute("ALTER TABLE notes ALTER title TYPE bytea USING 'x'::bytea", params![]),
        all::<(i64, String)>(NOTES, params![0]),
    );
    let error = write(&mut connection, batch).await.unwrap_err();
    assert!(error.is_stale_plan() || error.is_decode(), "{error:?}");
    recovers(&mut connection).await;
    assert_eq!(notes(&mut connection).await.unwrap(), one_note());
}

#[tokio::test]
async fn statements_that_a_user_deallocates_are_prepared_again() {
    let (_database, _admin, mut connection) = stage("deallocate").await;
    for sql in ["DEALLOCATE ALL", "DISCARD PLANS", "DISCARD ALL"] {
        for _ in 0..3 {
            assert_eq!(notes(&mut connection).await.unwrap(), one_note());
        }
        // DISCARD ALL does not run in a transaction.
        connection.script(sql).await.unwrap();
        assert_eq!(notes_again(&mut connection).await.unwrap(), one_note(), "{sql}");
        goes_on(&mut connection).await;
    }
}

#[tokio::test]
async fn deallocated_statements_in_a_pipeline_are_stale_once() {
    let (_database, _admin, mut connection) = stage("deallocate_pipeline").await;
    let batch = || (all::<(i64, String)>(NOTES, params![0]), one::<(i64,)>("SELECT $1", params![1]));
    for _ in 0..3 {
        read(&mut connection, batch()).await.unwrap();
    }
    connection.script("DEALLOCATE ALL").await.unwrap();
    let error = read(&mut connection, batch()).await.unwrap_err();
    assert!(error.is_stale_plan(), "{error:?}");
    within("cleaning", connection.clean()).await.unwrap();
    assert_eq!(read(&mut connection, batch()).await.unwrap(), (one_note(), (1,)));
}

/// Guards against a client that asks again and again for what it cannot have.
#[tokio::test]
async fn three_hundred_texts_and_their_errors_do_not_fill_a_server() {
    let (_database, admin, mut connection) = stage("many_texts").await;
    for number in 0..300 {
        let answer = run(&mut connection, one::<(i64,)>(format!("SELECT {number} + $1"), params![1])).await;
        assert_eq!(answer.unwrap(), (number + 1,));
        let error = run(&mut connection, one::<(i64,)>(format!("SELECT {number} / $1"), params![0])).await;
        assert_eq!(error.unwrap_err().code(), Some("22012"));
    }
    let pid = pid(&mut connection).await;
    let prepared = one::<(i64,)>("SELECT count(*) FROM pg_prepared_statements", params![]);
    let (count,) = run(&mut connection, prepared).await.unwrap();
    assert!(count <= 260, "{count} statements are prepared");
    assert_eq!(ask(&admin, &format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}")).await, "idle");
    within("a ping", connection.ping()).await.unwrap();
}

#[tokio::test]
async fn a_text_with_a_zero_byte_is_refused_and_nothing_is_sent_of_its_batch() {
    let (_database, _admin, mut connection) = stage("zero_byte").await;
    let zero = || one::<(i64,)>("SELECT 1::bigint -- \0 and more", params![]);
    for _ in 0..2 {
        assert!(!run(&mut connection, zero()).await.unwrap_err().is_connection_lost());
        goes_on(&mut connection).await;
        let insert = execute("INSERT INTO notes VALUES (2, 'two')", params![]);
        assert!(!write(&mut connection, (insert, zero())).await.unwrap_err().is_connection_lost());
        recovers(&mut connection).await;
        assert!(!connection.script("SELECT 1 -- \0").await.unwrap_err().is_connection_lost());
        goes_on(&mut connection).await;
    }
    assert_eq!(notes(&mut connection).await.unwrap(), one_note());
}

/// Their number has 16 bits in the protocol, and no sign.
#[tokio::test]
async fn as_many_parameters_as_the_protocol_takes_and_one_more() {
    let (_database, _admin, mut connection) = stage("parameters").await;
    let counted = |count: usize| {
        let places: Vec<_> = (1..=count).map(|place| format!("${place}")).collect();
        let values = vec![Value::Int(1); count];
        one::<(i64,)>(format!("SELECT cardinality(ARRAY[{}])::bigint", places.join(", ")), values)
    };
    for count in [32_768, 65_535] {
        assert_eq!(run(&mut connection, counted(count)).await.unwrap(), (count as i64,));
    }
    let error = run(&mut connection, counted(65_536)).await.unwrap_err();
    assert!(!error.is_connection_lost(), "{error:?}");
    recovers(&mut connection).await;
}
