//! Loops that are allowed.

use tallybook::Database;
use tallybook::book::{Executions, Trades};

use crate::corpus::cases::cases;
use crate::corpus::ledger::ALL;

/// Opens the same database with these loops allowed.
async fn allowing(db: &Database, loops: &[&str]) -> Database {
    let mut settings = db.settings().clone();
    settings.monitor.allow = loops.iter().map(|&allowed| allowed.to_owned()).collect();
    Database::open(settings).await.unwrap()
}

async fn run_the_loop(db: &Database) {
    let mut session = db.read().await.unwrap();
    let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
    for trade in trades {
        Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // the loop that is meant
    }
}

/// Runs the allowed loop: nothing is found, and unused allowances are reported.
async fn assert_allowed(db: &Database, by: &str) {
    let db = allowing(db, &["no_such_file.rs:1", by, "0123456789abcdef"]).await;
    run_the_loop(&db).await;
    assert_eq!(db.findings(), []);
    assert_eq!(db.report().unused_allowances, ["no_such_file.rs:1", "0123456789abcdef"]);
}

/// Returns the finding if nothing is allowed.
async fn finding(db: &Database) -> tallybook::QueryFinding {
    let db = allowing(db, &[]).await;
    run_the_loop(&db).await;
    db.findings().remove(0)
}

cases! { in_no_scope:
    async fn by_their_line(db: &Database) {
        let at = finding(db).await.at;
        assert_allowed(db, &at.to_string()).await;
        let above = format!("{}:{}", at.file, at.line - 1);
        let db = allowing(db, &[&above]).await;
        run_the_loop(&db).await;
        assert_eq!((db.findings().len(), db.report().unused_allowances), (1, vec![above]), "another line");
    }

    async fn by_their_file(db: &Database) {
        assert_allowed(db, "negative/allowed.rs").await;
    }

    async fn by_their_fingerprint(db: &Database) {
        let fingerprint = finding(db).await.fingerprint;
        assert_allowed(db, &fingerprint).await;
    }
}
