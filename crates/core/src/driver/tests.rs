//! Statements that end a transaction themselves. Sessions refuse to send them; the connection is the second
//! line of defence.

use std::sync::Arc;

use futures_util::FutureExt;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tallybook_sql::query::{Execute, execute};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Params;
use tallybook_testkit::{both_dialects, postgres};

use super::{Connection, Connector};
use crate::settings::Settings;

const INSERT: &str = "INSERT INTO notes (id) VALUES (1)";
const BEGINS: TransactionFraming = TransactionFraming { begin: Some(Begin::Write), ..NEITHER };
const CONTINUES: TransactionFraming = TransactionFraming { continues: true, ..NEITHER };
const ENDS: TransactionFraming = TransactionFraming { end: Some(End::Commit), continues: true, ..NEITHER };
const NEITHER: TransactionFraming = TransactionFraming {
    begin: None,
    end: None,
    continues: false,
    asks_replayed: false,
    read_only: false,
    opens_cursor: false,
};

async fn with_notes(url: &str) -> Connection {
    let settings = Settings::new(url).unwrap();
    let mut connection = Connector::new(settings.database_url.target(), settings.file_access())
        .connect(Role::Migrate)
        .await
        .unwrap();
    connection.script("CREATE TABLE notes (id integer PRIMARY KEY)").await.unwrap();
    connection
}

async fn run(connection: &mut Connection, sql: &[&'static str], framing: TransactionFraming) -> Result<()> {
    let batch: Vec<Execute> = sql.iter().map(|&sql| execute(sql, Params::default())).collect();
    connection.execute(batch, framing).await.map(drop)
}

async fn is_kept(connection: &mut Connection) -> bool {
    run(connection, &[INSERT], BEGINS).await.is_err()
}

both_dialects! {
    async fn what_is_left_open_is_not_clean_and_cleaning_undoes_it(url: &str) {
        let mut connection = with_notes(url).await;
        assert!(connection.is_clean());
        let dropped = run(&mut connection, &["UPDATE notes SET id = id"], NEITHER).now_or_never();
        assert!(dropped.is_some() || !connection.is_clean(), "its answer is still to come");
        connection.clean().await.unwrap();
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        assert!(!connection.is_clean(), "its transaction is open");
        connection.clean().await.unwrap();
        assert!(connection.is_clean());
        // Dropped in progress, however far it got.
        let _ = run(&mut connection, &[INSERT, "UPDATE notes SET id = id"], BEGINS).now_or_never();
        assert!(!connection.is_clean());
        connection.clean().await.unwrap();
        assert!(connection.is_clean());
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        let _ = connection.commit(&Arc::default()).now_or_never();
        connection.clean().await.unwrap();
        assert!(connection.is_clean());
        run(&mut connection, &["DELETE FROM notes"], BEGINS).await.unwrap();
        run(&mut connection, &[INSERT], ENDS).await.unwrap();
        assert!(connection.is_clean());
        assert!(is_kept(&mut connection).await);
        assert!(!connection.is_clean(), "the statement that failed has left its transaction open");
        connection.clean().await.unwrap();
        assert!(is_kept(&mut connection).await, "in order");
    }

    async fn a_batch_fails_whose_commit_is_refused_and_nothing_of_it_is_kept(url: &str) {
        let mut connection = with_notes(url).await;
        let links = "CREATE TABLE links (id integer PRIMARY KEY, \
                     next integer REFERENCES links DEFERRABLE INITIALLY DEFERRED)";
        connection.script(links).await.unwrap();
        let alone = TransactionFraming { begin: Some(Begin::Write), ..ENDS };
        let refused = run(&mut connection, &["INSERT INTO links VALUES (1, 2)"], alone).await;
        assert!(refused.is_err_and(|error| error.is_foreign_key_violation()));
        connection.clean().await.unwrap();
        run(&mut connection, &["INSERT INTO links VALUES (1, NULL)"], alone).await.unwrap();
    }

    async fn a_commit_says_that_its_transaction_was_over(url: &str) {
        let mut connection = with_notes(url).await;
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        connection.script("COMMIT").await.unwrap_or_else(|error| assert!(error.is_transaction_ended()));
        assert!(connection.commit(&Arc::default()).await.is_err_and(|error| error.is_transaction_ended()));
        connection.clean().await.unwrap();
        assert!(is_kept(&mut connection).await);
    }

    async fn a_roll_back_says_that_its_transaction_was_over(url: &str) {
        let mut connection = with_notes(url).await;
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        connection.script("COMMIT").await.unwrap_or_else(|error| assert!(error.is_transaction_ended()));
        assert!(connection.roll_back().await.is_err_and(|error| error.is_transaction_ended()));
        connection.clean().await.unwrap();
        assert!(is_kept(&mut connection).await);
    }

    async fn a_flight_that_ends_a_transaction_says_that_it_was_over(url: &str) {
        let mut connection = with_notes(url).await;
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        connection.script("ROLLBACK").await.unwrap_or_else(|error| assert!(error.is_transaction_ended()));
        assert!(run(&mut connection, &[], ENDS).await.is_err_and(|error| error.is_transaction_ended()));
        connection.clean().await.unwrap();
        assert!(!is_kept(&mut connection).await);
    }

    async fn a_batch_does_not_go_on_where_its_transaction_ended(url: &str) {
        let mut connection = with_notes(url).await;
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        let ended = run(&mut connection, &["COMMIT", "DELETE FROM notes"], CONTINUES).await;
        if connection.dialect() == Dialect::Sqlite {
            let error = ended.unwrap_err();
            assert!(error.is_transaction_ended(), "{error}");
            assert!(error.to_string().contains("(in `COMMIT`)"), "{error}");
            assert!(run(&mut connection, &["DELETE FROM notes"], CONTINUES).await.is_err());
            connection.clean().await.unwrap();
            assert!(is_kept(&mut connection).await);
        }
    }

    async fn a_transaction_that_is_open_is_rolled_back_and_committed(url: &str) {
        let mut connection = with_notes(url).await;
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        connection.roll_back().await.unwrap();
        assert!(connection.is_clean());
        run(&mut connection, &[INSERT], BEGINS).await.unwrap();
        run(&mut connection, &[], ENDS).await.unwrap();
        assert!(is_kept(&mut connection).await);
    }
}

#[tokio::test]
async fn a_notice_of_a_statement_says_nothing_of_its_transaction() {
    let database = postgres().await.database("notices").await;
    let mut connection = with_notes(database.url()).await;
    // The code of COMMIT's own notice that there is no transaction.
    let notice = "DO $$ BEGIN RAISE WARNING USING MESSAGE = 'mine', ERRCODE = '25P01'; END $$";
    let whole = TransactionFraming { begin: Some(Begin::Write), ..ENDS };
    run(&mut connection, &[INSERT, notice], whole).await.unwrap();
    assert!(is_kept(&mut connection).await);
}
