//! `tallybook seed`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use tallybook::book::bookkeeping::{Holding, HoldingFill, OrderFill, currency_scale};
use tallybook::book::{
    Action, Execution, ExecutionId, LimitOffset, Portfolio, PortfolioId, Position, PositionType, Repository,
    Table, Trade, TradeId, TradeStatus, TradingSession, TradingSessionId,
};
use tallybook::{Database, ReadSession, Settings};
use tallybook_testkit::both_dialects;

use crate::support::Program;

const TABLES: [&str; 5] = ["portfolios", "positions", "trades", "executions", "trading_sessions"];

/// All tables of a freshly seeded book as CSV.
fn seeded(program: &Program, url: &str, seed: u32) -> String {
    program.run(&format!("migrate upgrade --database {url}")).ok();
    program.run(&format!("seed --portfolios 30 --trades 3000 --seed {seed} --database {url}")).ok();
    TABLES.map(|table| program.run(&format!("export {table} --database {url}")).ok()).concat()
}

#[test]
fn the_same_seed_gives_the_same_book_and_another_another() {
    let program = Program::new();
    let one = seeded(&program, "sqlite:///./one.db", 7);
    assert_eq!(one, seeded(&program, "sqlite:///./two.db", 7));
    assert_ne!(one, seeded(&program, "sqlite:///./three.db", 8));
}

both_dialects! {
    async fn both_dialects_get_the_same_book(url: &str) {
        let program = Program::new();
        assert_eq!(seeded(&program, url, 7), seeded(&program, "sqlite:///./reference.db", 7));
    }

    async fn a_book_that_holds_something_is_not_seeded_again(url: &str) {
        let program = Program::new();
        let before = seeded(&program, url, 1);
        let error = program.run(&format!("seed --database {url}")).fails(1);
        assert!(error.contains("only an empty book"), "{error}");
        let after = TABLES.map(|table| program.run(&format!("export {table} --database {url}")).ok()).concat();
        assert_eq!(before, after);
    }

    async fn a_seeded_book_is_realistic(url: &str) {
        use tallybook::{one, params};

        seeded(&Program::new(), url, 3);
        let mut session = Database::open(Settings::new(url).unwrap()).await.unwrap().read().await.unwrap();
        let mut count = async |sql: &'static str| session.run(one::<(i64,)>(sql, params![])).await.unwrap().0;
        // Only a marked fill exceeds its order; what is held is owned.
        assert_eq!(count(
            "SELECT count(*) FROM trades t WHERE filled_quantity > quantity AND NOT EXISTS \
             (SELECT 1 FROM executions e WHERE e.trade_id = t.id AND e.mark = 'OVER_FILL')",
        ).await, 0);
        assert_eq!(count("SELECT count(*) FROM positions WHERE quantity < 0").await, 0);
        assert_eq!(count(
            "SELECT count(*) FROM trades t JOIN trading_sessions s ON s.id = t.session_id \
             WHERE s.portfolio_id <> t.portfolio_id OR t.created_at < s.started_at OR t.created_at >= s.stopped_at",
        ).await, 0);
        assert_eq!(count(
            "SELECT count(*) FROM executions e JOIN executions o ON o.id = e.reverses_id \
             WHERE o.trade_id <> e.trade_id OR o.quantity <> -e.quantity OR o.price <> e.price OR o.id > e.id",
        ).await, 0);
        assert!(count("SELECT count(*) FROM trades WHERE session_id IS NOT NULL").await > 1_000);
        assert!(count("SELECT count(*) FROM executions WHERE reverses_id IS NOT NULL").await > 5);
        assert!(count("SELECT count(*) FROM executions WHERE mark = 'AFTER_END'").await > 3);
        for status in ["PENDING", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "REJECTED", "EXPIRED"] {
            let sql = format!("SELECT count(*) FROM trades WHERE status = '{status}'");
            assert!(count(sql.leak()).await > 10, "{status}");
        }
        let overdrawn = "SELECT count(*) FROM portfolios WHERE current_capital < -initial_capital / 100";
        assert_eq!(count(overdrawn).await, 0);
    }

    async fn a_seeded_book_is_the_fold_of_its_executions(url: &str) {
        seeded(&Program::new(), url, 3);
        let book = Book::read(url).await;
        assert!(book.executions.len() > 4_000);
        let folded = book.folded();
        assert_eq!(folded.trades, book.trades);
        assert_eq!(folded.executions, book.executions);
        assert_eq!(folded.positions, book.positions);
        assert_eq!(folded.sessions, book.sessions);
        assert_eq!(folded.portfolios, book.portfolios);
    }
}

/// All rows of a book by their identifiers, positions by portfolio and symbol.
struct Book {
    portfolios: BTreeMap<PortfolioId, Portfolio>,
    sessions: BTreeMap<TradingSessionId, TradingSession>,
    trades: BTreeMap<TradeId, Trade>,
    executions: BTreeMap<ExecutionId, Execution>,
    positions: BTreeMap<(PortfolioId, String), Position>,
}

async fn all<T: Table<Key = i64>>(session: &mut ReadSession) -> Vec<T> {
    Repository::<_, T>::new(session).get_many(LimitOffset::first(u32::MAX)).await.unwrap()
}

impl Book {
    async fn read(url: &str) -> Self {
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let session = &mut db.read().await.unwrap();
        let positions: Vec<Position> = all(session).await;
        let rows = positions.len();
        let book = Self {
            portfolios: all(session).await.into_iter().map(|row: Portfolio| (row.id, row)).collect(),
            sessions: all(session).await.into_iter().map(|row: TradingSession| (row.id, row)).collect(),
            trades: all(session).await.into_iter().map(|row: Trade| (row.id, row)).collect(),
            executions: all(session).await.into_iter().map(|row: Execution| (row.id, row)).collect(),
            positions: positions
                .into_iter()
                .map(|row| ((row.portfolio_id, row.symbol.clone()), row))
                .collect(),
        };
        assert_eq!(book.positions.len(), rows, "one position a symbol");
        book
    }

    /// Returns the same book with all figures that executions decide computed from these, in recorded order.
    fn folded(&self) -> Self {
        let mut portfolios = self.portfolios.clone();
        for portfolio in portfolios.values_mut() {
            portfolio.current_capital = portfolio.initial_capital;
        }
        let mut sessions = self.sessions.clone();
        for session in sessions.values_mut() {
            session.current_capital = session.starting_capital;
            session.total_pnl = Decimal::ZERO;
            (session.total_trades, session.winning_trades, session.losing_trades) = (0, 0, 0);
        }
        let mut trades = self.trades.clone();
        for trade in trades.values_mut() {
            trade.filled_quantity = Decimal::ZERO;
            (trade.average_fill_price, trade.realized_pnl, trade.filled_at) = (None, None, None);
            // The end of an order is not in its executions.
            if !trade.status.has_ended() {
                trade.status = TradeStatus::Pending;
            }
        }
        let mut executions = self.executions.clone();
        let mut positions = BTreeMap::new();
        for execution in executions.values_mut() {
            let trade = trades.get_mut(&execution.trade_id).unwrap();
            let portfolio = portfolios.get_mut(&trade.portfolio_id).unwrap();
            let key = (trade.portfolio_id, trade.symbol.clone());
            let stored = &self.positions[&key];
            let position = positions.entry(key).or_insert_with(|| Position {
                quantity: Decimal::ZERO,
                average_cost: Decimal::ZERO,
                realized_pnl: Decimal::ZERO,
                entry_date: None,
                ..stored.clone()
            });
            let scale = currency_scale(&portfolio.currency);
            let Execution { quantity, price, commission, fees, executed_at, .. } = *execution;

            let signed = if trade.action == Action::Buy { quantity } else { -quantity };
            let Position { quantity: held, average_cost, realized_pnl, .. } = *position;
            let before = Holding { quantity: held, average_cost, realized_pnl };
            let fill = HoldingFill { quantity: signed, price, commission, fees };
            let (after, moved) = before.after(&fill, scale).unwrap();
            if execution.reverses_id.is_none() {
                position.current_price = price;
            }
            position.unrealized_pnl = after.unrealized_pnl(position.current_price, scale).unwrap();
            if !after.quantity.is_zero()
                && (held.is_zero() || (held > Decimal::ZERO) != (after.quantity > Decimal::ZERO))
            {
                position.entry_date = Some(executed_at);
            }
            if after.quantity != Decimal::ZERO {
                let is_long = after.quantity > Decimal::ZERO;
                position.position_type = if is_long { PositionType::Long } else { PositionType::Short };
            }
            (position.quantity, position.average_cost) = (after.quantity, after.average_cost);
            position.realized_pnl = after.realized_pnl;

            // An order that ended is marked so by its executions after the end only.
            let ended = trade.status.clone();
            if ended.has_ended() && execution.mark.is_none() {
                trade.status = TradeStatus::Pending;
            }
            let order = OrderFill { quantity, price, realized_pnl: moved.realized_pnl, executed_at };
            let step = order.applied_to(trade, scale).unwrap();
            let won = |pnl: Option<Decimal>| i64::from(pnl.unwrap_or_default() > Decimal::ZERO);
            let lost = |pnl: Option<Decimal>| i64::from(pnl.unwrap_or_default() < Decimal::ZERO);
            if let Some(session) = trade.session_id.map(|id| sessions.get_mut(&id).unwrap()) {
                session.current_capital += moved.cash;
                session.total_pnl += moved.realized_pnl;
                session.total_trades += i64::from(step.filled_quantity > Decimal::ZERO)
                    - i64::from(trade.filled_quantity > Decimal::ZERO);
                session.winning_trades += won(Some(step.realized_pnl)) - won(trade.realized_pnl);
                session.losing_trades += lost(Some(step.realized_pnl)) - lost(trade.realized_pnl);
            }
            portfolio.current_capital += moved.cash;
            trade.filled_quantity = step.filled_quantity;
            trade.average_fill_price = step.average_fill_price;
            (trade.realized_pnl, trade.filled_at) = (Some(step.realized_pnl), step.filled_at);
            trade.status = if ended.has_ended() { ended } else { step.status };
            if trade.filled_quantity >= trade.quantity {
                trade.status = TradeStatus::Filled;
            }
            execution.execution_type = step.execution_type;
            (execution.mark, execution.realized_pnl) = (step.mark, Some(moved.realized_pnl));
        }
        Self { portfolios, sessions, trades, executions, positions }
    }
}
