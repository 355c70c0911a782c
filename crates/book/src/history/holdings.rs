//! The positions of a portfolio at a moment.

use std::collections::BTreeMap;
use std::future::Future;

use chrono::{DateTime, Utc};
use tallybook_core::{CallSite, Session};

use super::{HistoryError, executed};
use crate::bookkeeping::{Holding, currency_scale};
use crate::{PortfolioId, Positions};

impl<S: Session> Positions<'_, S> {
    /// Returns the holdings of a portfolio at a moment, by symbol: the fold of its executions with an `executed_at` until that
    /// moment, in recorded order. A symbol without an execution until then is left out; one that was closed is flat, with what it
    /// realized.
    ///
    /// It is the history as the book knows it today: a fill that was recorded late counts from its own time on, and a reversal
    /// from its own. With a moment after the last execution, the result equals the stored positions of a portfolio whose
    /// executions were all recorded by [`Trades::record`](crate::Trades::record).
    ///
    /// Two statements, in two round trips and those of the stream; it finds the portfolio's trades and their executions by
    /// indexes, and keeps one holding per symbol in memory.
    ///
    /// # Errors
    /// [`HistoryError`].
    #[track_caller]
    pub fn holdings_at(
        &mut self,
        portfolio: PortfolioId,
        moment: DateTime<Utc>,
    ) -> impl Future<Output = Result<BTreeMap<String, Holding>, HistoryError>> + Send {
        let call = CallSite::here();
        let session = self.session();
        async move {
            let scale = currency_scale(&executed::portfolio(session, portfolio, call).await?.currency);
            let mut holdings: BTreeMap<String, Holding> = BTreeMap::new();
            executed::until(session, portfolio, moment, true, call, |executed| {
                let fill = executed.fill()?;
                let before = holdings.get(&executed.symbol).copied().unwrap_or_default();
                let (after, _) = before.after(&fill, scale).map_err(|figure| executed.unholdable(&figure))?;
                match holdings.get_mut(&executed.symbol) {
                    Some(holding) => *holding = after,
                    None => drop(holdings.insert(executed.symbol.clone(), after)),
                }
                Ok(())
            })
            .await?;
            Ok(holdings)
        }
    }
}
