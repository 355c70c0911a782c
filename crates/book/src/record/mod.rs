//! Recording executions: the execution, its order, the position, the cash and the totals, in one transaction.
//!
//! `statements` locks and reads the rows, `ledger` applies the executions to them in memory by the arithmetic of
//! [`bookkeeping`](crate::bookkeeping), and one pipeline writes the result.

mod error;
mod fill;
mod ledger;
mod statements;

use std::collections::BTreeSet;
use std::future::Future;

use tallybook_core::{
    Batch, CallSite, Committed, Database, Value, WriteSession, all, execute, now, optional, params,
};

use crate::bookkeeping::touched;
use crate::{Execution, Portfolio, Position, Trade, TradeId, TradeStatus, Trades, TradingSession};
use ledger::Ledger;
use statements::{
    BY_EXECUTION_ID, BY_EXECUTION_IDS, Locks, OF_EXECUTION, OF_TRADE, OF_TRADES, REVERSAL_OF, SET_STATUS,
};

pub use error::RecordError;
pub use fill::{Fill, Recorded, Reversal};

impl Trades<'_, WriteSession> {
    /// Records an execution exactly once: inserts it and updates its order, the position, the portfolio's cash and the totals
    /// of its trading session. See docs/bookkeeping.md for the formulas.
    ///
    /// An execution that was recorded before changes nothing and is answered again, so a program that does not know whether
    /// an earlier call took effect, after a crash or an [unknown commit](tallybook_core::Error::is_commit_unknown), calls
    /// again.
    ///
    /// Any number of writers may record for one portfolio: the call locks the portfolio, then the order. Two round trips,
    /// and one for the commit.
    ///
    /// ```
    /// use tallybook::book::{Action, Fill, NewPortfolio, NewTrade, Portfolios, RecordError, Trades, upgrade};
    /// use tallybook::{Database, Settings};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), RecordError> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// upgrade(&db).await?;
    /// let recorded = db
    ///     .write(async |session| -> Result<_, RecordError> {
    ///         let portfolio = Portfolios::new(session).create(&NewPortfolio::new("Pension")).await?;
    ///         let order = NewTrade::market(portfolio.id, Action::Buy, "AAPL", 100.into());
    ///         let trade = Trades::new(session).create(&order).await?;
    ///         Trades::new(session).record(&Fill::new(trade.id, "NASDAQ:1", 40.into(), 187.into())).await
    ///     })
    ///     .await?
    ///     .into_value();
    /// assert_eq!(recorded.trade.filled_quantity, 40.into());
    /// assert_eq!(recorded.position.unwrap().average_cost, 187.into());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RecordError`] says why the execution was refused, before anything was written. A unique violation means that another
    /// transaction recorded the same identifier for another portfolio at the same time: call again.
    #[track_caller]
    pub fn record(&mut self, fill: &Fill) -> impl Future<Output = Result<Recorded, RecordError>> + Send {
        let call = CallSite::here().suggest("Trades::record_many(&fills)");
        let session = self.session();
        async move {
            let mut recorded = record(session, std::slice::from_ref(fill), call).await?;
            Ok(recorded.pop().expect("one fill has one answer"))
        }
    }

    /// Records executions in the given order, all or none, as [`record`](Self::record) does. Two round trips, whatever their
    /// number.
    ///
    /// # Errors
    /// As [`record`](Self::record); then none of them is recorded.
    #[track_caller]
    pub fn record_many(
        &mut self,
        fills: &[Fill],
    ) -> impl Future<Output = Result<Vec<Recorded>, RecordError>> + Send {
        record(self.session(), fills, CallSite::here())
    }

    /// Records a correction: an execution that takes an earlier one back, at its price and with its costs. Its order, position,
    /// cash and totals follow. A correction that was recorded before changes nothing and is answered again. Two round trips.
    ///
    /// The position is charged as for a trade in the other direction at the same price: what it realizes is the difference to
    /// the average cost of now.
    ///
    /// # Errors
    /// As [`record`](Self::record), and if there is no such execution, or it was taken back already.
    #[track_caller]
    pub fn reverse(
        &mut self,
        reversal: &Reversal,
    ) -> impl Future<Output = Result<Recorded, RecordError>> + Send {
        let call = CallSite::here();
        let session = self.session();
        async move {
            reversal.check()?;
            let original = params![reversal.reverses].into_result()?;
            let ids = [reversal.reverses.clone(), reversal.execution_id.clone()];
            let batch = (lock(&OF_EXECUTION, &original, &ids), optional(&*REVERSAL_OF, original));
            let (locked, earlier) = session.run(batch.called(call)).await?;
            let mut ledger = Ledger::new(locked);
            ledger.reverse(reversal, earlier.as_ref())?;
            let mut recorded = write(session, ledger, call).await?;
            Ok(recorded.pop().expect("one reversal has one answer"))
        }
    }

    /// Sets the status of an order as its venue reports it, unless its fills or its end contradict it. Fills alone make an
    /// order `FILLED` or `PARTIALLY_FILLED`. A word that the book does not know is stored as it is. Two statements.
    ///
    /// # Errors
    /// [`RecordError::Transition`], and if there is no such order.
    #[track_caller]
    pub fn set_status(
        &mut self,
        id: TradeId,
        status: TradeStatus,
    ) -> impl Future<Output = Result<Trade, RecordError>> + Send {
        let call = CallSite::here();
        let session = self.session();
        async move {
            let locked = all::<Trade>(&OF_TRADE.trades, params![id]).called(call);
            let Some(mut trade) = session.run(locked).await?.pop() else {
                return Err(RecordError::NoOrder { trade: id });
            };
            if trade.status == status {
                return Ok(trade);
            }
            if let Some(problem) = trade.status.refuses(&status, !trade.filled_quantity.is_zero()) {
                return Err(RecordError::Transition { trade: id, from: trade.status, to: status, problem });
            }
            trade.updated_at = touched(trade.updated_at, now());
            trade.status = status;
            let update = execute(&SET_STATUS, params![trade.status, trade.updated_at, id]);
            session.run(update.called(call)).await?;
            Ok(trade)
        }
    }
}

type Locked = (Vec<Portfolio>, Vec<Trade>, Vec<TradingSession>, Vec<Position>, Vec<Execution>);

/// Returns the queries that lock the rows of some orders, and read the executions with these identifiers of the venue.
fn lock(locks: &Locks, orders: &[Value], execution_ids: &[String]) -> impl Batch<Output = Locked> + use<> {
    let executions = match execution_ids {
        [only] => all(&*BY_EXECUTION_ID, params![only]),
        several => all(&*BY_EXECUTION_IDS, params![several]),
    };
    (
        all(&locks.portfolios, orders.to_vec()),
        all(&locks.trades, orders.to_vec()),
        all(&locks.sessions, orders.to_vec()),
        all(&locks.positions, orders.to_vec()),
        executions,
    )
}

async fn record(
    session: &mut WriteSession,
    fills: &[Fill],
    call: CallSite,
) -> Result<Vec<Recorded>, RecordError> {
    if fills.is_empty() {
        return Ok(Vec::new());
    }
    let mut ledger = Ledger::new(session.run(lock_of(fills)?.called(call)).await?);
    for fill in fills {
        ledger.fill(fill)?;
    }
    write(session, ledger, call).await
}

/// Checks executions, and returns the queries that lock the rows of their orders.
fn lock_of(fills: &[Fill]) -> Result<impl Batch<Output = Locked> + use<>, RecordError> {
    for fill in fills {
        fill.check()?;
    }
    let trades: BTreeSet<_> = fills.iter().map(|fill| fill.trade_id.get()).collect();
    let trades: Vec<_> = trades.into_iter().collect();
    let ids: Vec<_> = fills.iter().map(|fill| fill.execution_id.clone()).collect();
    Ok(match &*trades {
        &[only] => lock(&OF_TRADE, &params![only].into_result()?, &ids),
        several => lock(&OF_TRADES, &params![several].into_result()?, &ids),
    })
}

/// Records executions as [`Trades::record_many`] does, in a transaction of its own: with the commit it takes two round trips
/// instead of three. On SQLite it is one hop, and callers that record at the same time share their commit
/// ([`write_batch_then`](Database::write_batch_then)).
///
/// ```
/// use tallybook::book::{Action, Fill, NewPortfolio, NewTrade, Portfolio, RecordError, Trade, record_fills, upgrade};
/// use tallybook::tables::Table;
/// use tallybook::{Database, Settings};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), RecordError> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// upgrade(&db).await?;
/// let portfolio = db.write_batch(Portfolio::insert(&NewPortfolio::new("Pension"))).await?.into_value();
/// let order = NewTrade::market(portfolio.id, Action::Buy, "AAPL", 100.into());
/// let trade = db.write_batch(Trade::insert(&order)).await?.into_value();
/// let recorded = record_fills(&db, &[Fill::new(trade.id, "NASDAQ:1", 40.into(), 187.into())]).await?;
/// assert_eq!(recorded.value()[0].trade.filled_quantity, 40.into());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Trades::record_many`], and as [`Database::write_batch_then`].
#[track_caller]
pub fn record_fills<'d>(
    db: &'d Database,
    fills: &[Fill],
) -> impl Future<Output = Result<Committed<Vec<Recorded>>, RecordError>> + Send + use<'d> {
    let call = CallSite::here().suggest("record_fills(&db, &fills)");
    let fills = fills.to_vec();
    async move {
        if fills.is_empty() {
            return Ok(db.write_batch(()).await?.map(|()| Vec::new()));
        }
        let first = lock_of(&fills)?.called(call);
        let written = db.write_batch_then(first, move |locked| {
            let mut ledger = Ledger::new(locked);
            for fill in &fills {
                ledger.fill(fill)?;
            }
            let writes = ledger.writes()?.called(call);
            Ok::<_, RecordError>((writes, ledger))
        });
        Ok(written.await?.map(|(ledger, written)| ledger.answers(written)))
    }
}

/// Writes the changes, if there are any, and returns the answers.
async fn write(
    session: &mut WriteSession,
    ledger: Ledger,
    call: CallSite,
) -> Result<Vec<Recorded>, RecordError> {
    let written = session.run(ledger.writes()?.called(call)).await?;
    Ok(ledger.answers(written))
}
