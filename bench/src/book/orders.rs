//! The orders whose fills are recorded, in portfolios of their own: so large that no fill completes them.

use anyhow::{Context, Result};
use rust_decimal::Decimal;
use tallybook::book::{
    Action, Execution, NewPortfolio, NewTrade, NewTradingSession, Portfolio, PortfolioId, Portfolios,
    Position, SessionType, Trade, Trades, TradingSession, TradingSessions,
};
use tallybook::{Database, Row, Settings, Statement, all, execute, params};

use super::refold::Account;
use super::work::Fill;
use super::written;

const PORTFOLIOS: usize = 5;
/// Each portfolio has an order to buy and one to sell in each.
const SYMBOLS: [&str; 2] = ["AAPL", "MSFT"];
const CAPITAL: i64 = 1_000_000_000;
const ORDERED: i64 = 1_000_000_000;
/// What a position goes through; negative if it is sold. It opens, grows, shrinks, flips, grows short, shrinks, flips back and
/// closes.
const STEPS: [i32; 8] = [10, 20, -5, -40, -10, 12, 33, -20];
/// How often it does, at other prices each time.
const CYCLES: i32 = 2;

/// The accounts with the orders.
pub(super) struct Orders {
    database: Database,
    accounts: Vec<Orderer>,
    select: Selects,
}

/// A portfolio, and its order to buy and its order to sell in each symbol.
struct Orderer {
    portfolio: PortfolioId,
    orders: Vec<(Trade, Trade)>,
}

/// The statements that read the rows of a portfolio.
struct Selects {
    portfolio: Statement,
    session: Statement,
    trades: Statement,
    positions: Statement,
    executions: Statement,
}

/// The statements that bring the rows of a portfolio back to their beginning.
static RESET: [Statement; 5] = [
    Statement::new(
        "DELETE FROM executions WHERE trade_id IN (SELECT id FROM trades WHERE portfolio_id = $1)",
    ),
    Statement::new("DELETE FROM positions WHERE portfolio_id = $1"),
    Statement::new(
        "UPDATE trades SET status = 'PENDING', filled_quantity = 0, average_fill_price = NULL, realized_pnl = NULL, \
         filled_at = NULL WHERE portfolio_id = $1",
    ),
    Statement::new("UPDATE portfolios SET current_capital = initial_capital WHERE id = $1"),
    Statement::new(
        "UPDATE trading_sessions SET current_capital = starting_capital, total_pnl = 0, total_trades = 0, \
         winning_trades = 0, losing_trades = 0 WHERE portfolio_id = $1",
    ),
];

impl Orders {
    /// Places them in the book at `url`.
    pub(super) async fn place(url: &str) -> Result<Self> {
        let database = Database::open(Settings::new(url)?).await?;
        let placed = database.write(async |session| -> tallybook::book::Result<_> {
            let mut accounts = Vec::new();
            for number in 1..=PORTFOLIOS {
                let new = NewPortfolio {
                    initial_capital: CAPITAL.into(),
                    current_capital: CAPITAL.into(),
                    ..NewPortfolio::new(format!("recorded {number}"))
                };
                let portfolio = Portfolios::new(session).create(&new).await?.id;
                let new = NewTradingSession {
                    starting_capital: CAPITAL.into(),
                    current_capital: CAPITAL.into(),
                    ..NewTradingSession::new(portfolio, SessionType::Paper)
                };
                let trading = TradingSessions::new(session).create(&new).await?.id;
                let mut orders = Vec::new();
                for symbol in SYMBOLS {
                    let order = |action| NewTrade {
                        session_id: Some(trading),
                        created_at: written::time().and_utc(),
                        ..NewTrade::market(portfolio, action, symbol, Decimal::from(ORDERED))
                    };
                    let buy = Trades::new(session).create(&order(Action::Buy)).await?;
                    let sell = Trades::new(session).create(&order(Action::Sell)).await?;
                    orders.push((buy, sell));
                }
                accounts.push(Orderer { portfolio, orders });
            }
            Ok(accounts)
        });
        let accounts = placed.await?.into_value();
        Ok(Self { database, accounts, select: Selects::new() })
    }

    /// The fills that are recorded in turns, those of different portfolios next to each other. Together they leave every
    /// position flat, so that it goes through the same again and again.
    pub(super) fn fills(&self) -> Vec<Fill> {
        let mut fills = Vec::new();
        for (index, step) in (0..CYCLES).flat_map(|_| STEPS).enumerate() {
            for symbol in 0..SYMBOLS.len() {
                for Orderer { portfolio, orders } in &self.accounts {
                    let (buy, sell) = &orders[symbol];
                    let trade = if step > 0 { buy } else { sell };
                    fills.push(Fill {
                        portfolio: portfolio.get() as i32,
                        trade: trade.id.get() as i32,
                        quantity: step.abs(),
                        cents: price(index * SYMBOLS.len() + symbol),
                    });
                }
            }
        }
        fills
    }

    /// Takes back all that was recorded.
    pub(super) async fn reset(&self) -> Result<()> {
        let all: Vec<_> = self
            .accounts
            .iter()
            .flat_map(|account| RESET.iter().map(|statement| execute(statement, params![account.portfolio])))
            .collect();
        self.database.write(async |session| -> tallybook::Result<_> { session.run(all).await }).await?;
        Ok(())
    }

    /// The rows of each portfolio as they are.
    pub(super) async fn accounts(&self) -> Result<Vec<Account>> {
        let mut session = self.database.read().await?;
        let mut accounts = Vec::new();
        for Orderer { portfolio: id, .. } in &self.accounts {
            let (mut portfolios, mut sessions, trades, positions, executions) = session
                .run((
                    all::<Portfolio>(&self.select.portfolio, params![id]),
                    all::<TradingSession>(&self.select.session, params![id]),
                    all::<Trade>(&self.select.trades, params![id]),
                    all::<Position>(&self.select.positions, params![id]),
                    all::<Execution>(&self.select.executions, params![id]),
                ))
                .await?;
            accounts.push(Account {
                portfolio: portfolios.pop().context("the portfolio is gone")?,
                session: sessions.pop().context("the trading session is gone")?,
                trades,
                positions,
                executions,
            });
        }
        Ok(accounts)
    }
}

impl Selects {
    fn new() -> Self {
        let select = |columns, rest| Statement::from(format!("SELECT {columns} FROM {rest}"));
        Self {
            portfolio: select(Portfolio::COLUMN_LIST, "portfolios WHERE id = $1"),
            session: select(TradingSession::COLUMN_LIST, "trading_sessions WHERE portfolio_id = $1"),
            trades: select(Trade::COLUMN_LIST, "trades WHERE portfolio_id = $1 ORDER BY id"),
            positions: select(Position::COLUMN_LIST, "positions WHERE portfolio_id = $1 ORDER BY symbol"),
            executions: select(
                Execution::COLUMN_LIST,
                "executions WHERE trade_id IN (SELECT id FROM trades WHERE portfolio_id = $1) ORDER BY id",
            ),
        }
    }
}

/// Hundredths: between 90 and 110, with no order to them.
fn price(index: usize) -> i32 {
    9_000 + (index * 739 % 2_000) as i32
}
