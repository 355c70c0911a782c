//! The number of connections, and which of them are replaced.

use std::time::Duration;

use tallybook::{
    AcquireStep, CloseReason, Database, Dialect, PoolStatus, ReadSession, Settings, execute, one, params,
};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{count_notes, create_notes, eventually, open, open_with, read, try_read};
use crate::support::{with_notes, write};

/// Two connections are kept, and one more is opened on demand.
fn small(settings: &mut Settings) {
    settings.pool.size = 2;
    settings.pool.max_overflow = 1;
    // Short, because some tests wait for it; long enough to connect on a busy machine.
    settings.pool.timeout = Duration::from_secs(3);
}

/// Returns the pool that reads use.
fn readers(db: &Database) -> PoolStatus {
    db.pools().pop().unwrap()
}

async fn take(db: &Database, sessions: usize) -> Vec<ReadSession> {
    let mut taken = Vec::new();
    for _ in 0..sessions {
        taken.push(db.read().await.unwrap());
    }
    taken
}

tallybook_testkit::both_dialects! {
    async fn size_and_overflow_limit_what_is_lent_and_size_what_is_kept(url: &str) {
        let db = open_with(url, small).await;
        let taken = take(&db, 3).await;
        let status = readers(&db);
        assert_eq!((status.limit, status.in_use, status.idle, status.waiting), (3, 3, 0, 0));
        assert!(db.read().await.is_err());
        drop(taken);
        assert_eq!(readers(&db).in_use, 0);
        let closed = async || readers(&db).totals.closed.by(CloseReason::Overflow) == 1;
        eventually("the third lingers and is closed", closed).await;
        let status = readers(&db);
        assert_eq!((status.idle, status.overflow), (2, 0));
    }

    async fn bursts_beyond_the_size_use_the_same_connections_again(url: &str) {
        const BURSTS: u64 = 40;
        let db = open_with(url, small).await;
        for _ in 0..BURSTS {
            drop(take(&db, 3).await);
        }
        // One more a burst if each return closed the third; on a machine that stalls, a few.
        let created = readers(&db).totals.created;
        assert!(created < 3 + BURSTS / 2, "{created} connections for {BURSTS} bursts");
    }

    async fn each_burst_after_a_rest_opens_one_and_closes_it_when_it_was_not_needed(url: &str) {
        let db = open_with(url, small).await;
        let mut taken = take(&db, 3).await;
        let held = taken.pop().unwrap();
        drop(taken);
        let status = readers(&db);
        assert_eq!((status.in_use, status.idle, status.overflow), (1, 2, 1));
        drop(held);
        eventually("one is closed", async || readers(&db).totals.closed.total() == 1).await;
        drop(take(&db, 3).await);
        eventually("one is closed again", async || readers(&db).totals.closed.total() == 2).await;
        let totals = readers(&db).totals;
        assert_eq!((totals.created, totals.closed.by(CloseReason::Overflow)), (4, 2));
    }

    async fn a_time_out_says_what_it_waited_for_and_how_it_stands(url: &str) {
        let db = open_with(url, small).await;
        let taken = take(&db, 3).await;
        let error = db.read().await.expect_err("all are taken");
        assert!(error.is_timeout() && error.is_retryable() && !error.is_connect(), "{error}");
        assert_eq!(error.timed_out_step(), Some(AcquireStep::Waiting));
        let name = readers(&db).name;
        let expected = format!(
            "timed out after 3.0 s while waiting for a connection: 3 of 3 {name} connections in use, 0 idle, \
             1 waiting; the longest holder has had one for "
        );
        let text = error.to_string();
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains(&format!(" s, taken at {}:", file!())), "{text}");
        drop(taken);
        assert!(db.read().await.is_ok());
        assert_eq!(readers(&db).waiting, 0);
    }

    async fn who_waits_is_served_when_a_connection_comes_back_and_in_order(url: &str) {
        let db = open_with(url, |settings| {
            settings.pool.size = 1;
            settings.pool.max_overflow = 0;
        })
        .await;
        let held = db.read().await.unwrap();
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        for number in 1..=5 {
            let (waits, served) = (db.clone(), served.clone());
            tokio::spawn(async move {
                let _session = waits.read().await.unwrap();
                served.send(number).unwrap();
            });
            eventually("it waits", async || readers(&db).waiting == number).await;
        }
        drop(held);
        for number in 1..=5 {
            assert_eq!(order.recv().await, Some(number));
        }
    }

    async fn an_old_connection_is_replaced_and_a_young_one_is_not(url: &str) {
        for (recycle, replaced) in [(None, false), (Some(Duration::from_millis(50)), true)] {
            let db = open_with(url, |settings| settings.pool.recycle = recycle).await;
            let made = || db.pools().iter().map(|pool| pool.totals.created).sum::<u64>();
            let nothing = || one::<(i64,)>("SELECT count(*) FROM (SELECT 1) AS single", params![]);
            db.write(async |session| session.run(nothing()).await).await.unwrap();
            let before = made();
            tokio::time::sleep(Duration::from_millis(60)).await; // its age is the point
            db.write(async |session| session.run(nothing()).await).await.unwrap();
            assert_eq!(made() > before, replaced, "{recycle:?}");
        }
    }

    async fn many_writers_queue_and_none_finds_the_database_locked(url: &str) {
        let db = with_notes(url).await;
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let db = db.clone();
                tokio::spawn(async move {
                    for note in 0..20 {
                        let id = writer * 100 + note;
                        let insert = execute(
                            "INSERT INTO notes (id, title) VALUES ($1, $2)",
                            params![id, format!("note {id}")],
                        );
                        let mut session = db.begin().await.unwrap();
                        session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await.unwrap();
                        session.run(insert).await.unwrap();
                        session.commit().await.unwrap();
                        count_notes(&db).await;
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(count_notes(&db).await, 160);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_the_sessions_and_leaves_one_tidy_file() {
    let file = tallybook_testkit::SqliteFile::new("closing");
    let db = with_notes(&file.url()).await;
    let mut session = db.begin().await.unwrap();
    let insert = execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![]);
    session.run(insert).await.unwrap();
    let (closing, waiting) = (db.clone(), db.read().await.unwrap());
    let closing = tokio::spawn(async move { closing.close().await });
    drop(waiting);
    session.commit().await.unwrap();
    closing.await.unwrap();
    let error = db.read().await.expect_err("it is closed");
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(std::fs::read_dir(file.path().parent().unwrap()).unwrap().count(), 1);
    assert_eq!(count_notes(&open(&file.url()).await).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_has_one_writer_and_concurrent_readers() {
    let file = tallybook_testkit::SqliteFile::new("one_writer");
    let db = open_with(&file.url(), small).await;
    create_notes(&db).await;
    let mut writing = db.begin().await.unwrap();
    let insert = execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![]);
    writing.run(insert).await.unwrap();
    assert_eq!(count_notes(&db).await, 0, "reads do not wait for the writer");
    let error = db.begin().await.expect_err("there is one writer");
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Waiting));
    assert!(error.to_string().contains("1 of 1 writer connections in use"), "{error}");
    writing.commit().await.unwrap();
    assert!(db.begin().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_write_one_sqlite_file_in_turns() {
    let file = tallybook_testkit::SqliteFile::new("two_programs");
    let db = with_notes(&file.url()).await;
    let other = open(&file.url()).await;
    assert_eq!(other.dialect(), Dialect::Sqlite);
    let writers = [(db.clone(), 0), (other, 1_000)].map(|(db, first)| {
        tokio::spawn(async move {
            for id in first..first + 50 {
                write(&db, format!("INSERT INTO notes (id, title) VALUES ({id}, 'note {id}')")).await;
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(count_notes(&db).await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ended_are_replaced_unseen() {
    let database = postgres().await.database("connections_that").await;
    let db = open_with(database.url(), small).await;
    let admin = open(database.url()).await;
    let pid = async |db: &Database| read::<(i64,)>(db, "SELECT pg_backend_pid()").await[0].0;
    let before = pid(&db).await;
    // Both within the time in which a connection is assumed to be alive, and after it.
    for wait in [Duration::from_millis(50), Duration::from_millis(600)] {
        let victim = pid(&db).await;
        read::<(bool,)>(&admin, format!("SELECT pg_terminate_backend({victim}, 5000)")).await;
        tokio::time::sleep(wait).await;
        let after = pid(&db).await;
        assert!(after != victim && after != before);
    }
    assert_eq!(readers(&db).in_use, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fell_silent_is_found_by_the_ping_and_replaced() {
    let database = postgres().await.database("a_connection_that").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open(&proxy.url(database.url())).await;
    let first = read::<(i64,)>(&db, "SELECT pg_backend_pid()").await;
    proxy.set(Mode::Silent).await;
    tokio::time::sleep(Duration::from_millis(600)).await; // idle for longer than is not pinged
    // The ping gets no answer; the next connection will be a new one.
    let (second, ()) = tokio::join!(read::<(i64,)>(&db, "SELECT pg_backend_pid()"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.set(Mode::Relay).await;
    });
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_keeps_to_the_time_out_of_the_pool() {
    let database = postgres().await.database("a_ping_keeps").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| {
        settings.pool.timeout = Duration::from_secs(2);
    })
    .await;
    proxy.set(Mode::Silent).await;
    tokio::time::sleep(Duration::from_millis(600)).await; // idle for longer than is not pinged
    let error = try_read::<(i64,)>(&db, "SELECT 1").await.unwrap_err();
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Pinging), "{error}");
    assert!(error.to_string().contains("while checking a kept connection"), "{error}");
}
