//! A row of each table with a value in every field, and one with NULL in every nullable field.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use tallybook::book::{
    Action, Delete, Execution, ExecutionType, FillMark, Id, NewExecution, NewPortfolio, NewPosition,
    NewTrade, NewTradingSession, OrderType, Portfolio, PortfolioId, Portfolios, Position, PositionType,
    Repository, SessionStatus, SessionType, Table, Trade, TradeId, TradeStatus, Trades, TradingSession,
    TradingSessionId, TradingSessions, Update,
};
use tallybook::{Database, WriteSession};

use crate::support::{decimal, time, write};

/// The portfolio that [`parents`] creates in an empty book.
pub(crate) const PORTFOLIO: PortfolioId = PortfolioId::new(1);
pub(crate) const SESSION: TradingSessionId = TradingSessionId::new(1);
pub(crate) const TRADE: TradeId = TradeId::new(1);

/// Creates the rows that samples refer to.
pub(crate) async fn parents(db: &Database) {
    write(db, async |session| {
        Portfolios::new(session).create(&NewPortfolio::new("parent")).await?;
        TradingSessions::new(session).create(&NewTradingSession::new(PORTFOLIO, SessionType::Live)).await?;
        Trades::new(session).create(&NewTrade::market(PORTFOLIO, Action::Buy, "A", 1.into())).await?;
        Ok(())
    })
    .await;
}

pub(crate) trait Sample: Table<Key = i64> + PartialEq + Debug {
    /// Returns a row with all fields set; `number` makes unique values, `time` is the column of the list order.
    fn full(number: usize, time: DateTime<Utc>) -> Self::New;
    /// Returns a row with all nullable fields NULL.
    fn bare(number: usize) -> Self::New;
    /// Updates a row, by a repair if the table is append-only.
    fn update<'r>(rows: &'r mut Rows<'_, Self>, id: Id<Self>, changes: Self::Changes) -> Update<'r, Self>;
    /// Deletes a row, by a repair if the table is append-only.
    fn delete<'r>(rows: &'r mut Rows<'_, Self>, id: Id<Self>) -> Delete<'r, Self>;
}

pub(crate) type Rows<'s, T> = Repository<'s, WriteSession, T>;

/// The two ways to write.
macro_rules! by {
    ($($repair:ident())?) => {
        #[track_caller]
        fn update<'r>(rows: &'r mut Rows<'_, Self>, id: Id<Self>, changes: Self::Changes) -> Update<'r, Self> {
            rows$(.$repair())?.update(id, changes)
        }

        #[track_caller]
        fn delete<'r>(rows: &'r mut Rows<'_, Self>, id: Id<Self>) -> Delete<'r, Self> {
            rows$(.$repair())?.delete(id)
        }
    };
}

impl Sample for Portfolio {
    by!();

    fn full(number: usize, at: DateTime<Utc>) -> NewPortfolio {
        NewPortfolio {
            name: format!("Größe №{number}"),
            description: Some("what it's \"for\"".to_owned()),
            initial_capital: decimal("123456789.012345"),
            current_capital: decimal("-0.000000000001"),
            currency: "EUR".to_owned(),
            created_at: at,
            updated_at: time(1),
            metadata_json: Some(r#"{"a": [1, null]}"#.to_owned()),
        }
    }

    fn bare(number: usize) -> NewPortfolio {
        NewPortfolio { description: None, metadata_json: None, ..Self::full(number, time(2)) }
    }
}

impl Sample for Position {
    by!();

    fn full(number: usize, at: DateTime<Utc>) -> NewPosition {
        NewPosition {
            portfolio_id: PORTFOLIO,
            symbol: format!("BRK.{number}"),
            quantity: decimal("0.00000001"),
            average_cost: decimal("612345.25"),
            current_price: decimal("612345.3"),
            unrealized_pnl: decimal("-17.1"),
            realized_pnl: decimal("1000000"),
            position_type: PositionType::Short,
            entry_date: Some(time(3)),
            created_at: at,
            updated_at: time(1),
            metadata_json: Some("{}".to_owned()),
        }
    }

    fn bare(number: usize) -> NewPosition {
        NewPosition { entry_date: None, metadata_json: None, ..Self::full(number, time(2)) }
    }
}

impl Sample for TradingSession {
    by!();

    fn full(_: usize, at: DateTime<Utc>) -> NewTradingSession {
        NewTradingSession {
            portfolio_id: PORTFOLIO,
            session_type: SessionType::Backtest,
            status: SessionStatus::Paused,
            name: Some("morning".to_owned()),
            description: Some(String::new()),
            max_position_size: Some(decimal("0.1")),
            max_portfolio_exposure: Some(decimal("0.2")),
            stop_loss_percentage: Some(decimal("0.3")),
            take_profit_percentage: Some(decimal("0.4")),
            starting_capital: decimal("0.5"),
            current_capital: decimal("0.6"),
            total_pnl: decimal("0.7"),
            total_trades: 8,
            winning_trades: 9,
            losing_trades: 10,
            started_at: at,
            stopped_at: Some(time(4)),
            metadata_json: Some("[]".to_owned()),
        }
    }

    fn bare(number: usize) -> NewTradingSession {
        NewTradingSession {
            name: None,
            description: None,
            max_position_size: None,
            max_portfolio_exposure: None,
            stop_loss_percentage: None,
            take_profit_percentage: None,
            stopped_at: None,
            metadata_json: None,
            ..Self::full(number, time(2))
        }
    }
}

impl Sample for Trade {
    by!();

    fn full(_: usize, at: DateTime<Utc>) -> NewTrade {
        NewTrade {
            portfolio_id: PORTFOLIO,
            session_id: Some(SESSION),
            symbol: "A".to_owned(),
            action: Action::Sell,
            quantity: decimal("1.1"),
            order_type: OrderType::StopLimit,
            limit_price: Some(decimal("2.2")),
            stop_price: Some(decimal("3.3")),
            status: TradeStatus::PartiallyFilled,
            filled_quantity: decimal("4.4"),
            average_fill_price: Some(decimal("5.5")),
            created_at: at,
            updated_at: time(1),
            filled_at: Some(at + chrono::TimeDelta::microseconds(1)),
            decision_rationale: Some("a hunch".to_owned()),
            confidence_score: Some(decimal("0.99")),
            metadata_json: Some("7".to_owned()),
            realized_pnl: Some(decimal("-6.6")),
        }
    }

    fn bare(number: usize) -> NewTrade {
        NewTrade {
            session_id: None,
            limit_price: None,
            stop_price: None,
            average_fill_price: None,
            filled_at: None,
            decision_rationale: None,
            confidence_score: None,
            metadata_json: None,
            realized_pnl: None,
            ..Self::full(number, time(2))
        }
    }
}

impl Sample for Execution {
    by!(repair());

    fn full(number: usize, at: DateTime<Utc>) -> NewExecution {
        NewExecution {
            trade_id: TRADE,
            symbol: "A".to_owned(),
            quantity: decimal("1"),
            price: decimal("99999999999.9999"),
            execution_type: ExecutionType::PartialFill,
            commission: decimal("0.01"),
            fees: decimal("0.02"),
            exchange: Some("XETRA".to_owned()),
            execution_id: Some(format!("fill {number}")),
            executed_at: at,
            metadata_json: Some("null".to_owned()),
            realized_pnl: Some(decimal("0.03")),
            reverses_id: None,
            mark: Some(FillMark::OverFill),
        }
    }

    fn bare(number: usize) -> NewExecution {
        NewExecution {
            exchange: None,
            execution_id: None,
            metadata_json: None,
            realized_pnl: None,
            mark: None,
            ..Self::full(number, time(2))
        }
    }
}
