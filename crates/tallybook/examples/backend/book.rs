//! The book's tables, as this service shows them, and money that moves between portfolios.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tallybook::book::{
    Action, Execution, ExecutionType, Portfolio, Portfolios, Position, PositionType, SessionStatus,
    SessionType, Trade, TradeStatus, TradeWithExecutions, TradingSession,
};
use tallybook::tables::{Aggregate, Id};
use tallybook::{Committed, Database, IsolationLevel, Retries};

use super::audit::Actor;
use super::consistency::Written;
use super::failure::Failure;
use super::listing::{Listed, listed};

/// A portfolio with its positions, and its newest trades with their executions: four statements, one round trip, one snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct PortfolioBook {
    #[root]
    pub(crate) portfolio: Portfolio,
    #[many]
    pub(crate) positions: Vec<Position>,
    #[many(newest = 50)]
    pub(crate) trades: Vec<TradeWithExecutions>,
}

listed!(Portfolio {
    name: String => "name = $1",
    currency: String => "currency = $1",
});
listed!(Position {
    portfolio_id: Id<Portfolio> => "portfolio_id = $1",
    symbol: String => "symbol = $1",
    position_type: PositionType => "position_type = $1",
});
listed!(Trade {
    portfolio_id: Id<Portfolio> => "portfolio_id = $1",
    session_id: Id<TradingSession> => "session_id = $1",
    symbol: String => "symbol = $1",
    action: Action => "action = $1",
    status: TradeStatus => "status = $1",
    since: DateTime<Utc> => "created_at >= $1",
});
listed!(Execution {
    trade_id: Id<Trade> => "trade_id = $1",
    symbol: String => "symbol = $1",
    execution_type: ExecutionType => "execution_type = $1",
});
listed!(TradingSession {
    portfolio_id: Id<Portfolio> => "portfolio_id = $1",
    session_type: SessionType => "session_type = $1",
    status: SessionStatus => "status = $1",
});

/// An order to move capital from one portfolio to another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    from: Id<Portfolio>,
    to: Id<Portfolio>,
    amount: Decimal,
}

/// Both portfolios after a transfer.
#[derive(Serialize)]
pub(crate) struct Transferred {
    from: Portfolio,
    to: Portfolio,
}

/// Moves capital. Transactions that get in each other's way run again.
pub(crate) async fn transfer(
    State(db): State<Database>,
    actor: Actor,
    Json(transfer): Json<Transfer>,
) -> Result<Written<Transferred>, Failure> {
    if transfer.from == transfer.to || transfer.amount <= Decimal::ZERO {
        return Err(Failure::unprocessable("a transfer moves a positive amount between two portfolios"));
    }
    let mut retries = Retries::new();
    loop {
        match move_capital(&db, &actor, &transfer).await {
            Err(failure) if retries.again(failure.database()).await => continue,
            done => return Ok(done?.into()),
        }
    }
}

/// One try, as if no other transaction ran meanwhile.
async fn move_capital(
    db: &Database,
    actor: &Actor,
    transfer: &Transfer,
) -> Result<Committed<Transferred>, Failure> {
    let &Transfer { from, to, amount } = transfer;
    let moved = db.write_with(IsolationLevel::Serializable, async |session| {
        let mut portfolios = Portfolios::new(session);
        // Everybody locks in the order of identifiers, so that no two transfers wait for each other.
        let (from, to) = if from < to {
            let from = portfolios.add_current_capital(from, -amount).await?;
            (from, portfolios.add_current_capital(to, amount).await?)
        } else {
            let to = portfolios.add_current_capital(to, amount).await?;
            (portfolios.add_current_capital(from, -amount).await?, to)
        };
        if from.current_capital < Decimal::ZERO {
            return Err(Failure::unprocessable(format!("{} has less than {amount}", from.name)));
        }
        if from.currency != to.currency {
            return Err(Failure::unprocessable("the portfolios have different currencies"));
        }
        actor.log(session, "transfer", &from).await?;
        actor.log(session, "transfer", &to).await?;
        Ok(Transferred { from, to })
    });
    moved.await
}
