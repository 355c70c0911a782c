//! Through a real PgBouncer.

use tallybook::migrate::{Migrator, Revision, Target};
use tallybook::{Database, Error, Settings, all, execute, one, params};
use tallybook_testkit::{Database as Server, PgBouncer, postgres};
use tokio_postgres::NoTls;

use crate::support::{at_rest, count_notes, create_notes, eventually, open, open_with, read, try_write};

const IGNORE: &str = "ignore_startup_parameters = options";
const TRANSACTION: &str = "pool_mode = transaction\nignore_startup_parameters = options";

/// A database with an empty table `notes` and unusual session defaults, and PgBouncer in front of it.
async fn through_pgbouncer(name: &str, settings: &str) -> (Server, PgBouncer) {
    let server = postgres().await.database(name).await;
    create_notes(&open(server.url()).await).await;
    let foreign = [
        ("timezone", "'Asia/Tokyo'"),
        ("default_transaction_read_only", "off"),
        ("statement_timeout", "'1h'"),
    ];
    for (name, value) in foreign {
        run(server.url(), &format!("ALTER DATABASE \"{}\" SET {name} = {value}", server.name())).await;
    }
    let pooler = tokio::task::block_in_place(|| PgBouncer::start(server.url(), settings));
    (server, pooler)
}

/// A statement of another program.
async fn run(url: &str, sql: &str) {
    connect(url).await.batch_execute(sql).await.unwrap();
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn refused(url: &str) -> Error {
    Database::open(Settings::new(url).unwrap())
        .await
        .expect_err("a pooler that gives each transaction another server")
}

async fn setting(db: &Database, name: &str) -> String {
    read::<(String,)>(db, format!("SELECT current_setting('{name}')")).await.remove(0).0
}

/// Reads and writes through two connections at once, with all settings as without a pooler.
async fn works_as_directly(url: &str) {
    let db = open(&format!("{url}?options=-csearch_path%3Dpublic,pg_temp&statement_timeout=5s")).await;
    for (name, value) in [
        ("TimeZone", "UTC"),
        ("default_transaction_read_only", "on"),
        ("search_path", "public,pg_temp"),
        ("statement_timeout", "5s"),
    ] {
        assert_eq!(setting(&db, name).await, value, "{name}");
    }
    let (mut first, mut second) = (db.read().await.unwrap(), db.read().await.unwrap());
    for session in [&mut first, &mut second] {
        let sql =
            "WITH made AS (INSERT INTO notes VALUES (9, 'nine') RETURNING id) SELECT id::bigint FROM made";
        let error = session.run(all::<(i64,)>(sql, params![])).await.unwrap_err();
        assert!(error.is_read_only(), "{error}");
        let one: (i64,) = session.run(one("SELECT 1::bigint", params![])).await.unwrap();
        assert_eq!(one, (1,));
    }
    drop((first, second));
    let mut session = db.begin().await.unwrap();
    session.run(execute("INSERT INTO notes VALUES ($1, $2)", params![1, "one"])).await.unwrap();
    session.run(execute("INSERT INTO notes VALUES ($1, $2)", params![2, "two"])).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(count_notes(&db).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_work_as_pgbouncer_comes() {
    let (server, pooler) = through_pgbouncer("as_pgbouncer_comes", "").await;
    works_as_directly(&pooler.url(server.url())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_work_where_startup_parameters_are_ignored() {
    let (server, pooler) = through_pgbouncer("parameters_ignored", IGNORE).await;
    works_as_directly(&pooler.url(server.url())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_work_where_each_transaction_has_another_server_connection() {
    for settings in [TRANSACTION, "pool_mode = transaction"] {
        let (server, pooler) = through_pgbouncer("transaction_pooling", settings).await;
        works_as_directly(&pooler.url(server.url())).await;
    }
}

/// Two connections of the server for twenty tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_share_server_connections_in_transaction_mode_and_mix_nothing_up() {
    let settings = format!("{TRANSACTION}\ndefault_pool_size = 2");
    let (server, pooler) = through_pgbouncer("transactions_mixed", &settings).await;
    let db = open_with(&pooler.url(server.url()), |settings| settings.pool.size = 10).await;
    let tasks = (0..20).map(|task: i64| {
        let db = db.clone();
        tokio::spawn(async move {
            for note in task * 10..task * 10 + 10 {
                let insert = execute("INSERT INTO notes VALUES ($1, 'note ' || $1)", params![note]);
                let mut session = db.begin().await.unwrap();
                session.run(insert).await.unwrap();
                session.commit().await.unwrap();
                let batch = (
                    one::<(i64,)>("SELECT id::bigint FROM notes WHERE id = $1", params![note]),
                    one::<(String,)>(
                        "SELECT title || current_setting('TimeZone') FROM notes WHERE id = $1",
                        params![note],
                    ),
                );
                let ((id,), (title,)) = db.read().await.unwrap().run(batch).await.unwrap();
                assert_eq!((id, title), (note, format!("note {note}UTC")));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let mut session = db.read().await.unwrap();
    let query = all::<(i64,)>("SELECT id::bigint FROM notes ORDER BY id", params![]);
    let mut rows = session.stream(query).await.unwrap();
    let mut next = 0;
    while let Some(row) = rows.next().await {
        let (id,) = row.unwrap();
        assert_eq!(id, next);
        next += 1;
    }
    assert_eq!(next, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_programs_meet_none_of_our_settings_in_transaction_mode() {
    let settings = format!("{TRANSACTION}\ndefault_pool_size = 1");
    let (server, pooler) = through_pgbouncer("transactions_of_others", &settings).await;
    let url = pooler.url(server.url());
    let db = open(&url).await;
    assert_eq!(setting(&db, "TimeZone").await, "UTC");
    try_write(&db, "INSERT INTO notes VALUES (1, 'one')").await.unwrap();
    let other = connect(&url).await;
    let row = other
        .simple_query(
            "SELECT current_setting('TimeZone'), current_setting('default_transaction_read_only'), \
                    current_setting('default_transaction_isolation'), current_setting('statement_timeout')",
        )
        .await
        .unwrap();
    let tokio_postgres::SimpleQueryMessage::Row(row) = &row[1] else { panic!("{row:?}") };
    let found: Vec<_> = (0..4).map(|column| row.get(column).unwrap()).collect();
    assert_eq!(found, ["Asia/Tokyo", "off", "read committed", "1h"]);
    other.batch_execute("INSERT INTO notes VALUES (2, 'two')").await.unwrap();
    assert_eq!(count_notes(&db).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_outlast_its_transaction_is_refused_in_transaction_mode() {
    let (server, pooler) = through_pgbouncer("transaction_state", TRANSACTION).await;
    let db = open(&pooler.url(server.url())).await;
    for leaves in [
        "SET work_mem = '1MB'",
        "CREATE TEMPORARY TABLE own (id integer)",
        "SELECT pg_advisory_lock(1)",
        "LISTEN trades",
        "PREPARE own AS SELECT 1",
    ] {
        let error = try_write(&db, leaves).await.unwrap_err();
        let text = error.to_string();
        assert!(error.is_invalid_value() && text.contains(leaves), "{error:?}");
        assert!(text.contains("pg_advisory_xact_lock") && text.contains("`pool_mode = session`"), "{text}");
    }
    let lock = all::<(String,)>("SELECT pg_advisory_lock(1)::text", params![]);
    let mut session = db.read().await.unwrap();
    let error = session.stream(lock).await.map(drop).unwrap_err();
    assert!(error.is_invalid_value(), "{error:?}");
    drop(session);
    for ends in ["SET LOCAL work_mem = '1MB'", "SELECT pg_advisory_xact_lock(1)"] {
        try_write(&db, ends).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_are_refused_in_transaction_mode_with_what_to_change() {
    let (server, pooler) = through_pgbouncer("transaction_migrations", TRANSACTION).await;
    let revisions = [Revision::from_sql("0001_more.up.sql", "CREATE TABLE more (id integer)", None).unwrap()];
    let db = open(&pooler.url(server.url())).await;
    let error = Migrator::new(&db, &revisions).upgrade(&Target::Head).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{}", pooler.port())), "{text}");
    assert!(text.contains("set `pool_mode = session`") && text.contains("pgbouncer.ini"), "{text}");
    assert!(text.contains("or connect to the server directly"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_pooling_is_refused_with_what_to_change() {
    let (server, pooler) = through_pgbouncer("statement_pooling", "pool_mode = statement").await;
    let error = refused(&pooler.url(server.url())).await;
    assert!(error.is_connect() && !error.is_retryable(), "{error}");
    let text = error.to_string();
    assert!(text.contains("set `pool_mode = session` or `transaction`"), "{text}");
}

/// As if the pooler had been too busy to be recognized at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_moved_meanwhile_runs_nothing_elsewhere_and_the_next_works() {
    let (server, pooler) = through_pgbouncer("moved_meanwhile", "").await;
    let url = pooler.url(server.url());
    let db = open_with(&url, |settings| settings.pool.size = 1).await;
    tokio::task::block_in_place(|| pooler.change(server.url(), TRANSACTION));
    let others = [connect(&url).await, connect(&url).await];
    let mut written = 0;
    let mut moved = Vec::new();
    for round in 0..100 {
        // They alternate between the server connections that were free last.
        let other = &others[round % 2];
        other.batch_execute("BEGIN").await.unwrap();
        match try_write(&db, format!("INSERT INTO notes VALUES ({round}, 'note {round}')")).await {
            Ok(_) => written += 1,
            Err(error) => moved.push(error),
        }
        others[(round + 1) % 2].batch_execute("COMMIT").await.unwrap();
    }
    let [error] = &moved[..] else { panic!("{moved:?}") };
    assert!(error.is_connect() && error.to_string().contains("nothing ran"), "{error}");
    assert_eq!((count_notes(&open(server.url()).await).await, written), (99, 99));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_statement_cache_nothing_is_prepared_on_the_server() {
    let server = postgres().await.database("no_statement_cache").await;
    for (size, prepared) in [(0, 0), (1, 1), (256, 3)] {
        let db = open_with(server.url(), |settings| {
            settings.statement_cache_size = size;
            settings.pool.size = 1;
        })
        .await;
        let mut session = db.read().await.unwrap();
        for _ in 0..3 {
            for number in [1, 2, 3] {
                let query = one::<(i64,)>(format!("SELECT $1::bigint + {number}"), params![1]);
                assert_eq!(session.run(query).await.unwrap(), (1 + number,));
            }
        }
        drop(session);
        let count =
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::bigint + %'";
        assert_eq!(read::<(i64,)>(&db, count).await, [(prepared,)], "a cache of {size}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_is_prepared_under_a_name_that_another_process_may_have() {
    let (server, pooler) = through_pgbouncer("names", "server_reset_query =").await;
    let url = pooler.url(server.url());
    {
        // It leaves statements under the names that tokio-postgres uses in every process.
        let other = connect(&url).await;
        for number in 0..500 {
            other.batch_execute(&format!("PREPARE s{number} AS SELECT 'of another process'")).await.unwrap();
        }
    }
    let db = open(&url).await;
    for _ in 0..3 {
        assert_eq!(count_notes(&db).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_statement_is_cancelled_and_no_other() {
    let (server, pooler) = through_pgbouncer("cancelled", "").await;
    let db = open(&pooler.url(server.url())).await;
    let bystander = db.clone();
    let mut other = bystander.read().await.unwrap();
    let other = tokio::spawn(async move {
        other.run(one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(3)", params![])).await
    });
    let watcher = open(server.url()).await;
    let sleeping = async |seconds: u32| -> bool {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
             AND query LIKE '%pg_sleep({seconds})%' AND pid <> pg_backend_pid()"
        );
        read::<(i64,)>(&watcher, sql).await[0].0 > 0
    };
    let mut session = db.read().await.unwrap();
    let long = tokio::spawn(async move {
        session.run(one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(600)", params![])).await
    });
    eventually("both run", async || sleeping(600).await && sleeping(3).await).await;
    long.abort();
    eventually("the dropped one ended", async || !sleeping(600).await).await;
    assert_eq!(other.await.unwrap().unwrap(), (1,));
    at_rest(&db).await;
    assert_eq!(count_notes(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_run_with_their_own_settings() {
    for settings in ["", IGNORE] {
        let (server, pooler) = through_pgbouncer("migrations", settings).await;
        let sql = "CREATE TABLE moments (at timestamp); INSERT INTO moments VALUES (timestamptz '2025-01-01 00:00:00Z')";
        let revisions = [Revision::from_sql("0001_moments.up.sql", sql, None).unwrap()];
        let db = open(&pooler.url(server.url())).await;
        Migrator::new(&db, &revisions).upgrade(&Target::Head).await.unwrap();
        assert_eq!(
            read::<(String,)>(&db, "SELECT at::text FROM moments").await,
            [("2025-01-01 00:00:00".to_owned(),)]
        );
    }
}
