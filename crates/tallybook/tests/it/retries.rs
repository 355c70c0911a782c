//! Transactions that run again.

use std::future::Future;
use std::time::Duration;

use tallybook::{Database, ErrorKind, IsolationLevel, Result, Retries, all, execute, one, params};
use tallybook_testkit::postgres;

use crate::support::{open, open_with, read, try_write, with_notes, write};

const ACCOUNTS: i64 = 8;
const TASKS: i64 = 64;
const BALANCE: i64 = 100;

/// Moves an amount between two accounts, as far as there is enough. Reads first, so that READ COMMITTED would lose updates.
async fn transfer(db: &Database, from: i64, to: i64, amount: i64) -> Result<()> {
    let mut session = db.begin_with(IsolationLevel::Serializable).await?;
    let balance = |id: i64| one::<(i64,)>("SELECT balance FROM accounts WHERE id = $1", params![id]);
    let set = |id: i64, balance: i64| {
        execute("UPDATE accounts SET balance = $2 WHERE id = $1", params![id, balance])
    };
    let ((source,), (target,)) = session.run((balance(from), balance(to))).await?;
    if source >= amount {
        session.run((set(from, source - amount), set(to, target + amount))).await?;
    }
    session
        .run(execute("UPDATE accounts SET transfers = transfers + 1 WHERE id = $1", params![from]))
        .await?;
    session.commit().await.map(drop)
}

async fn transfer_surely(db: &Database, from: i64, to: i64, amount: i64) -> Result<()> {
    let mut retries = Retries::new().tries(u32::MAX).within(Duration::from_secs(600));
    loop {
        match transfer(db, from, to, amount).await {
            Err(error) if retries.again(&error).await => continue,
            done => return done,
        }
    }
}

/// Compiles for a future that a web server can run.
fn is_sendable<F: Future + Send>(future: F) -> F {
    future
}

tallybook_testkit::both_dialects! {
    async fn the_total_of_serializable_transfers_never_changes_and_every_task_finishes(url: &str) {
        let db = open_with(url, |settings| settings.pool.timeout = Duration::from_secs(300)).await;
        write(&db, "CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL, transfers bigint NOT NULL)")
            .await;
        for id in 0..ACCOUNTS {
            write(&db, format!("INSERT INTO accounts VALUES ({id}, {BALANCE}, 0)")).await;
        }
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(is_sendable(async move {
                    for round in 0..3 {
                        let from = (task + round) % ACCOUNTS;
                        let to = (from + 1 + (task + 3 * round) % (ACCOUNTS - 1)) % ACCOUNTS;
                        transfer_surely(&db, from, to, 1 + task % 7).await?;
                    }
                    Ok::<_, tallybook::Error>(())
                }))
            })
            .collect();
        for task in tasks {
            while !task.is_finished() {
                let sums = read::<(i64,)>(&db, "SELECT CAST(sum(balance) AS bigint) FROM accounts").await;
                assert_eq!(sums, [(ACCOUNTS * BALANCE,)]);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            task.await.unwrap().unwrap();
        }
        let totals = "SELECT CAST(sum(balance) AS bigint), CAST(sum(transfers) AS bigint) FROM accounts";
        assert_eq!(read::<(i64, i64)>(&db, totals).await, [(ACCOUNTS * BALANCE, 3 * TASKS)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_runs_again_after_a_conflict_and_not_after_a_mistake() {
    let database = postgres().await.database("a_transaction_runs_again").await;
    let db = with_notes(database.url()).await;
    write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
    // The first two tries meet another write.
    let attempt = async |number: u32| {
        let mut session = db.begin_with(IsolationLevel::RepeatableRead).await?;
        session.run(all::<(i64,)>("SELECT id FROM notes", params![])).await?;
        if number < 2 {
            write(&db, "UPDATE notes SET title = title || '.'").await;
        }
        session.run(execute("UPDATE notes SET title = title || '!'", params![])).await?;
        session.commit().await
    };
    let mut retries = Retries::new();
    let done = loop {
        match attempt(retries.failed()).await {
            Err(error) if retries.again(&error).await => continue,
            done => break done,
        }
    };
    done.unwrap();
    assert_eq!(retries.failed(), 2);
    assert_eq!(read::<(String,)>(&db, "SELECT title FROM notes").await, [("one..!".to_owned(),)]);
    // It gives up with the error of the last try.
    let mut retries = Retries::new().tries(2);
    let error = loop {
        match attempt(0).await {
            Err(error) if retries.again(&error).await => continue,
            done => break done.unwrap_err(),
        }
    };
    assert_eq!((error.kind(), retries.failed()), (ErrorKind::SerializationFailure, 2));
    // A mistake stays one.
    let mistake = try_write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await.unwrap_err();
    assert!(!Retries::new().again(&mistake).await);
    let book = tallybook::book::Error::from(error);
    assert!(Retries::new().again(book.database()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_runs_again_while_another_program_keeps_the_file_locked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("locked.db");
    let url = format!("sqlite:///{}", path.display());
    let db = open(&url).await;
    crate::support::create_notes(&db).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut retries = Retries::new();
    let mut is_first = true;
    let done = loop {
        match try_write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await {
            Err(error) if retries.again(&error).await => {
                assert_eq!(error.kind(), ErrorKind::Locked);
                if std::mem::take(&mut is_first) {
                    other.execute_batch("COMMIT").unwrap();
                }
            }
            done => break done,
        }
    };
    assert_eq!((done.unwrap(), retries.failed()), (1, 1));
}
