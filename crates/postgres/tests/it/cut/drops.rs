//! Futures dropped after every poll, while the bytes of both directions come in pieces.

use tallybook_postgres::Connector;
use tallybook_sql::driver::Role;

use super::stage::{PIECES, Stage};
use super::work::{ALL, Work};
use crate::support::{polled, target};

/// Dropped futures of the whole program, at least: shared among all kinds of work.
const DROPS: usize = 10_000;
const LONG_DROPS: usize = 1_000_000;

async fn drops(name: &str, works: &[Work]) {
    let mut stage = Stage::new(name).await;
    stage.drop_often(works, works.len() * DROPS / ALL.len(), &PIECES).await;
    // A cancel request is for statements that take long; none does.
    assert!(stage.closed * 20 < stage.drops, "{} of {} connections were closed", stage.closed, stage.drops);
}

#[tokio::test]
async fn a_single_statement_dropped_at_every_poll_owes_nothing() {
    drops("single", &[Work::Single]).await;
}

#[tokio::test]
async fn a_batch_dropped_at_every_poll_owes_nothing() {
    drops("batch", &[Work::Batch]).await;
}

#[tokio::test]
async fn a_write_dropped_at_every_poll_happens_whole_or_not() {
    drops("write", &[Work::Write, Work::Script]).await;
}

#[tokio::test]
async fn a_write_that_fails_in_the_middle_can_be_dropped_at_every_poll() {
    drops("failing", &[Work::FailingWrite]).await;
}

#[tokio::test]
async fn a_bulk_load_dropped_at_every_poll_happens_whole_or_not() {
    drops("load", &[Work::Load]).await;
}

#[tokio::test]
async fn a_cursor_dropped_at_every_poll_is_closed() {
    drops("cursor", &[Work::Cursor]).await;
}

#[tokio::test]
async fn a_commit_or_roll_back_dropped_at_every_poll_ends_the_transaction() {
    drops("ends", &[Work::Commit, Work::RollBack]).await;
}

#[tokio::test]
async fn cleaning_itself_can_be_dropped_at_every_poll() {
    drops("cleaning", &[Work::Clean, Work::Reset, Work::Observe]).await;
}

/// The witness says that no transaction is open.
#[tokio::test]
async fn futures_dropped_at_every_poll_owe_nothing_over_tls() {
    let mut stage = Stage::over_tls("tls").await;
    stage.drop_often(&[Work::Batch, Work::Write, Work::Load, Work::Cursor], 1, &PIECES[2..]).await;
    assert!(stage.drops > 100, "{} drops", stage.drops);
}

mod long {
    use super::*;

    #[tokio::test]
    #[ignore = "takes an hour: ./scripts/test --long"]
    async fn a_million_futures_are_dropped_and_nothing_is_owed() {
        tallybook_testkit::takes_at_most(std::time::Duration::from_secs(18_000));
        let mut stage = Stage::new("million").await;
        stage.drop_often(&ALL, LONG_DROPS, &PIECES).await;
        assert!(stage.drops >= LONG_DROPS);
    }
}

/// A connection attempt that is dropped leaves no session on the server.
#[tokio::test]
async fn connecting_can_be_dropped_at_every_poll() {
    let mut stage = Stage::new("connecting").await;
    let (mut polls, mut connected) = (0, false);
    stage.relay.deliver(7);
    while !connected {
        let connector = Connector::new(&target(&stage.url));
        let attempt = polled(polls, connector.connect(Role::Read)).await;
        connected = attempt.is_some_and(|made| made.is_ok());
        polls += 1;
    }
    assert!(polls > 2, "it took {polls} polls");
    stage.check_sessions().await;
    stage.owes_nothing("the first connection").await;
}
