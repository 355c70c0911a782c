//! Trades in the order in which they were changed: every change once, whatever the times are.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use tallybook::book::{
    Action, LimitOffset, NewPortfolio, NewTrade, PortfolioId, Portfolios, Result, Trade, TradeChanges,
    TradeId, TradeStatus, Trades, UpdatePosition,
};
use tallybook::{Database, Dialect, Session};
use tallybook_testkit::{SqliteFile, both_dialects};

use crate::support::{book, sql, time, write};

/// Opens a book with one portfolio.
async fn portfolio(url: &str) -> (Database, PortfolioId) {
    let db = book(url).await;
    let created =
        write(&db, async |session| Portfolios::new(session).create(&NewPortfolio::new("desk")).await).await;
    (db, created.id)
}

/// Returns an order that was changed this many seconds after the beginning of 2024.
fn changed_at(portfolio: PortfolioId, seconds: i64) -> NewTrade {
    NewTrade { updated_at: time(seconds), ..NewTrade::market(portfolio, Action::Buy, "XYZ", 1.into()) }
}

async fn create(db: &Database, new: &[NewTrade]) -> Vec<TradeId> {
    let created = write(db, async |session| Trades::new(session).create_many(new).await).await;
    created.iter().map(|trade| trade.id).collect()
}

async fn updated_since(db: &Database, position: impl Into<UpdatePosition>, limit: u32) -> Vec<TradeId> {
    let mut session = db.read().await.unwrap();
    let found = Trades::new(&mut session).get_updated_since(position, limit).await.unwrap();
    found.iter().map(|trade| trade.id).collect()
}

/// Returns all trades, page by page, and the number of pages that were not empty.
async fn pages(db: &Database, limit: u32) -> (Vec<TradeId>, usize) {
    let mut session = db.read().await.unwrap();
    let (mut ids, mut pages, mut position) = (Vec::new(), 0, UpdatePosition::from(time(-1)));
    loop {
        let page = Trades::new(&mut session).get_updated_since(position, limit).await.unwrap();
        let Some(last) = page.last() else { return (ids, pages) };
        position = UpdatePosition::after(last);
        ids.extend(page.iter().map(|trade| trade.id));
        pages += 1;
        assert!(pages <= 100, "it does not end");
    }
}

/// The poller of the documentation.
struct Poller {
    last: UpdatePosition,
    seen: BTreeSet<(DateTime<Utc>, TradeId)>,
}

impl Poller {
    fn new(moment: DateTime<Utc>) -> Self {
        Self { last: moment.into(), seen: BTreeSet::new() }
    }

    async fn poll(&mut self, session: &mut impl Session) -> Result<Vec<Trade>> {
        let from = self.last.overlapping(TimeDelta::seconds(30));
        self.seen.retain(|(updated_at, _)| *updated_at >= from.updated_at);
        let (mut new, mut position) = (Vec::new(), from);
        loop {
            let page = Trades::new(session).get_updated_since(position, 2).await?;
            let Some(last) = page.last() else { return Ok(new) };
            position = UpdatePosition::after(last);
            if position.updated_at > self.last.updated_at {
                self.last = position;
            }
            new.extend(page.into_iter().filter(|trade| self.seen.insert((trade.updated_at, trade.id))));
        }
    }

    async fn poll_ids(&mut self, db: &Database) -> Vec<TradeId> {
        let new = self.poll(&mut db.read().await.unwrap()).await.unwrap();
        new.iter().map(|trade| trade.id).collect()
    }
}

both_dialects! {
    async fn trades_changed_after_a_moment_come_oldest_change_first(url: &str) {
        let (db, portfolio) = portfolio(url).await;
        let ids = create(&db, &[3, 1, 2].map(|seconds| changed_at(portfolio, seconds))).await;

        assert_eq!(updated_since(&db, time(0), 10).await, [ids[1], ids[2], ids[0]]);
        assert_eq!(updated_since(&db, time(1), 10).await, [ids[2], ids[0]]);
        assert_eq!(updated_since(&db, time(0), 2).await, [ids[1], ids[2]]);
        assert_eq!(updated_since(&db, time(3), 10).await, []);
        assert_eq!(updated_since(&db, time(0), 0).await, []);
    }

    async fn a_book_without_trades_has_no_changes(url: &str) {
        let (db, _) = portfolio(url).await;
        assert_eq!(updated_since(&db, time(0), 10).await, []);
    }

    async fn pages_of_trades_changed_at_one_time_hold_each_of_them_once(url: &str) {
        let (db, portfolio) = portfolio(url).await;
        let ids = create(&db, &[5, 5, 5, 5, 5, 6, 6].map(|seconds| changed_at(portfolio, seconds))).await;
        for (limit, expected) in [(1, 7), (2, 4), (3, 3), (7, 1), (8, 1)] {
            assert_eq!(pages(&db, limit).await, (ids.clone(), expected));
        }
    }

    async fn a_changed_trade_moves_to_the_end(url: &str) {
        let (db, portfolio) = portfolio(url).await;
        let ids = create(&db, &[1, 2].map(|seconds| changed_at(portfolio, seconds))).await;
        let changes = TradeChanges::new().status(TradeStatus::Cancelled);
        let changed = write(&db, async |session| Trades::new(session).update(ids[0], changes).await).await;
        assert_eq!(updated_since(&db, time(0), 10).await, [ids[1], ids[0]]);
        assert_eq!(updated_since(&db, UpdatePosition::after(&changed), 10).await, []);
    }

    async fn a_poller_that_overlaps_sees_a_trade_that_was_committed_late_and_none_twice(url: &str) {
        let (db, portfolio) = portfolio(url).await;
        let mut poller = Poller::new(time(0));
        assert_eq!(poller.poll_ids(&db).await, []);

        // The transaction that changes first commits last; on SQLite, it begins last, with a time from before.
        let slow = if db.dialect() == Dialect::Postgres {
            let mut slow = db.begin().await.unwrap();
            let early = Trades::new(&mut slow).create(&changed_at(portfolio, 1)).await.unwrap().id;
            Some((slow, early))
        } else {
            None
        };
        let later = create(&db, &[2, 2, 3].map(|seconds| changed_at(portfolio, seconds))).await;
        assert_eq!(poller.poll_ids(&db).await, later);
        let last = poller.last;
        let early = match slow {
            Some((slow, early)) => {
                slow.commit().await.unwrap();
                early
            }
            None => create(&db, &[changed_at(portfolio, 1)]).await[0],
        };

        assert_eq!(updated_since(&db, last, 10).await, [], "without an overlap it is missed");
        assert_eq!(poller.poll_ids(&db).await, [early]);
        assert_eq!(poller.poll_ids(&db).await, []);
        let changes = TradeChanges::new().limit_price(None);
        write(&db, async |session| Trades::new(session).update(later[0], changes).await).await;
        assert_eq!(poller.poll_ids(&db).await, [later[0]]);
    }

    async fn closed_trades_are_those_that_are_filled_or_ended(url: &str) {
        let (db, portfolio) = portfolio(url).await;
        let statuses = [
            TradeStatus::Filled,
            TradeStatus::Pending,
            TradeStatus::Cancelled,
            TradeStatus::PartiallyFilled,
            TradeStatus::Rejected,
            TradeStatus::Other("PENDING_CANCEL".into()),
            TradeStatus::Expired,
        ];
        let new = statuses.map(|status| NewTrade { status, ..changed_at(portfolio, 1) });
        let ids = create(&db, &new).await;
        let mut session = db.read().await.unwrap();
        let mut closed = async |position: UpdatePosition, limit| {
            let found = Trades::new(&mut session).get_closed_since(position, limit).await.unwrap();
            found.iter().map(|trade| trade.id).collect::<Vec<_>>()
        };
        assert_eq!(closed(time(0).into(), 10).await, [ids[0], ids[2], ids[4], ids[6]]);
        assert_eq!(closed(UpdatePosition { updated_at: time(1), id: ids[2] }, 1).await, [ids[4]]);
        assert_eq!(closed(time(1).into(), 10).await, []);
    }

    async fn open_orders_are_those_that_are_neither_filled_nor_ended(url: &str) {
        let (db, portfolio) = portfolio(url).await;
        let statuses = [
            TradeStatus::Pending,
            TradeStatus::Filled,
            TradeStatus::PartiallyFilled,
            TradeStatus::Cancelled,
            TradeStatus::Rejected,
            TradeStatus::Expired,
            TradeStatus::Other("ACCEPTED".into()),
            TradeStatus::Other("DONE_FOR_DAY".into()),
            TradeStatus::Other("FILLING".into()),
            TradeStatus::Other("PENDING_CANCEL".into()),
            TradeStatus::Other("SUSPENDED".into()),
        ];
        let new: Vec<_> = statuses
            .into_iter()
            .zip(1..)
            .map(|(status, seconds)| NewTrade { status, created_at: time(seconds), ..changed_at(portfolio, 1) })
            .collect();
        let ids = create(&db, &new).await;
        let mut session = db.read().await.unwrap();
        let mut open = async |portfolio, window| {
            let found = Trades::new(&mut session).get_open(portfolio, window).await.unwrap();
            found.iter().map(|trade| trade.id).collect::<Vec<_>>()
        };
        let expected = [10, 9, 8, 7, 6, 2, 0].map(|index: usize| ids[index]);
        assert_eq!(open(portfolio, LimitOffset::first(20)).await, expected);
        assert_eq!(open(portfolio, LimitOffset::first(2).skip(1)).await, expected[1..3]);
        assert_eq!(open(PortfolioId::new(99), LimitOffset::first(20)).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_changes_are_ordered_by_their_moments_however_other_programs_spell_them() {
    let file = SqliteFile::new("spelled_changes");
    let (db, portfolio) = portfolio(&file.url()).await;
    let spelled = [
        "2024-01-01 00:00:01.000000",
        "2024-01-01T00:00:02",
        "2024-01-01 00:00:03",
        "2024-01-01T00:00:03Z",
        "2024-01-01 00:00:03.000000",
        "2024-01-01 00:00:03.5",
        "2024-01-01 00:00:03.500000+00:00",
        "2024-01-01T23:59:59.999999Z",
        "2024-01-02 00:00:00",
        "2024-01-03T00:00:00",
    ];
    let ids = create(&db, &spelled.map(|_| changed_at(portfolio, 0))).await;
    for (id, text) in ids.iter().zip(spelled) {
        sql(&db, format!("UPDATE trades SET updated_at = '{text}' WHERE id = {id}")).await;
    }
    for (limit, expected) in [(1, 10), (2, 5), (3, 4), (10, 1)] {
        assert_eq!(pages(&db, limit).await, (ids.clone(), expected));
    }

    sql(&db, format!("UPDATE trades SET updated_at = '2024-01-02 noon' WHERE id = {}", ids[0])).await;
    let mut session = db.read().await.unwrap();
    let error = Trades::new(&mut session).get_updated_since(time(0), 20).await.unwrap_err();
    assert!(error.to_string().contains("updated_at"), "{error}");
}
