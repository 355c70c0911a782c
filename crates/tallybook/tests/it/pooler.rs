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
async fn transaction_pooling_is_refused_with_what_to_change() {
    for settings in [TRANSACTION, "pool_mode = transaction", "pool_mode = statement"] {
        let (server, pooler) = through_pgbouncer("transaction_pooling", settings).await;
        let error = refused(&pooler.url(server.url())).await;
        assert!(error.is_connect() && !error.is_retryable(), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{}", pooler.port())), "{text}");
        assert!(text.contains("set `pool_mode = session`") && text.contains("pgbouncer.ini"), "{text}");
        assert!(text.contains("or connect to the server directly"), "{text}");
    }
}

/// As if the pooler had been too busy to be recognized at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_moved_meanwhile_runs_nothing_elsewhere() {
    let (server, pooler) = through_pgbouncer("moved_meanwhile", "").await;
    let url = pooler.url(server.url());
    let db = open_with(&url, |settings| settings.pool.size = 1).await;
    tokio::task::block_in_place(|| pooler.change(server.url(), TRANSACTION));
    let others = [connect(&url).await, connect(&url).await];
    let mut written = 0;
    let mut moved = None;
    for round in 0..100 {
        // They alternate between the server connections that were free last.
        let other = &others[round % 2];
        other.batch_execute("BEGIN").await.unwrap();
        match try_write(&db, format!("INSERT INTO notes VALUES ({round}, 'note {round}')")).await {
            Ok(_) => written += 1,
            Err(error) => moved = Some(error),
        }
        others[(round + 1) % 2].batch_execute("COMMIT").await.unwrap();
        if moved.is_some() {
            break;
        }
    }
    let error = moved.expect("another connection of the server was noticed");
    assert!(error.is_connect() && error.to_string().contains("set `pool_mode = session`"), "{error}");
    assert_eq!(count_notes(&open(server.url()).await).await, written);
    assert!(written > 0, "it worked as long as it was not moved");
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
