//! Beside `.expert` of the program `sqlite3`, which knows no frequencies, no parameters and no partial indexes.

use std::process::Command;

use tallybook_advise::{Options, advise};
use tallybook_testkit::SqliteFile;

use crate::market;
use crate::whole::described;

/// Returns the index that `.expert` proposes for a statement: `orders (account_id)`.
fn expert(file: &SqliteFile, sql: &str) -> Option<String> {
    let output =
        Command::new("sqlite3").args(["-readonly"]).arg(file.path()).args([".expert", sql]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let create = text.lines().find_map(|line| line.strip_prefix("CREATE INDEX "))?;
    let (_, on) = create.trim_end_matches(';').split_once(" ON ").unwrap();
    Some(on.replacen('(', " (", 1))
}

/// `.expert` takes no parameters.
fn with_value(sql: &str) -> String {
    sql.replace("symbol = $1", "symbol = 'S7'").replace("side = $1", "side = 'buy'").replace("$1", "7")
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlites_expert_agrees_where_neither_frequencies_nor_writes_nor_conditions_matter() {
    let file = SqliteFile::new("expert");
    market::create(&file.url()).await;
    let db = market::work(&file.url()).await;
    let advice = advise(&db, &db.workload(), &Options::default()).await.unwrap();
    db.close().await;
    let ours = |sql: &str| {
        let text = tallybook_sql::fingerprint::shape(sql);
        let is_for =
            |index: &&tallybook_advise::AdvisedIndex| index.gains.iter().any(|gain| *gain.statement == *text);
        advice.add.iter().find(is_for).map(described)
    };
    let theirs = |sql: &str| expert(&file, &with_value(sql));

    let [equality, order, join, partial, ..] = market::READS.map(|(sql, _)| sql);
    for sql in [equality, order, join, market::BY_PRIMARY_KEY, market::BY_PREFIX, market::OF_STALE_TABLE] {
        assert_eq!(ours(sql), theirs(sql), "{sql}");
    }

    // A condition that every call has in common: ours has the two hundred open jobs in it, theirs all of them.
    assert_eq!(ours(partial).as_deref(), Some("jobs (created) WHERE status = 'open'"));
    assert_eq!(theirs(partial).as_deref(), Some("jobs (status, created)"));
    // Half of the table, a table of forty rows, and one that is written more than read.
    for (sql, index) in [
        (market::OF_TWO_VALUES, "orders (side)"),
        (market::OF_TINY_TABLE, "options (name)"),
        (market::RARE_READ, "events (kind)"),
    ] {
        assert_eq!((ours(sql), theirs(sql).as_deref()), (None, Some(index)), "{sql}");
    }
}
