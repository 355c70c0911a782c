//! Whole transactions, alone and many at once.

use std::time::Duration;

use tallybook::{Database, Error, Execute, One, Result, execute, one, params};

use crate::support::{at_rest, count_notes, open, open_with, polled, read, with_notes, write};

fn insert(id: i64, title: &str) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, title])
}

fn title_of(id: i64) -> One<(String,)> {
    one("SELECT title FROM notes WHERE id = $1", params![id])
}

/// An error of one's own.
#[derive(Debug)]
enum Mine {
    Refused(String),
    Database(Error),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// Returns the runs of the statement with this text, and its failures.
fn calls(db: &Database, statement: &str) -> (u64, u64) {
    let report = db.report();
    let known = report.statements.iter().find(|known| known.statement.eq_ignore_ascii_case(statement));
    let failures = |known: &tallybook::StatementReport| known.failures.iter().map(|(_, count)| count).sum();
    known.map_or((0, 0), |known| (known.calls, failures(known)))
}

tallybook_testkit::both_dialects! {
    async fn a_batch_is_a_transaction_of_its_own(url: &str) {
        let db = with_notes(url).await;
        let committed = db.write_batch((insert(1, "one"), title_of(1))).await.unwrap();
        let mut session = db.read_after(&committed.token()).await.unwrap();
        assert_eq!(session.run(title_of(1)).await.unwrap().0, "one");
        drop(session);
        assert_eq!(committed.into_value(), (1, ("one".to_owned(),)));
        let error = db.write_batch((insert(2, "two"), insert(1, "again"))).await.unwrap_err();
        assert!(error.is_unique_violation() && !error.is_committed(), "{error:?}");
        assert_eq!(error.position(), Some(1));
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn the_second_batch_follows_from_the_first(url: &str) {
        let db = with_notes(url).await;
        let committed = db.write_batch_then((insert(1, "one"), title_of(1)), |(_, (title,))| -> Result<_> {
            Ok((vec![insert(2, &format!("{title} more")), insert(3, "three")], title))
        });
        assert_eq!(committed.await.unwrap().into_value(), ("one".to_owned(), vec![1, 1]));
        let titles = read::<(String,)>(&db, "SELECT title FROM notes ORDER BY id").await;
        assert_eq!(titles, ["one", "one more", "three"].map(|title| (title.to_owned(),)));
    }

    async fn an_error_of_ones_own_rolls_back_and_is_returned(url: &str) {
        let db = with_notes(url).await;
        let refused = db.write_batch_then((insert(1, "one"), title_of(1)), |(_, (title,))| {
            if title == "one" { Err(Mine::Refused(title)) } else { Ok(((), ())) }
        });
        assert!(matches!(refused.await, Err(Mine::Refused(title)) if title == "one"));
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn each_batch_of_a_whole_transaction_may_fail(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        let first = db.write_batch_then(insert(1, "again"), |_| -> Result<_, Mine> { Ok((insert(2, "two"), ())) });
        let error = first.await.unwrap_err();
        assert!(matches!(&error, Mine::Database(error) if error.is_unique_violation()), "{error:?}");
        let second = db.write_batch_then(insert(2, "two"), |_| -> Result<_, Mine> { Ok((insert(1, "again"), ())) });
        let error = second.await.unwrap_err();
        assert!(matches!(&error, Mine::Database(error) if error.is_unique_violation()), "{error:?}");
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn control_is_refused_in_either_batch(url: &str) {
        let db = with_notes(url).await;
        let commit = || execute("COMMIT", params![]);
        assert!(db.write_batch(commit()).await.unwrap_err().is_transaction_control());
        let second = db.write_batch_then(insert(1, "one"), move |_| Ok::<_, Error>((commit(), ()))).await;
        assert!(second.unwrap_err().is_transaction_control());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn an_invalid_parameter_is_refused_in_either_batch(url: &str) {
        let db = with_notes(url).await;
        let invalid = || execute("INSERT INTO notes (id, title) VALUES (1, $1)", params![f64::NAN]);
        assert!(db.write_batch(invalid()).await.unwrap_err().is_invalid_value());
        let second = db.write_batch_then(insert(1, "one"), move |_| Ok::<_, Error>((invalid(), ()))).await;
        assert!(second.unwrap_err().is_invalid_value());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_result_with_too_few_rows_says_whether_it_is_committed(url: &str) {
        let db = with_notes(url).await;
        let error = db.write_batch((insert(1, "one"), title_of(9))).await.unwrap_err();
        at_rest(&db).await;
        assert_eq!(error.is_committed(), count_notes(&db).await == 1, "{error:?}");
        let error = db.write_batch_then(insert(2, "two"), |_| Ok::<_, Error>((title_of(9), ()))).await.unwrap_err();
        at_rest(&db).await;
        let kept = read::<(i64,)>(&db, "SELECT count(*) FROM notes WHERE id = 2").await == [(1,)];
        assert_eq!(error.is_committed(), kept, "{error:?}");
    }

    async fn a_whole_transaction_inside_a_write_is_refused(url: &str) {
        let db = with_notes(url).await;
        let nested = db.write(async |session| -> Result<()> {
            session.run(insert(1, "one")).await?;
            db.write_batch(insert(2, "two")).await.map(drop)
        });
        assert!(nested.await.unwrap_err().is_nested_write());
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn many_at_once_do_not_hurt_each_other(url: &str) {
        let db = with_notes(url).await;
        let writers = (1..=60_i64).map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                let outcome = db.write_batch_then(insert(id, &format!("note {id}")), move |_| {
                    match id % 5 {
                        // The title is taken.
                        0 => Ok((insert(1_000 + id, &format!("note {id}")), ())),
                        1 => Err(Mine::Refused(id.to_string())),
                        2 => panic!("on purpose"),
                        _ => Ok((insert(1_000 + id, &format!("another {id}")), ())),
                    }
                });
                outcome.await.map(|committed| committed.into_value().1)
            })
        });
        let mut kept = Vec::new();
        for (id, writer) in (1..).zip(writers.collect::<Vec<_>>()) {
            match (id % 5, writer.await) {
                (0, Ok(Err(Mine::Database(error)))) => assert!(error.is_unique_violation(), "{error:?}"),
                (1, Ok(Err(Mine::Refused(refused)))) => assert_eq!(refused, id.to_string()),
                (2, Err(panic)) => assert!(panic.is_panic()),
                (3 | 4, Ok(Ok(1))) => kept.push((id,)),
                (_, other) => panic!("{id}: {other:?}"),
            }
        }
        db.close().await;
        let again = open(url).await;
        assert_eq!(read::<(i64,)>(&again, "SELECT id FROM notes WHERE id < 1000 ORDER BY id").await, kept);
        assert_eq!(count_notes(&again).await, 2 * kept.len() as i64);
    }

    async fn a_dropped_whole_transaction_leaves_all_or_nothing_and_hurts_nobody(url: &str) {
        let db = with_notes(url).await;
        for polls in 1..40_i64 {
            let id = 10 * polls;
            let cancelled = db.write_batch_then(insert(id, &format!("cancelled {id}")), move |_| {
                Ok::<_, Error>((insert(id + 1, &format!("cancelled {}", id + 1)), ()))
            });
            let (_, others) = tokio::join!(
                polled(polls as usize % 13 + 1, cancelled),
                futures_util::future::join_all((2..6).map(|other| {
                    db.write_batch(insert(id + other, &format!("other {}", id + other)))
                })),
            );
            for other in others {
                assert_eq!(other.unwrap().into_value(), 1);
            }
        }
        at_rest(&db).await;
        let torn = "SELECT count(*) FROM notes WHERE title LIKE 'cancelled%' GROUP BY id / 10 HAVING count(*) <> 2";
        assert_eq!(read::<(i64,)>(&db, torn).await, []);
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM notes WHERE title LIKE 'other%'").await, [(39 * 4,)]);
    }

    async fn each_statement_and_the_commit_are_counted(url: &str) {
        let db = with_notes(url).await;
        let before = calls(&db, "COMMIT").0;
        for id in [1, 2] {
            let written = db.write_batch_then(insert(id, &format!("note {id}")), move |_| {
                Ok::<_, Error>((title_of(id), ()))
            });
            written.await.unwrap();
        }
        db.write_batch(insert(2, "again")).await.unwrap_err();
        let insert = "INSERT INTO notes (id, title) VALUES (?)";
        let found = db.report().statements.iter().map(|known| known.statement.clone()).collect::<Vec<_>>();
        let insert = found.iter().find(|text| text.starts_with("insert into notes") || text.starts_with(insert));
        assert_eq!(calls(&db, insert.unwrap()), (2, 1), "{found:?}");
        let select = found.iter().find(|text| text.to_lowercase().starts_with("select title from notes"));
        assert_eq!(calls(&db, select.unwrap()), (2, 0), "{found:?}");
        assert_eq!(calls(&db, "COMMIT").0 - before, 2);
    }
}

#[tokio::test]
async fn a_whole_transaction_that_waits_too_long_is_withdrawn() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", directory.path().join("waits.db").display());
    let db = open_with(&url, |settings| settings.pool.timeout = Duration::from_millis(50)).await;
    crate::support::create_notes(&db).await;
    let mut held = db.begin().await.unwrap();
    held.run(insert(1, "one")).await.unwrap();
    let error = db.write_batch(insert(2, "two")).await.unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
    held.commit().await.unwrap();
    db.write_batch(insert(3, "three")).await.unwrap();
    assert_eq!(read::<(i64,)>(&db, "SELECT id FROM notes ORDER BY id").await, [(1,), (3,)]);
}

/// More than a group takes.
#[tokio::test]
async fn everyone_in_a_long_queue_has_a_turn() {
    let directory = tempfile::tempdir().unwrap();
    let db = with_notes(&format!("sqlite:///{}", directory.path().join("long.db").display())).await;
    let held = db.begin().await.unwrap();
    let mut writers: Vec<_> =
        (1..=150_i64).map(|id| Box::pin(db.write_batch(insert(id, &format!("note {id}"))))).collect();
    for writer in &mut writers {
        assert!(polled(1, writer).await.is_none(), "it waits");
    }
    drop(held);
    for writer in futures_util::future::join_all(writers).await {
        assert_eq!(writer.unwrap().into_value(), 1);
    }
    assert_eq!(count_notes(&db).await, 150);
}

#[tokio::test]
async fn the_whole_transactions_that_wait_for_one_writer_share_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shared.db");
    let db = with_notes(&format!("sqlite:///{}", path.display())).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    let changes = || other.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let held = db.begin().await.unwrap();
    let mut writers: Vec<_> =
        (1..=20_i64).map(|id| Box::pin(db.write_batch(insert(id, &format!("note {id}"))))).collect();
    for writer in &mut writers {
        assert!(polled(1, writer).await.is_none(), "it waits");
    }
    assert_eq!(db.pools()[0].waiting, 20);
    let before = changes();
    drop(held);
    for writer in futures_util::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(count_notes(&db).await, 20);
    assert_eq!(changes(), before + 1, "one commit");
}
