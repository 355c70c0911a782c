//! Bulk loads that are refused before, during and after: the error names the row, nothing is stored, and the connection
//! goes on. A COPY of a user's own is refused.

use tallybook_postgres::Connection;
use tallybook_sql::driver::Loaded;
use tallybook_sql::value::Value;
use tallybook_sql::{Error, all, execute, params};
use tallybook_testkit::{Database, postgres};

use crate::support::{ask, begin, connect, peer, recovers, run, within, write};

const TABLES: &str = "\
CREATE TABLE entries (id integer PRIMARY KEY, title varchar(10) NOT NULL, amount numeric CHECK (amount > 0), parent integer
    REFERENCES entries DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE others (id bigint);
CREATE VIEW seen AS SELECT 1 AS id;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 7 THEN RAISE EXCEPTION 'no seven' USING ERRCODE = 'P0007'; END IF; RETURN NEW; END $$;
CREATE TABLE watched (id bigint);
CREATE TRIGGER refuse BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE scored (id bigint, score smallint);
CREATE TABLE generated (id bigint, twice bigint GENERATED ALWAYS AS (id * 2) STORED)";

async fn stage(name: &str) -> (Database, Connection) {
    let database = postgres().await.database(name).await;
    peer(database.url()).await.batch_execute(TABLES).await.unwrap();
    let connection = connect(database.url()).await;
    (database, connection)
}

fn entry(id: i64, title: &str) -> [Value; 3] {
    [Value::Int(id), Value::Text(title.into()), Value::Null(tallybook_sql::SqlType::Int)]
}

const COLUMNS: [&str; 3] = ["id", "title", "parent"];

/// Loads rows in a transaction, without its end.
async fn load(
    connection: &mut Connection,
    table: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item: AsRef<[Value]>>,
) -> Result<Loaded, Error> {
    begin(connection, ()).await?;
    let mut load = within("beginning a load", connection.load(table, columns)).await?;
    for row in rows {
        within("a row", load.write(row.as_ref())).await?;
    }
    within("ending a load", load.finish()).await
}

/// The transaction can be rolled back, the connection goes on, and the table is empty.
async fn nothing_is_stored(connection: &mut Connection, table: &str) {
    recovers(connection).await;
    let rows = run(connection, all::<(i32,)>(format!("SELECT 1 FROM {table}"), params![])).await.unwrap();
    assert_eq!(rows, [], "{table}");
}

/// A load that works, on the same connection.
async fn loads_again(connection: &mut Connection) {
    let rows = (1..=3).map(|id| entry(id, "fine"));
    assert_eq!(load(connection, "entries", &COLUMNS, rows).await.unwrap().rows, 3);
    connection.commit().await.unwrap();
    let count = run(connection, all::<(i64,)>("SELECT count(*) FROM entries", params![])).await.unwrap();
    assert_eq!(count, [(3,)]);
}

#[tokio::test]
async fn a_table_that_is_missing() {
    let (_database, mut connection) = stage("copy_missing").await;
    let error = load(&mut connection, "nowhere", &["id"], [[Value::Int(1)]]).await.unwrap_err();
    assert_eq!(error.code(), Some("42P01"), "{error:?}");
    recovers(&mut connection).await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_column_that_is_missing() {
    let (_database, mut connection) = stage("copy_column").await;
    let error = load(&mut connection, "entries", &["id", "nothing"], [entry(1, "one")]).await.unwrap_err();
    assert_eq!(error.code(), Some("42703"), "{error:?}");
    nothing_is_stored(&mut connection, "entries").await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_view_into_which_nothing_can_be_loaded() {
    let (_database, mut connection) = stage("copy_view").await;
    let error = load(&mut connection, "seen", &["id"], [[Value::Int(1)]]).await.unwrap_err();
    assert!(error.code().is_some(), "{error:?}");
    recovers(&mut connection).await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_column_that_the_server_generates() {
    let (_database, mut connection) = stage("copy_generated").await;
    let rows = [[Value::Int(1), Value::Int(2)]];
    let error = load(&mut connection, "generated", &["id", "twice"], rows).await.unwrap_err();
    assert!(error.code().is_some(), "{error:?}");
    nothing_is_stored(&mut connection, "generated").await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_this_user_may_read_and_not_write() {
    let (database, _) = stage("copy_privilege").await;
    let admin = peer(database.url()).await;
    let role = database.name();
    admin
        .batch_execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'reader'; GRANT SELECT ON entries TO \"{role}\";
             GRANT ALL ON others TO \"{role}\""
        ))
        .await
        .unwrap();
    let place = database.url().rsplit_once('@').unwrap().1;
    let mut connection = connect(&format!("postgresql://{role}:reader@{place}")).await;
    let error = load(&mut connection, "entries", &COLUMNS, [entry(1, "one")]).await.unwrap_err();
    assert_eq!(error.code(), Some("42501"), "{error:?}");
    nothing_is_stored(&mut connection, "entries").await;
    assert_eq!(load(&mut connection, "others", &["id"], [[Value::Int(1)]]).await.unwrap().rows, 1);
    connection.commit().await.unwrap();
    drop(connection);
    admin.batch_execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.unwrap();
}

/// `row` is where the fault is, counted from one.
async fn refused_at_row(table: &str, columns: &[&str], rows: Vec<Vec<Value>>, row: usize, code: &str) {
    let (_database, mut connection) = stage("copy_row").await;
    let error = load(&mut connection, table, columns, rows).await.unwrap_err();
    assert_eq!(error.code(), Some(code), "{error:?}");
    assert!(error.to_string().contains(&format!("row {row}")), "row {row}: {error}");
    nothing_is_stored(&mut connection, table).await;
    loads_again(&mut connection).await;
}

fn entries(count: i64, change: impl Fn(i64) -> Option<[Value; 3]>) -> Vec<Vec<Value>> {
    (1..=count).map(|id| change(id).unwrap_or_else(|| entry(id, "fine")).to_vec()).collect()
}

#[tokio::test]
async fn a_key_that_is_taken() {
    let rows = entries(10, |id| (id == 8).then(|| entry(3, "again")));
    refused_at_row("entries", &COLUMNS, rows, 8, "23505").await;
}

#[tokio::test]
async fn a_key_that_is_taken_in_a_load_of_many_messages() {
    let rows = entries(50_000, |id| (id == 20_000).then(|| entry(3, "again")));
    refused_at_row("entries", &COLUMNS, rows, 20_000, "23505").await;
}

#[tokio::test]
async fn a_text_that_is_too_long() {
    let rows = entries(10, |id| (id == 1).then(|| entry(1, "more than ten")));
    refused_at_row("entries", &COLUMNS, rows, 1, "22001").await;
}

#[tokio::test]
async fn a_value_that_is_missing() {
    let null = || {
        [Value::Int(2), Value::Null(tallybook_sql::SqlType::Text), Value::Null(tallybook_sql::SqlType::Int)]
    };
    refused_at_row("entries", &COLUMNS, entries(5, |id| (id == 2).then(null)), 2, "23502").await;
}

#[tokio::test]
async fn a_check_that_is_violated() {
    let amount = |amount: i64| {
        vec![Value::Int(amount), Value::Text("fine".into()), Value::Decimal((2 - amount).into())]
    };
    refused_at_row("entries", &["id", "title", "amount"], vec![amount(1), amount(2)], 2, "23514").await;
}

#[tokio::test]
async fn a_trigger_that_refuses() {
    let rows = (1..=9).map(|id| vec![Value::Int(id)]).collect();
    refused_at_row("watched", &["id"], rows, 7, "P0007").await;
}

/// The client knows the type of the column, so this is not sent.
#[tokio::test]
async fn a_number_too_wide_for_its_column_is_refused_with_its_row() {
    let (_database, mut connection) = stage("copy_wide").await;
    let rows = [[Value::Int(1), Value::Int(1)], [Value::Int(2), Value::Int(40_000)]];
    let error = load(&mut connection, "scored", &["id", "score"], rows).await.unwrap_err();
    assert!(error.is_invalid_value(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("row 2") && text.contains("score"), "{text}");
    nothing_is_stored(&mut connection, "scored").await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_row_of_another_number_of_values() {
    let (_database, mut connection) = stage("copy_count").await;
    let error = load(&mut connection, "entries", &COLUMNS, [[Value::Int(1)]]).await.unwrap_err();
    assert!(error.is_invalid_value() && error.to_string().contains("1 values for 3 columns"), "{error:?}");
    nothing_is_stored(&mut connection, "entries").await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_value_of_another_type_than_its_column() {
    let (_database, mut connection) = stage("copy_type").await;
    let rows = [[Value::Text("one".into()), Value::Text("fine".into()), Value::Int(1)]];
    let error = load(&mut connection, "entries", &COLUMNS, rows).await.unwrap_err();
    assert!(error.is_invalid_value() && error.to_string().contains("id"), "{error:?}");
    nothing_is_stored(&mut connection, "entries").await;
    loads_again(&mut connection).await;
}

/// The load itself ends well; the error comes with the COMMIT.
#[tokio::test]
async fn a_constraint_that_is_checked_at_the_end() {
    let (_database, mut connection) = stage("copy_deferred").await;
    let rows = [[Value::Int(1), Value::Text("orphan".into()), Value::Int(99)]];
    assert_eq!(load(&mut connection, "entries", &COLUMNS, rows).await.unwrap().rows, 1);
    let error = within("committing", connection.commit()).await.unwrap_err();
    assert!(error.is_foreign_key_violation() && !error.is_commit_unknown(), "{error:?}");
    nothing_is_stored(&mut connection, "entries").await;
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_load_that_is_dropped_stores_nothing() {
    let (_database, mut connection) = stage("copy_dropped").await;
    for rows in [0, 1, 10_000] {
        begin(&mut connection, ()).await.unwrap();
        let mut load = connection.load("entries", &COLUMNS).await.unwrap();
        for id in 1..=rows {
            load.write(&entry(id, "fine")).await.unwrap();
        }
        drop(load);
        nothing_is_stored(&mut connection, "entries").await;
    }
    loads_again(&mut connection).await;
}

#[tokio::test]
async fn a_backend_that_ends_during_a_load_is_a_lost_connection() {
    let (database, mut connection) = stage("copy_terminated").await;
    begin(&mut connection, ()).await.unwrap();
    let mut load = connection.load("entries", &COLUMNS).await.unwrap();
    load.write(&entry(1, "fine")).await.unwrap();
    let admin = peer(database.url()).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(ask(&admin, kill).await, "1");
    let error = within("ending a load", load.finish()).await.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    let _ = within("cleaning", connection.clean()).await;
    assert!(connection.is_closed());
    assert_eq!(ask(&admin, "SELECT count(*) FROM entries").await, "0");
}

#[tokio::test]
async fn a_backend_that_ends_after_a_load_takes_it_along() {
    let (database, mut connection) = stage("copy_ended").await;
    load(&mut connection, "entries", &COLUMNS, [entry(1, "fine")]).await.unwrap();
    let admin = peer(database.url()).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(ask(&admin, kill).await, "1");
    let error = within("committing", connection.commit()).await.unwrap_err();
    assert!(error.is_connection_lost() || error.is_commit_unknown(), "{error:?}");
    assert_eq!(ask(&admin, "SELECT count(*) FROM entries").await, "0");
}

/// Nobody would send or take the data, so the server would wait for ever.
#[tokio::test]
async fn a_copy_of_a_users_own_is_refused_as_a_statement() {
    let (_database, mut connection) = stage("copy_own").await;
    for sql in
        ["COPY others FROM STDIN", "COPY others TO STDOUT", "COPY (SELECT 1) TO STDOUT (FORMAT binary)"]
    {
        for _ in 0..2 {
            let error = write(&mut connection, execute(sql, params![])).await.unwrap_err();
            assert!(
                !error.is_connection_lost() && error.to_string().to_uppercase().contains("COPY"),
                "{sql}: {error:?}"
            );
            recovers(&mut connection).await;
        }
    }
    nothing_is_stored(&mut connection, "others").await;
}

#[tokio::test]
async fn a_copy_of_a_users_own_is_refused_between_other_statements() {
    let (_database, mut connection) = stage("copy_between").await;
    for sql in ["COPY others FROM STDIN", "COPY others TO STDOUT"] {
        let insert = || execute("INSERT INTO others VALUES (1)", params![]);
        let batch = (insert(), execute(sql, params![]), insert());
        let error = write(&mut connection, batch).await.unwrap_err();
        assert!(!error.is_connection_lost(), "{sql}: {error:?}");
        nothing_is_stored(&mut connection, "others").await;
    }
}

#[tokio::test]
async fn a_copy_of_a_users_own_is_refused_in_a_script() {
    let (_database, mut connection) = stage("copy_script").await;
    for sql in [
        "COPY others FROM STDIN",
        "SELECT 1; COPY others TO STDOUT; SELECT 2",
        "COPY others FROM STDIN; SELECT 1",
    ] {
        let error = within("a script", connection.script(sql)).await.unwrap_err();
        assert!(!error.is_connection_lost(), "{sql}: {error:?}");
        recovers(&mut connection).await;
    }
    nothing_is_stored(&mut connection, "others").await;
}
