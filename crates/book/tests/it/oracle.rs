//! Every read, compared in full with a simple computation over all rows in memory.

use std::cmp::Reverse;
use std::fmt::Debug;

use tallybook::Database;
use tallybook::book::{
    Cursor, Execution, Executions, LimitOffset, Portfolio, PortfolioId, PortfolioWithPositions,
    PortfolioWithRelations, PortfolioWithTrades, Portfolios, Position, Positions, Repository, SessionStatus,
    Table, Trade, TradeId, TradeWithExecutions, Trades, TradingSession, TradingSessions,
};

use crate::lookalike_rows::{AllRows, LOOKALIKE_ROWS, STATUSES, SYMBOLS, everything};
use crate::template_books::on_copies;

const UNKNOWN: i64 = 7;

/// The list order: the time, given for each table, and then the identifier.
trait Ordered: Table<Key = i64> + PartialEq + Debug {
    fn place(&self) -> (i64, i64);
}

macro_rules! ordered {
    ($($table:ident by $moment:expr;)*) => {$(
        impl Ordered for $table {
            fn place(&self) -> (i64, i64) {
                let moment: fn(&Self) -> i64 = $moment;
                (moment(self), self.id.get())
            }
        }
    )*};
}

ordered! {
    Portfolio by |_| 0;
    Position by |_| 0;
    TradingSession by |session| session.started_at.timestamp_micros();
    Trade by |trade| trade.created_at.timestamp_micros();
    Execution by |execution| execution.executed_at.timestamp_micros();
}

/// Returns the matching rows, newest first.
fn newest<T: Ordered>(rows: &[T], is_meant: impl Fn(&T) -> bool) -> Vec<T> {
    let mut meant: Vec<T> = rows.iter().filter(|row| is_meant(row)).cloned().collect();
    meant.sort_by_key(|row| Reverse(row.place()));
    meant
}

fn part<T: Clone>(rows: &[T], window: LimitOffset) -> Vec<T> {
    rows.iter().skip(window.skip as usize).take(window.limit as usize).cloned().collect()
}

/// Returns windows that begin and end before, at and after the ends of lists, and between rows of the same time.
fn windows() -> impl Iterator<Item = LimitOffset> {
    [0, 1, 2, 5, 24, 100]
        .into_iter()
        .flat_map(|limit| [0, 1, 3, 23, 24].map(|skip| LimitOffset { skip, limit }))
}

impl AllRows {
    fn with_executions(&self, trades: Vec<Trade>) -> Vec<TradeWithExecutions> {
        let executions = |trade: TradeId| newest(&self.executions, |execution| execution.trade_id == trade);
        trades
            .into_iter()
            .map(|trade| TradeWithExecutions { executions: executions(trade.id), trade })
            .collect()
    }

    fn positions_of(&self, id: PortfolioId) -> Vec<Position> {
        newest(&self.positions, |position| position.portfolio_id == id)
    }

    fn trades_of(&self, id: PortfolioId) -> Vec<Trade> {
        newest(&self.trades, |trade| trade.portfolio_id == id)
    }

    fn relations(&self, portfolio: &Portfolio) -> PortfolioWithRelations {
        PortfolioWithRelations {
            portfolio: portfolio.clone(),
            positions: self.positions_of(portfolio.id),
            trades: self.trades_of(portfolio.id),
            sessions: newest(&self.sessions, |session| session.portfolio_id == portfolio.id),
        }
    }
}

async fn lists_are_exact<T: Ordered>(db: &Database) {
    let all = newest(&everything::<T>(db).await, |_| true);
    let mut session = db.read().await.unwrap();
    let mut repository = Repository::<_, T>::new(&mut session);
    assert_eq!(repository.count().await.unwrap(), all.len() as u64);
    for window in windows() {
        assert_eq!(repository.get_many(window).await.unwrap(), part(&all, window), "{window:?}");
    }

    let asked = [all[2].id(), UNKNOWN.into(), all[0].id(), all[2].id(), all[1].id()];
    assert_eq!(repository.get_by_ids(&asked).await.unwrap(), [2, 0, 1].map(|place| all[place].clone()));
    assert_eq!(repository.get(all[1].id()).await.unwrap().as_ref(), Some(&all[1]));
    assert_eq!(repository.get(UNKNOWN.into()).await.unwrap(), None);

    let mut ids: Vec<_> = all.iter().map(|row| row.id().get()).collect();
    ids.sort_unstable();
    let after = ids[1];
    let scanned = repository.scan(Some(after), 2).await.unwrap();
    assert_eq!(
        scanned.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        part(&ids, LimitOffset::first(2).skip(2))
    );
    let scanned = repository.scan(None, u32::MAX).await.unwrap();
    assert_eq!(scanned.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
}

async fn pages_are_exact<T: Ordered>(db: &Database) {
    let all = newest(&everything::<T>(db).await, |_| true);
    let mut session = db.read().await.unwrap();
    let mut repository = Repository::<_, T>::new(&mut session);
    let count = u32::try_from(all.len()).unwrap();
    // Including one that ends with the last row, and one that ends one row before.
    for limit in [1, 2, 5, count - 1, count, count + 1] {
        let mut next: Option<Cursor<T>> = None;
        let mut walked = 0;
        loop {
            let page = repository.get_page(next.as_ref(), limit).await.unwrap();
            assert_eq!(
                page.rows,
                part(&all, LimitOffset::first(limit).skip(walked)),
                "{limit} behind {walked}"
            );
            walked += limit;
            assert_eq!(
                page.next.is_some(),
                walked < count,
                "{limit}: another page follows {walked} of {count}"
            );
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
}

on_copies! { of LOOKALIKE_ROWS:
    async fn every_list_and_look_up_of_all_tables_is_exact(db: &Database) {
        crate::support::for_each_table!(lists_are_exact(db));
    }

    async fn every_page_of_all_tables_is_exact_and_the_last_one_is_never_empty(db: &Database) {
        crate::support::for_each_table!(pages_are_exact(db));
    }

    async fn every_read_of_positions_sessions_and_executions_is_exact(db: &Database) {
        let book = AllRows::read(db).await;
        let mut session = db.read().await.unwrap();
        for id in book.portfolio_ids() {
            let positions = book.positions_of(id);
            let sessions = newest(&book.sessions, |session| session.portfolio_id == id);
            for window in windows() {
                let found = Positions::new(&mut session).get_by_portfolio(id, window).await.unwrap();
                assert_eq!(found, part(&positions, window), "{id}, {window:?}");
                let found = TradingSessions::new(&mut session).get_by_portfolio(id, window).await.unwrap();
                assert_eq!(found, part(&sessions, window), "{id}, {window:?}");
            }
            for symbol in SYMBOLS.into_iter().chain(["NONE"]) {
                let found = Positions::new(&mut session).get_by_symbol(id, symbol).await.unwrap();
                let expected = newest(&positions, |position| position.symbol == symbol);
                assert_eq!(found, expected, "{id}, {symbol}");
            }
        }
        for window in windows() {
            for status in [SessionStatus::Active, SessionStatus::Stopped, SessionStatus::Paused] {
                let found = TradingSessions::new(&mut session).get_by_status(&status, window).await.unwrap();
                let expected = newest(&book.sessions, |session| session.status == status);
                assert_eq!(found, part(&expected, window), "{status}, {window:?}");
            }
            let found = TradingSessions::new(&mut session).get_active(window).await.unwrap();
            let expected = newest(&book.sessions, |session| session.status == SessionStatus::Active);
            assert_eq!(found, part(&expected, window), "{window:?}");
        }
        for id in book.trade_ids() {
            let found = Executions::new(&mut session).get_by_trade(id).await.unwrap();
            assert_eq!(found, newest(&book.executions, |execution| execution.trade_id == id), "{id}");
        }
    }

    async fn every_list_of_trades_is_exact(db: &Database) {
        let book = AllRows::read(db).await;
        let mut session = db.read().await.unwrap();
        let mut trades = Trades::new(&mut session);
        for window in windows() {
            for status in &STATUSES {
                let found = trades.get_by_status(status, window).await.unwrap();
                let expected = newest(&book.trades, |trade| trade.status == *status);
                assert_eq!(found, part(&expected, window), "{status}, {window:?}");
            }
        }
        for id in book.portfolio_ids() {
            let of_portfolio = book.trades_of(id);
            for window in windows() {
                let found = trades.get_by_portfolio(id, window).await.unwrap();
                assert_eq!(found, part(&of_portfolio, window), "{id}, {window:?}");
                for status in &STATUSES {
                    let found = trades.get_by_portfolio_and_status(id, status, window).await.unwrap();
                    let expected = newest(&of_portfolio, |trade| trade.status == *status);
                    assert_eq!(found, part(&expected, window), "{id}, {status}, {window:?}");
                }
            }
        }
        for id in book.session_ids() {
            let found = trades.get_by_session(id).await.unwrap();
            assert_eq!(found, newest(&book.trades, |trade| trade.session_id == Some(id)), "{id}");
        }
    }

    async fn every_read_of_trades_with_their_executions_is_exact(db: &Database) {
        let book = AllRows::read(db).await;
        let mut session = db.read().await.unwrap();
        let mut trades = Trades::new(&mut session);
        let ids = book.trade_ids();
        for chunk in ids.chunks(7) {
            let found = trades.get_with_executions(chunk[0]).await.unwrap();
            let expected = book.with_executions(newest(&book.trades, |trade| trade.id == chunk[0]));
            assert_eq!(found.as_slice(), expected);

            let asked = [&[TradeId::new(UNKNOWN)], chunk, &chunk[..1]].concat();
            let named = chunk.iter().flat_map(|id| book.trades.iter().filter(|trade| trade.id == *id));
            let found = trades.get_many_with_executions(&asked).await.unwrap();
            assert_eq!(found, book.with_executions(named.cloned().collect()));
        }
        assert_eq!(trades.get_with_executions(TradeId::new(UNKNOWN)).await.unwrap(), None);

        let sessions = book.session_ids();
        for id in &sessions {
            let expected = book.with_executions(newest(&book.trades, |trade| trade.session_id == Some(*id)));
            assert_eq!(trades.get_by_session_with_executions(*id).await.unwrap(), expected);
        }
        let returned: usize = sessions
            .iter()
            .flat_map(|id| book.with_executions(newest(&book.trades, |trade| trade.session_id == Some(*id))))
            .map(|one| 1 + one.executions.len())
            .sum();
        let mut counted = db.read().await.unwrap();
        for id in &sessions {
            Trades::new(&mut counted).get_by_session_with_executions(*id).await.unwrap();
        }
        assert_eq!(counted.counts().rows, returned as u64, "no row is read that is not returned");
        let some = &sessions[..4];
        let is_one = |trade: &Trade| trade.session_id.is_some_and(|id| some.contains(&id));
        let expected = book.with_executions(newest(&book.trades, is_one));
        assert_eq!(trades.get_many_by_session_with_executions(some).await.unwrap(), expected);

        let portfolios = book.portfolio_ids();
        for limit in [0, 1, 2, 3, 7, 23, 24, 25] {
            let first = |id: PortfolioId| part(&book.trades_of(id), LimitOffset::first(limit));
            for id in &portfolios {
                let found = trades.get_by_portfolio_with_executions(*id, limit).await.unwrap();
                assert_eq!(found, book.with_executions(first(*id)), "{id}, {limit}");
            }
            let some = &portfolios[1..4];
            let found = trades.get_many_by_portfolio_with_executions(some, limit).await.unwrap();
            let each: Vec<_> = some.iter().flat_map(|id| first(*id)).collect();
            assert_eq!(found, book.with_executions(newest(&each, |_| true)), "{limit}");
        }
    }

    async fn every_read_of_portfolios_with_their_relations_is_exact(db: &Database) {
        let book = AllRows::read(db).await;
        let mut session = db.read().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        for portfolio in &book.portfolios {
            let id = portfolio.id;
            let expected = book.relations(portfolio);
            assert_eq!(portfolios.get_by_name(&portfolio.name).await.unwrap().as_ref(), Some(portfolio));
            let found = portfolios.get_with_positions(id).await.unwrap().unwrap();
            assert_eq!((&found.portfolio, &found.positions), (portfolio, &expected.positions));
            let found = portfolios.get_with_trades(id).await.unwrap().unwrap();
            assert_eq!((&found.portfolio, &found.trades), (portfolio, &expected.trades));
            assert_eq!(portfolios.get_with_all_relations(id).await.unwrap(), Some(expected));
        }
        assert_eq!(portfolios.get_by_name("nobody's").await.unwrap(), None);
        assert_eq!(portfolios.get_with_positions(UNKNOWN.into()).await.unwrap(), None);
        assert_eq!(portfolios.get_with_trades(UNKNOWN.into()).await.unwrap(), None);
        assert_eq!(portfolios.get_with_all_relations(UNKNOWN.into()).await.unwrap(), None);

        // All except one, shuffled, one of them twice.
        let mut ids = book.portfolio_ids();
        ids.remove(1);
        ids.reverse();
        let expected: Vec<_> = ids
            .iter()
            .flat_map(|id| book.portfolios.iter().filter(|portfolio| portfolio.id == *id))
            .map(|portfolio| book.relations(portfolio))
            .collect();
        ids.extend([UNKNOWN.into(), ids[0]]);
        let found = portfolios.get_many_with_positions(&ids).await.unwrap();
        let of = |one: &PortfolioWithRelations| PortfolioWithPositions {
            portfolio: one.portfolio.clone(),
            positions: one.positions.clone(),
        };
        assert_eq!(found, expected.iter().map(of).collect::<Vec<_>>());
        let found = portfolios.get_many_with_trades(&ids).await.unwrap();
        let of = |one: &PortfolioWithRelations| PortfolioWithTrades {
            portfolio: one.portfolio.clone(),
            trades: one.trades.clone(),
        };
        assert_eq!(found, expected.iter().map(of).collect::<Vec<_>>());
        assert_eq!(portfolios.get_many_with_all_relations(&ids).await.unwrap(), expected);
    }
}
