//! Long statements do not accumulate: connections and the monitor keep a bounded number of bytes.

use tallybook::{Dialect, all, params};
use tallybook_testkit::postgres;

use crate::support::{in_own_process, open_with, read};

const TEXTS: usize = 48;
const SIZE: usize = 1 << 20;
/// Bytes that may remain: a quarter of all texts.
const BOUND: usize = TEXTS * SIZE / 4;
const URL: &str = "TALLYBOOK_TEST_URL";

/// Returns the memory of a process, in bytes.
fn resident(process: &str) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

tallybook_testkit::both_dialects! {
    async fn long_texts_are_not_kept(url: &str) {
        // Other tests would count.
        in_own_process("statement_size::many_long_texts", &std::env::temp_dir(), &[(URL, url)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of another test, in a process of its own"]
async fn many_long_texts() {
    let db = open_with(&std::env::var(URL).unwrap(), |settings| {
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    })
    .await;
    let process = match db.dialect() {
        Dialect::Sqlite => None,
        Dialect::Postgres => Some(read::<(i64,)>(&db, "SELECT pg_backend_pid()").await[0].0.to_string()),
    };
    let size = || resident("self") + process.as_deref().map_or(0, resident);
    let run = async |number: usize| {
        let filler = "x".repeat(SIZE);
        let sql = format!("SELECT length('{filler}') + {number} AS a{number}");
        let found = db.read().await.unwrap().run(all::<(i64,)>(sql, params![])).await.unwrap();
        assert_eq!(found, [((SIZE + number) as i64,)]);
    };
    for number in 0..4 {
        run(number).await;
    }
    let before = size();
    for number in 4..4 + TEXTS {
        run(number).await;
    }
    let grown = size().saturating_sub(before);
    assert!(grown < BOUND, "{} MiB of {TEXTS} texts are still there", grown >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_texts_are_kept_prepared_and_long_ones_are_not() {
    let database = postgres().await.database("short_texts_are_kept").await;
    let db = open_with(database.url(), |settings| settings.pool.size = 1).await;
    let mut session = db.read().await.unwrap();
    for size in [1_000, 40_000] {
        let sql = format!("SELECT 1::bigint /* {} */", "x".repeat(size));
        session.run(all::<(i64,)>(sql, params![])).await.unwrap();
    }
    let kept = "SELECT length(statement)::bigint FROM pg_prepared_statements WHERE statement LIKE 'SELECT 1%' ORDER BY 1";
    let kept = session.run(all::<(i64,)>(kept, params![])).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].0 < 2_000);
}
