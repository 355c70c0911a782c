//! The executions of a portfolio up to a moment.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::{All, Batch, CallSite, Row, Session, Statement, all, optional, params};
use tallybook_tables::tables::Table;

use super::HistoryError;
use crate::bookkeeping::{HoldingFill, Unholdable};
use crate::{Action, ExecutionId, Portfolio, PortfolioId, TradeId};

/// An execution, with the side of its order.
#[derive(Row)]
pub(super) struct Executed {
    id: ExecutionId,
    trade_id: TradeId,
    pub(super) symbol: String,
    action: Action,
    quantity: Decimal,
    price: Decimal,
    commission: Decimal,
    fees: Decimal,
    pub(super) executed_at: DateTime<Utc>,
}

/// Selects the executions of the portfolio `$1` until the moment `$2`. On SQLite until the end of its day, whatever the form of
/// their times; [`until`] takes care of the rest.
fn select(order: &str) -> Statement {
    let select = "SELECT e.id, e.trade_id, t.symbol, t.action, e.quantity, e.price, e.commission, e.fees, e.executed_at \
                  FROM trades t JOIN executions e ON e.trade_id = t.id";
    Statement::per_dialect_owned(
        format!("{select} WHERE t.portfolio_id = (SELECT $1) AND e.executed_at <= $2{order}"),
        format!("{select} WHERE t.portfolio_id = $1 AND e.executed_at < substr($2, 1, 10) || 'U'{order}"),
    )
}

static IN_ANY_ORDER: LazyLock<Statement> = LazyLock::new(|| select(""));

/// In recorded order: a portfolio is locked while an execution gets its identifier.
static AS_RECORDED: LazyLock<Statement> = LazyLock::new(|| select(" ORDER BY e.id"));

static PORTFOLIO: LazyLock<Statement> = LazyLock::new(|| {
    format!("SELECT {} FROM {} WHERE id = $1", Portfolio::COLUMN_LIST, Portfolio::NAME).into()
});

/// Returns the portfolio with this identifier. One statement.
pub(super) async fn portfolio(
    session: &mut impl Session,
    id: PortfolioId,
    call: CallSite,
) -> Result<Portfolio, HistoryError> {
    let query = optional(&*PORTFOLIO, params![id]).called(call);
    session.fetch(query).await?.ok_or(HistoryError::NoPortfolio(id))
}

/// Calls `visit` for the executions of a portfolio until a moment, that included. One statement, whose rows are streamed.
pub(super) async fn until(
    session: &mut impl Session,
    portfolio: PortfolioId,
    moment: DateTime<Utc>,
    is_as_recorded: bool,
    call: CallSite,
    mut visit: impl FnMut(&Executed) -> Result<(), HistoryError> + Send,
) -> Result<(), HistoryError> {
    let statement = if is_as_recorded { &*AS_RECORDED } else { &*IN_ANY_ORDER };
    let query: All<Executed> = all(statement, params![portfolio, moment]).called(call);
    let mut rows = session.stream(query).await?;
    while let Some(executed) = rows.next().await {
        let executed = executed?;
        if executed.executed_at <= moment {
            visit(&executed)?;
        }
    }
    Ok(())
}

impl Executed {
    /// Returns what it does to a position.
    pub(super) fn fill(&self) -> Result<HoldingFill, HistoryError> {
        let quantity = match self.action {
            Action::Buy => self.quantity,
            Action::Sell => -self.quantity,
            Action::Other(_) => {
                return Err(HistoryError::UnknownSide { execution: self.id, trade: self.trade_id });
            }
        };
        let Self { price, commission, fees, .. } = *self;
        Ok(HoldingFill { quantity, price, commission, fees })
    }

    /// Returns the error for a figure that no column holds.
    pub(super) fn unholdable(&self, figure: &Unholdable) -> HistoryError {
        HistoryError::Unholdable { execution: self.id, column: figure.column }
    }
}
