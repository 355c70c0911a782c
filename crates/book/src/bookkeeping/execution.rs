//! The fold of one execution into every row that it changes.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::holding::money;
use super::{CashMove, Holding, HoldingFill, OrderFill, OrderStep, Unholdable, touched};
use crate::{Action, Execution, NewExecution, Portfolio, Position, PositionType, Trade, TradingSession};

/// The terms of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionTerms {
    /// Executed quantity, in units of the instrument; negative if the execution takes a fill back.
    pub quantity: Decimal,
    /// Price per unit.
    pub price: Decimal,
    /// Broker's commission.
    pub commission: Decimal,
    /// Other fees.
    pub fees: Decimal,
    /// Time of the execution.
    pub executed_at: DateTime<Utc>,
    /// It takes another execution back, so its price is not that of the market.
    pub is_reversal: bool,
}

/// The effect of an execution on its order and its position, before a row is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionStep {
    /// State of the order, and the kind of the execution.
    pub order: OrderStep,
    /// State of the position.
    pub holding: Holding,
    /// The money that moves.
    pub moved: CashMove,
    current_price: Decimal,
    unrealized_pnl: Decimal,
    executed_at: DateTime<Utc>,
    scale: u32,
}

/// The rows that an execution changes.
#[derive(Debug)]
pub struct ExecutionRows<'r> {
    /// The portfolio.
    pub portfolio: &'r mut Portfolio,
    /// The order.
    pub trade: &'r mut Trade,
    /// The position of the portfolio in the symbol of the order.
    pub position: &'r mut Position,
    /// The trading session of the order, if there is one.
    pub session: Option<&'r mut TradingSession>,
}

/// The row that can't hold a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedRow {
    /// The order.
    Trade,
    /// The position.
    Position,
    /// The portfolio.
    Portfolio,
    /// The trading session.
    TradingSession,
}

/// Why an execution can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionStepError {
    /// The action of the order is neither `BUY` nor `SELL`.
    #[error("the order neither buys nor sells")]
    UnknownSide,
    /// A column can't hold the new figure exactly.
    #[error("{figure}")]
    Unholdable {
        /// The row.
        row: ChangedRow,
        /// The column.
        #[source]
        figure: Unholdable,
    },
}

/// The part of an order in the totals of its trading session.
struct Tally {
    trades: i64,
    won: i64,
    lost: i64,
}

macro_rules! terms_of {
    ($($execution:ty),*) => {$(
        impl From<&$execution> for ExecutionTerms {
            fn from(execution: &$execution) -> Self {
                Self {
                    quantity: execution.quantity,
                    price: execution.price,
                    commission: execution.commission,
                    fees: execution.fees,
                    executed_at: execution.executed_at,
                    is_reversal: execution.reverses_id.is_some(),
                }
            }
        }
    )*};
}

terms_of!(Execution, NewExecution);

impl ExecutionStep {
    /// Returns what an execution does to its order and its position, with money at `scale` decimals.
    ///
    /// # Errors
    /// [`ExecutionStepError`], if the side of the order is unknown or a column of the position or the order can't hold a figure.
    pub fn of(
        terms: &ExecutionTerms,
        trade: &Trade,
        position: &Position,
        scale: u32,
    ) -> Result<Self, ExecutionStepError> {
        let ExecutionTerms { quantity, price, commission, fees, executed_at, is_reversal } = *terms;
        let signed = match trade.action {
            Action::Buy => quantity,
            Action::Sell => -quantity,
            Action::Other(_) => return Err(ExecutionStepError::UnknownSide),
        };
        let of_position = |figure| ChangedRow::Position.cannot_hold(figure);
        let held = held(position);
        let (holding, moved) = held
            .after(&HoldingFill { quantity: signed, price, commission, fees }, scale)
            .map_err(of_position)?;
        let current_price = if is_reversal { position.current_price } else { price.normalize() };
        let unrealized_pnl = holding.unrealized_pnl(current_price, scale).map_err(of_position)?;
        let order = OrderFill { quantity, price, realized_pnl: moved.realized_pnl, executed_at }
            .applied_to(trade, scale)
            .map_err(|figure| ChangedRow::Trade.cannot_hold(figure))?;
        Ok(Self { order, holding, moved, current_price, unrealized_pnl, executed_at, scale })
    }

    /// Changes the rows, all or none. Each gets `now` as the time of its update, or a later one.
    ///
    /// # Errors
    /// [`ExecutionStepError::Unholdable`], if a column of the portfolio or the trading session can't hold a sum.
    pub fn apply(&self, rows: ExecutionRows<'_>, now: DateTime<Utc>) -> Result<(), ExecutionStepError> {
        let ExecutionRows { portfolio, trade, position, session } = rows;
        let sum = |row: ChangedRow, before, moved, column| {
            money(before, moved, self.scale, column).map_err(|figure| row.cannot_hold(figure))
        };
        let CashMove { realized_pnl, cash } = self.moved;
        let capital = sum(ChangedRow::Portfolio, portfolio.current_capital, cash, "current_capital")?;
        let before = Tally::of(trade);
        let session = match session {
            None => None,
            Some(session) => {
                let capital =
                    sum(ChangedRow::TradingSession, session.current_capital, cash, "current_capital")?;
                let total = sum(ChangedRow::TradingSession, session.total_pnl, realized_pnl, "total_pnl")?;
                Some((session, capital, total))
            }
        };
        self.apply_to_trade(trade, now);
        self.apply_to_position(position, now);
        if let Some((session, capital, total)) = session {
            (session.current_capital, session.total_pnl) = (capital, total);
            Tally::of(trade).replace(&before, session);
        }
        portfolio.current_capital = capital;
        portfolio.updated_at = touched(portfolio.updated_at, now);
        Ok(())
    }

    fn apply_to_trade(&self, trade: &mut Trade, now: DateTime<Utc>) {
        let OrderStep { filled_quantity, average_fill_price, realized_pnl, filled_at, .. } = self.order;
        (trade.filled_quantity, trade.average_fill_price) = (filled_quantity, average_fill_price);
        (trade.realized_pnl, trade.filled_at) = (Some(realized_pnl), filled_at);
        trade.status = self.order.status.clone();
        trade.updated_at = touched(trade.updated_at, now);
    }

    fn apply_to_position(&self, position: &mut Position, now: DateTime<Utc>) {
        let Holding { quantity, average_cost, realized_pnl } = self.holding;
        if is_opened(position.quantity, quantity) {
            position.entry_date = Some(self.executed_at);
        }
        if quantity > Decimal::ZERO {
            position.position_type = PositionType::Long;
        } else if quantity < Decimal::ZERO {
            position.position_type = PositionType::Short;
        }
        (position.quantity, position.average_cost, position.realized_pnl) =
            (quantity, average_cost, realized_pnl);
        (position.current_price, position.unrealized_pnl) = (self.current_price, self.unrealized_pnl);
        position.updated_at = touched(position.updated_at, now);
    }
}

impl ChangedRow {
    fn cannot_hold(self, figure: Unholdable) -> ExecutionStepError {
        ExecutionStepError::Unholdable { row: self, figure }
    }
}

impl Tally {
    fn of(trade: &Trade) -> Self {
        let realized = trade.realized_pnl.unwrap_or_default();
        Self {
            trades: (trade.filled_quantity > Decimal::ZERO).into(),
            won: (realized > Decimal::ZERO).into(),
            lost: (realized < Decimal::ZERO).into(),
        }
    }

    fn replace(&self, before: &Self, session: &mut TradingSession) {
        session.total_trades += self.trades - before.trades;
        session.winning_trades += self.won - before.won;
        session.losing_trades += self.lost - before.lost;
    }
}

fn held(position: &Position) -> Holding {
    let Position { quantity, average_cost, realized_pnl, .. } = *position;
    Holding { quantity, average_cost, realized_pnl }
}

/// Returns whether a position was opened: it was flat, or changed sides.
fn is_opened(before: Decimal, after: Decimal) -> bool {
    !after.is_zero() && (before.is_zero() || before.is_sign_negative() != after.is_sign_negative())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExecutionType, FillMark, NewTrade, SessionStatus, SessionType, TradeStatus};

    const SCALE: u32 = 2;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    struct Book {
        portfolio: Portfolio,
        trade: Trade,
        position: Position,
        session: TradingSession,
    }

    impl Book {
        fn new(action: Action) -> Self {
            let initial_capital = Decimal::ONE_THOUSAND;
            let new = NewTrade {
                created_at: at(0),
                updated_at: at(0),
                ..NewTrade::market(1.into(), action, "AAPL", 10.into())
            };
            Self {
                portfolio: Portfolio {
                    id: 1.into(),
                    name: "One".to_owned(),
                    description: None,
                    initial_capital,
                    current_capital: initial_capital,
                    currency: "USD".to_owned(),
                    created_at: at(0),
                    updated_at: at(0),
                    metadata_json: None,
                },
                trade: new.with_id(7.into()),
                position: Position::flat(3.into(), 1.into(), "AAPL", at(0)),
                session: TradingSession {
                    id: 2.into(),
                    portfolio_id: 1.into(),
                    name: None,
                    session_type: SessionType::Paper,
                    status: SessionStatus::Active,
                    description: None,
                    max_position_size: None,
                    max_portfolio_exposure: None,
                    stop_loss_percentage: None,
                    take_profit_percentage: None,
                    starting_capital: initial_capital,
                    current_capital: initial_capital,
                    total_pnl: Decimal::ZERO,
                    total_trades: 0,
                    winning_trades: 0,
                    losing_trades: 0,
                    started_at: at(0),
                    stopped_at: None,
                    metadata_json: None,
                },
            }
        }

        fn execute(&mut self, terms: &ExecutionTerms) -> Result<ExecutionStep, ExecutionStepError> {
            let step = ExecutionStep::of(terms, &self.trade, &self.position, SCALE)?;
            let Self { portfolio, trade, position, session } = self;
            step.apply(
                ExecutionRows { portfolio, trade, position, session: Some(session) },
                terms.executed_at,
            )?;
            Ok(step)
        }

        fn totals(&self) -> (Decimal, i64, i64, i64) {
            let TradingSession { total_pnl, total_trades, winning_trades, losing_trades, .. } = self.session;
            (total_pnl, total_trades, winning_trades, losing_trades)
        }
    }

    fn terms(quantity: i64, price: i64, second: i64) -> ExecutionTerms {
        ExecutionTerms {
            quantity: quantity.into(),
            price: price.into(),
            commission: Decimal::ONE,
            fees: Decimal::ZERO,
            executed_at: at(second),
            is_reversal: false,
        }
    }

    #[test]
    fn a_fill_changes_order_position_cash_and_totals() {
        let mut book = Book::new(Action::Buy);
        let step = book.execute(&terms(4, 20, 5)).unwrap();
        assert_eq!((step.order.execution_type, step.order.mark), (ExecutionType::PartialFill, None));
        assert_eq!(
            (&book.trade.status, book.trade.filled_quantity),
            (&TradeStatus::PartiallyFilled, 4.into())
        );
        assert_eq!((book.position.quantity, book.position.average_cost), (4.into(), 20.into()));
        assert_eq!((book.position.entry_date, book.position.current_price), (Some(at(5)), 20.into()));
        assert_eq!([book.portfolio.current_capital, book.session.current_capital], [919.into(); 2]);
        assert_eq!(book.totals(), (Decimal::ZERO, 1, 0, 0));
        let updated = [book.trade.updated_at, book.position.updated_at, book.portfolio.updated_at];
        assert_eq!(updated, [at(5); 3]);
    }

    #[test]
    fn an_order_counts_once_and_as_what_it_won_or_lost_in_all() {
        let mut book = Book::new(Action::Sell);
        (book.position.quantity, book.position.average_cost) = (10.into(), 50.into());
        book.execute(&terms(5, 51, 1)).unwrap();
        assert_eq!(book.totals(), (5.into(), 1, 1, 0));
        book.execute(&terms(5, 48, 2)).unwrap();
        assert_eq!(book.totals(), ((-5).into(), 1, 0, 1));
    }

    #[test]
    fn a_sale_beyond_what_is_held_opens_a_short_position() {
        let mut book = Book::new(Action::Sell);
        (book.position.quantity, book.position.average_cost) = (4.into(), 50.into());
        let step = book.execute(&terms(11, 50, 9)).unwrap();
        assert_eq!(step.order.mark, Some(FillMark::OverFill));
        assert_eq!(
            (book.position.quantity, &book.position.position_type),
            ((-7).into(), &PositionType::Short)
        );
        assert_eq!(book.position.entry_date, Some(at(9)));
    }

    #[test]
    fn a_reversal_leaves_the_price_of_the_market() {
        let mut book = Book::new(Action::Buy);
        book.execute(&terms(4, 20, 1)).unwrap();
        book.execute(&terms(4, 22, 2)).unwrap();
        let reversal = ExecutionTerms { is_reversal: true, ..terms(-4, 20, 3) };
        let step = book.execute(&reversal).unwrap();
        assert_eq!(step.order.execution_type, ExecutionType::Reversal);
        assert_eq!((book.position.quantity, book.position.current_price), (4.into(), 22.into()));
    }

    #[test]
    fn a_sum_that_does_not_fit_changes_no_row_and_is_named() {
        let mut book = Book::new(Action::Buy);
        book.session.current_capital = Decimal::new(99_999_999_999_999_999, 2);
        let before = (book.portfolio.clone(), book.trade.clone(), book.position.clone());
        let error = book.execute(&terms(4, 20, 5)).unwrap_err();
        let column = "current_capital";
        assert_eq!(error, ChangedRow::TradingSession.cannot_hold(Unholdable { column }));
        assert_eq!((book.portfolio, book.trade, book.position), before);
    }

    #[test]
    fn an_order_that_neither_buys_nor_sells_is_refused() {
        let mut book = Book::new(Action::Other("HOLD".into()));
        assert_eq!(book.execute(&terms(1, 1, 1)), Err(ExecutionStepError::UnknownSide));
    }
}
