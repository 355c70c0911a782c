//! Notices, encodings and settings.

use tallybook_sql::{all, execute, one, params};

use super::notes::{NOTES, notes, one_note, stage};
use crate::support::{begin, goes_on, run, within, write};

#[tokio::test]
async fn a_flood_of_notices_does_not_disturb_an_answer() {
    let (_database, _admin, mut connection) = stage("notices").await;
    let flood = "DO $$ BEGIN FOR n IN 1..20000 LOOP RAISE NOTICE 'notice % of a flood', n; END LOOP; END $$";
    let batch =
        (execute(flood, params![]), all::<(i64, String)>(NOTES, params![0]), execute(flood, params![]));
    assert_eq!(write(&mut connection, batch).await.unwrap().1, one_note());
    connection.script(flood).await.unwrap();
    goes_on(&mut connection).await;
}

/// A notice may say the same as the one that ends a transaction, and mean nothing.
#[tokio::test]
async fn a_notice_of_a_function_does_not_pass_for_one_of_the_server() {
    let (_database, _admin, mut connection) = stage("notice_code").await;
    let raise =
        "DO $$ BEGIN RAISE WARNING 'there is no transaction in progress' USING ERRCODE = '25P01'; END $$";
    begin(&mut connection, execute("INSERT INTO notes VALUES (2, 'two')", params![])).await.unwrap();
    run(&mut connection, execute(raise, params![])).await.unwrap();
    connection.commit().await.unwrap();
    assert_eq!(notes(&mut connection).await.unwrap().len(), 2);
}

/// Texts are read in UTF-8, and nothing else is taken for it.
#[tokio::test]
async fn another_encoding_is_an_error_or_read_right_and_never_garbled() {
    let (_database, _admin, mut connection) = stage("encoding").await;
    connection.script("SET client_encoding = 'LATIN1'").await.unwrap();
    assert!(connection.has_changed_settings(), "the pool undoes it before the next session");
    let text = one::<(String,)>("SELECT 'caf' || chr(233)", params![]);
    match run(&mut connection, text).await {
        Ok((text,)) => assert_eq!(text, "caf\u{e9}"),
        Err(error) => assert!(error.is_decode() || error.is_connection_lost(), "{error:?}"),
    }
    let _ = within("cleaning", connection.clean()).await;
    if !connection.is_closed() {
        connection.reset().await.unwrap();
        let text = one::<(String,)>("SELECT 'caf' || chr(233)", params![]);
        assert_eq!(run(&mut connection, text).await.unwrap().0, "caf\u{e9}");
    }
}

#[tokio::test]
async fn a_role_and_settings_that_a_session_leaves_are_reset() {
    let (_database, _admin, mut connection) = stage("reset").await;
    connection.script("SET default_transaction_read_only = off").await.unwrap();
    let leave = "SET search_path = pg_catalog; SET application_name = 'mine'; CREATE TEMP TABLE mine (id bigint); \
                 LISTEN mine; SELECT pg_advisory_lock(7); PREPARE mine AS SELECT 1";
    connection.script(leave).await.unwrap();
    assert!(connection.has_changed_settings());
    connection.reset().await.unwrap();
    assert!(!connection.has_changed_settings());
    assert_eq!(notes(&mut connection).await.unwrap(), one_note());
    let left = one::<(i64,)>(
        "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) \
         + (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine') \
         + (SELECT count(*) FROM pg_class WHERE relname = 'mine') + (SELECT count(*) FROM pg_listening_channels())",
        params![],
    );
    assert_eq!(run(&mut connection, left).await.unwrap(), (0,));
}

#[tokio::test]
async fn a_notice_of_a_function_does_not_pass_for_one_of_the_commit_behind_it() {
    let (_database, _admin, mut connection) = stage("notice_commit").await;
    let raise =
        "DO $$ BEGIN RAISE WARNING 'there is no transaction in progress' USING ERRCODE = '25P01'; END $$";
    let batch = (execute("INSERT INTO notes VALUES (2, 'two')", params![]), execute(raise, params![]));
    write(&mut connection, batch).await.unwrap();
    assert_eq!(notes(&mut connection).await.unwrap().len(), 2);
}
