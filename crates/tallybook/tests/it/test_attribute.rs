//! `#[tallybook::test]`: a database for each test, on both dialects.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Barrier;

use tallybook::book::{self, NewPortfolio, Portfolios, REVISIONS};
use tallybook::migrate::{Column, DEFAULT_HISTORY, Migrator, Revision, Step, Type};
use tallybook::test::{History, postgres_at, sqlite};
use tallybook::{All, Database, Dialect, all, execute, one, params};
use tallybook_testkit::Database as Server;
use tokio::runtime::Builder;

const NOTES: &[Column] = &[Column::new("id", Type::Id), Column::new("text", Type::Text)];
const DESK: &[Revision] = &[Revision::new("0001", "notes", &[Step::table("notes", NOTES)])];
const ALL: [History; 2] = [(DEFAULT_HISTORY, REVISIONS), ("desk", DESK)];
const BOOK: [History; 1] = [(DEFAULT_HISTORY, REVISIONS)];

#[tallybook::test]
async fn a_portfolio_is_kept(db: Database) -> book::Result<()> {
    let new = NewPortfolio::new("pension");
    let kept = db.write(async |session| Portfolios::new(session).create(&new).await).await?.into_value();
    let read = Portfolios::new(&mut db.read().await?).get(kept.id).await?;
    assert_eq!(read, Some(kept));
    assert!(Migrator::new(&db, REVISIONS).check().await?.iter().all(|one| !one.is_blocking()));
    Ok(())
}

#[tallybook::test(migrations = DESK)]
async fn other_revisions_are_applied(db: Database) {
    assert_eq!(Migrator::new(&db, DESK).current().await.unwrap(), Some("0001"));
    assert_eq!(count(&db, "notes").await, 0);
    assert!(db.read().await.unwrap().run(all::<(i64,)>("SELECT id FROM trades", params![])).await.is_err());
}

#[tallybook::test(migrations = ALL)]
async fn several_histories_are_applied(db: Database) {
    assert_eq!(Migrator::new(&db, REVISIONS).current().await.unwrap(), Some("0003"));
    assert_eq!(Migrator::named(&db, "desk", DESK).current().await.unwrap(), Some("0001"));
}

#[tallybook::test(empty)]
async fn an_empty_database_has_no_tables(db: Database) {
    let tables = match db.dialect() {
        Dialect::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()",
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_master",
    };
    assert_eq!(db.read().await.unwrap().run(one::<(i64,)>(tables, params![])).await.unwrap().0, 0);
}

#[tallybook::test]
async fn tasks_run_on_other_threads(db: Database) {
    let task = tokio::spawn(async move { count(&db, "trades").await });
    assert_eq!(task.await.unwrap(), 0);
}

#[tallybook::test]
#[should_panic(expected = "as it should")]
async fn a_panic_may_be_expected(_db: Database) {
    panic!("as it should");
}

#[tallybook::test]
#[ignore = "another test runs it"]
async fn it_fails(db: Database) {
    assert_eq!(count(&db, "trades").await, 1, "it has rows");
}

async fn count(db: &Database, table: &str) -> i64 {
    let query = one::<(i64,)>(format!("SELECT count(*) FROM {table}"), params![]);
    db.read().await.unwrap().run(query).await.unwrap().0
}

/// Runs the generated tests of this file as another program would, and returns its exit code and what it printed.
fn run_tests(filter: &str, server: Option<&str>) -> (Option<i32>, String) {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args([filter, "--include-ignored", "--test-threads=2"]);
    match server {
        Some(url) => program.env("TALLYBOOK_TEST_POSTGRES_URL", url),
        None => program.env_remove("TALLYBOOK_TEST_POSTGRES_URL"),
    };
    let output = program.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts a server, with a database that tests connect to.
fn server(name: &str) -> (tokio::runtime::Runtime, Server) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let database = runtime.block_on(async { tallybook_testkit::postgres().await.database(name).await });
    (runtime, database)
}

/// Returns the databases of the server whose names contain a text.
fn databases(url: &str, text: &str) -> Vec<String> {
    names(
        url,
        all("SELECT datname::text FROM pg_database WHERE strpos(datname, $1) > 0 ORDER BY 1", params![text]),
    )
}

/// Returns the templates that are complete and stand there unfinished too. Other tests may be building theirs.
fn templates_made_twice(url: &str) -> Vec<String> {
    names(
        url,
        all(
            "SELECT whole.datname::text FROM pg_database AS whole JOIN pg_database AS part
             ON part.datname = replace(whole.datname, 'template', 'unfinished')
             WHERE whole.datname LIKE 'tallybook\\_template\\_%'",
            params![],
        ),
    )
}

fn names(url: &str, query: All<(String,)>) -> Vec<String> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = crate::support::open(url).await;
        let names = db.read().await.unwrap().run(query).await.unwrap();
        names.into_iter().map(|(name,)| name).collect()
    })
}

/// Returns the name of the database of a session.
async fn current_database(db: &Database) -> String {
    db.read()
        .await
        .unwrap()
        .run(one::<(String,)>("SELECT current_database()::text", params![]))
        .await
        .unwrap()
        .0
}

#[test]
fn the_generated_tests_run_on_a_server() {
    let (_runtime, server) = server("attribute_server");
    for test in
        ["a_portfolio_is_kept", "other_revisions", "several_histories", "an_empty_database", "a_panic_may"]
    {
        let (code, printed) = run_tests(&format!("test_attribute::{test}"), Some(server.url()));
        assert!(printed.contains("test result: ok. 2 passed"), "{printed}");
        assert_eq!(code, Some(0));
    }
    assert_eq!(databases(server.url(), "tallybook_test_it__test_attribute__an_empty"), [""; 0]);
}

#[test]
fn a_test_that_fails_drops_its_database_and_shows_its_message() {
    let (_runtime, server) = server("failing_server");
    let (code, printed) = run_tests("test_attribute::it_fails", Some(server.url()));
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("test result: FAILED. 0 passed; 2 failed"), "{printed}");
    assert_eq!(printed.matches("it has rows").count(), 2, "{printed}");
    assert_eq!(databases(server.url(), "it_fails"), [""; 0]);
}

#[test]
fn a_test_without_a_server_fails_and_says_why_if_it_is_run_nevertheless() {
    let (code, printed) = run_tests("test_attribute::an_empty_database_has_no_tables::postgres", None);
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("TALLYBOOK_TEST_POSTGRES_URL is not set"), "{printed}");
    assert!(printed.contains("nothing was tested"), "{printed}");
}

#[test]
fn the_database_is_named_after_the_test_and_dropped_after_it() {
    let (_runtime, server) = server("named_server");
    let name = postgres_at(server.url(), "it::orders::An_Order_is_filled", &BOOK, async |db| {
        assert_eq!(count(&db, "trades").await, 0);
        current_database(&db).await
    });
    assert!(name.starts_with("tallybook_test_it__orders__an_order_is_filled_"), "{name}");
    assert_eq!(databases(server.url(), "an_order_is_filled"), [""; 0]);
}

#[test]
fn a_long_name_keeps_its_end() {
    let (_runtime, server) = server("long_server");
    let test = format!("it::{}::Ünd_the_end_tells_it", "long".repeat(30));
    let name = postgres_at(server.url(), &test, &[], async |db| current_database(&db).await);
    assert_eq!(name.len(), 63);
    assert!(name.starts_with("tallybook_test_") && name.contains("_nd_the_end_tells_it_"), "{name}");
}

#[test]
fn a_panic_drops_the_database_while_a_task_uses_it() {
    let (_runtime, server) = server("panic_server");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        postgres_at(server.url(), "it_panics_meanwhile", &[], async |db| {
            let mut session = db.begin().await.unwrap();
            tokio::spawn(async move {
                let _ = session.run(execute("SELECT pg_sleep(600)", params![])).await;
            });
            panic!("half-way");
        });
    }));
    let message = *panicked.map(|()| unreachable!()).unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "half-way");
    assert_eq!(databases(server.url(), "it_panics_meanwhile"), [""; 0]);
}

#[test]
fn two_tests_in_parallel_have_two_databases_from_one_template() {
    let (_runtime, server) = server("parallel_server");
    let both = Barrier::new(2);
    let test = |title: &'static str| {
        postgres_at(server.url(), "in_parallel", &BOOK, async |db| {
            let new = NewPortfolio::new(title);
            db.write(async |session| Portfolios::new(session).create(&new).await).await.unwrap();
            both.wait();
            (current_database(&db).await, count(&db, "portfolios").await)
        })
    };
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| test("other"));
        (test("one"), other.join().unwrap())
    });
    assert_eq!((one.1, other.1), (1, 1));
    assert_ne!(one.0, other.0);
    assert_eq!(templates_made_twice(server.url()), [""; 0]);
}

#[test]
fn a_url_that_names_its_database_in_a_parameter_is_refused() {
    let panicked = catch_unwind(|| {
        postgres_at("postgresql://ada@127.0.0.1:1/book?dbname=other", "refused", &[], async |_| {});
    });
    assert!(panicked.is_err());
}

#[test]
fn the_file_of_a_test_is_removed_and_no_other_test_has_it() {
    let file = |panics: bool| {
        let mut seen = PathBuf::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            sqlite("files", &BOOK, async |db| {
                seen = db.settings().database_url.file().unwrap().to_owned();
                assert!(seen.exists());
                let new = NewPortfolio::new("the same");
                db.write(async |session| Portfolios::new(session).create(&new).await).await.unwrap();
                assert!(!panics);
            });
        }));
        assert_eq!(outcome.is_err(), panics);
        assert!(!seen.parent().unwrap().exists());
        seen
    };
    assert_ne!(file(false), file(true));
}
