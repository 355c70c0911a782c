//! A write changes the row it names and no other, in a book of similar rows.

use std::fmt::Debug;

use tallybook::book::{
    Execution, ExecutionChanges, Id, Portfolio, PortfolioChanges, Portfolios, Position, PositionChanges,
    Positions, Repository, Table, Touched, Trade, TradeChanges, Trades, TradingSession,
    TradingSessionChanges, TradingSessions,
};
use tallybook::{Database, WriteSession};

use crate::lookalike_rows::{AllRows, LOOKALIKE_ROWS, all_of};
use crate::sample::Sample;
use crate::template_books::on_copies;

fn in_order<T: Table<Key = i64>>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort_by_key(|row| row.id().get());
    rows
}

/// Returns all rows, ordered by identifier.
async fn all<T: Table<Key = i64>>(session: &mut WriteSession) -> Vec<T> {
    in_order(all_of::<T>(session).await)
}

/// Returns the rows with one of them replaced or removed.
fn with<T: Table<Key = i64>>(rows: &[T], id: Id<T>, put: Option<T>) -> Vec<T> {
    let mut rows: Vec<T> = rows.iter().filter(|row| row.id() != id).cloned().collect();
    rows.extend(put);
    in_order(rows)
}

/// Updates a row in the middle, and deletes it and the rows that nothing refers to.
async fn touches_one<T>(db: &Database, free: Vec<T>, changes: T::Changes)
where
    T: Sample,
{
    let mut session = db.begin().await.unwrap();
    let before = all::<T>(&mut session).await;
    let target = before[before.len() / 2].clone();
    let locked = Repository::<_, T>::new(&mut session).get_for_update(target.id()).await.unwrap();
    assert_eq!(locked.as_ref(), Some(&target));
    let updated = T::update(&mut Repository::new(&mut session), target.id(), changes).await.unwrap();
    assert_ne!(updated, target);
    assert_eq!(updated.id(), target.id());
    assert_eq!(updated.updated_at().is_some(), T::TOUCH);
    assert_eq!(updated.updated_at() > target.updated_at(), T::TOUCH);
    let mut expected = with(&before, target.id(), Some(updated));
    assert_eq!(all::<T>(&mut session).await, expected);

    let free = in_order(free);
    for row in [&free[free.len() / 2], &free[0]] {
        assert!(T::delete(&mut Repository::new(&mut session), row.id()).await.unwrap());
        expected = with(&expected, row.id(), None);
        assert_eq!(all::<T>(&mut session).await, expected);
        if free.len() == 1 {
            break;
        }
    }
    session.roll_back().await.unwrap();
}

/// The same for writes with an expectation.
async fn expects_one<T: Touched + Table<Key = i64> + PartialEq + Debug>(
    db: &Database,
    free: Vec<T>,
    changes: impl Fn() -> T::Changes,
) {
    let mut session = db.begin().await.unwrap();
    let before = all::<T>(&mut session).await;
    let target = before[before.len() / 2].clone();
    let read = target.updated_at().unwrap();
    let mut repository = Repository::<_, T>::new(&mut session);
    let updated = repository.update(target.id(), changes()).expecting(read).await.unwrap();
    let stale = repository.update(target.id(), changes()).expecting(read).await.unwrap_err();
    assert!(stale.is_stale(), "{stale}");
    let expected = with(&before, target.id(), Some(updated));
    assert_eq!(all::<T>(&mut session).await, expected);

    let free = free.into_iter().find(|row| row.id() != target.id()).unwrap();
    let (id, read) = (free.id(), free.updated_at().unwrap());
    let mut repository = Repository::<_, T>::new(&mut session);
    let early = read - chrono::TimeDelta::microseconds(1);
    assert!(repository.delete(id).expecting(early).await.unwrap_err().is_stale());
    assert!(repository.delete(id).expecting(read).await.unwrap());
    assert_eq!(all::<T>(&mut session).await, with(&expected, id, None));
    session.roll_back().await.unwrap();
}

/// The rows that no other row refers to.
struct Free {
    portfolios: Vec<Portfolio>,
    positions: Vec<Position>,
    sessions: Vec<TradingSession>,
    trades: Vec<Trade>,
    executions: Vec<Execution>,
}

impl Free {
    async fn read(db: &Database) -> Self {
        let AllRows { mut portfolios, positions, mut sessions, mut trades, executions } =
            AllRows::read(db).await;
        portfolios.retain(|row| positions.iter().all(|position| position.portfolio_id != row.id));
        sessions.retain(|row| trades.iter().all(|trade| trade.session_id != Some(row.id)));
        trades.retain(|row| executions.iter().all(|execution| execution.trade_id != row.id));
        Self { portfolios, positions, sessions, trades, executions }
    }
}

on_copies! { of LOOKALIKE_ROWS:
    async fn updates_and_deletions_touch_one_row(db: &Database) {
        let free = Free::read(db).await;
        touches_one(db, free.portfolios, PortfolioChanges::new().currency("EUR".to_owned())).await;
        touches_one(db, free.positions, PositionChanges::new().quantity(7)).await;
        touches_one(db, free.sessions, TradingSessionChanges::new().total_trades(7)).await;
        touches_one(db, free.trades, TradeChanges::new().filled_quantity(7)).await;
        touches_one(db, free.executions, ExecutionChanges::new().fees(7)).await;
    }

    async fn writes_that_expect_what_was_read_touch_one_row(db: &Database) {
        let free = Free::read(db).await;
        expects_one(db, free.portfolios, || PortfolioChanges::new().currency("EUR".to_owned())).await;
        expects_one(db, free.positions, || PositionChanges::new().quantity(7)).await;
        expects_one(db, free.trades, || TradeChanges::new().filled_quantity(7)).await;
    }

    async fn amounts_are_added_to_one_row(db: &Database) {
        let book = AllRows::read(db).await;
        let mut session = db.begin().await.unwrap();
        let (portfolio, position) = (book.portfolios[2].clone(), book.positions[2].clone());
        let (running, trade) = (book.sessions[2].clone(), book.trades[2].clone());
        let added = Portfolios::new(&mut session).add_current_capital(portfolio.id, 7).await.unwrap();
        assert_eq!(added.current_capital, portfolio.current_capital + rust_decimal::Decimal::from(7));
        assert_eq!(all::<Portfolio>(&mut session).await, with(&book.portfolios, portfolio.id, Some(added)));
        let added = Positions::new(&mut session).add_quantity(position.id, -7).await.unwrap();
        assert_eq!(added.quantity, position.quantity - rust_decimal::Decimal::from(7));
        assert_eq!(all::<Position>(&mut session).await, with(&book.positions, position.id, Some(added)));
        let added = TradingSessions::new(&mut session).add_winning_trades(running.id, 7).await.unwrap();
        assert_eq!((added.winning_trades, added.losing_trades), (running.winning_trades + 7, running.losing_trades));
        assert_eq!(all::<TradingSession>(&mut session).await, with(&book.sessions, running.id, Some(added)));
        let added = Trades::new(&mut session).add_filled_quantity(trade.id, 7).await.unwrap();
        assert_eq!((added.quantity, added.filled_quantity), (trade.quantity, 7.into()));
        assert_eq!(all::<Trade>(&mut session).await, with(&book.trades, trade.id, Some(added)));
    }
}
