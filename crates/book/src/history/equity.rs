//! The equity of a portfolio over time.

use std::collections::BTreeMap;
use std::future::Future;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use tallybook_core::{CallSite, Session};

use super::{HistoryError, executed};
use crate::bookkeeping::{Exact, currency_scale};
use crate::{PortfolioId, Portfolios};

/// What a portfolio is worth at a moment, in its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Equity {
    /// The moment.
    pub moment: DateTime<Utc>,
    /// Cash: the initial capital and what the executions until the moment moved, at the currency's scale.
    pub cash: Decimal,
    /// Value of the holdings at the given prices; negative for what is owed. Exact, not rounded.
    pub holdings: Decimal,
    /// Cash and holdings together.
    pub equity: Decimal,
}

/// What changed between one moment and the next.
#[derive(Default)]
struct Change {
    cash: Option<Exact>,
    quantities: BTreeMap<String, Exact>,
}

impl<S: Session> Portfolios<'_, S> {
    /// Returns the equity of a portfolio at each of these moments, in their order: its cash, and the sum of quantity times price.
    /// The executions with an `executed_at` until a moment count, that included. `price` is asked for the price per unit of each
    /// symbol that is held at a moment, and for no other.
    ///
    /// Every figure is exact: cash is rounded once per execution, as [`Trades::record`](crate::Trades::record) does, and the
    /// value of the holdings not at all.
    ///
    /// Two statements, in two round trips and those of the stream, whatever the number of moments. Memory grows with the
    /// symbols that change between two moments, not with the executions.
    ///
    /// # Errors
    /// [`HistoryError::NoPrice`] names the symbol and the moment for which `price` returns `None`.
    #[track_caller]
    pub fn equity<P>(
        &mut self,
        portfolio: PortfolioId,
        moments: &[DateTime<Utc>],
        price: P,
    ) -> impl Future<Output = Result<Vec<Equity>, HistoryError>> + Send
    where
        P: FnMut(&str, DateTime<Utc>) -> Option<Decimal> + Send,
    {
        let call = CallSite::here();
        let given = moments.to_vec();
        let session = self.session();
        async move {
            let found = executed::portfolio(session, portfolio, call).await?;
            let scale = currency_scale(&found.currency);
            let mut moments = given.clone();
            moments.sort_unstable();
            moments.dedup();
            let Some(last) = moments.last() else { return Ok(Vec::new()) };

            let mut changes: Vec<Change> = moments.iter().map(|_| Change::default()).collect();
            executed::until(session, portfolio, *last, false, call, |executed| {
                let fill = executed.fill()?;
                let cash = fill.cash(scale).map_err(|figure| executed.unholdable(&figure))?;
                let change = &mut changes[moments.partition_point(|moment| *moment < executed.executed_at)];
                let moved = change.cash.take().unwrap_or_else(Exact::zero);
                change.cash = Some(moved.plus(&cash.into()));
                let quantity = Exact::from(fill.quantity);
                match change.quantities.get_mut(&executed.symbol) {
                    Some(sum) => *sum = sum.plus(&quantity),
                    None => drop(change.quantities.insert(executed.symbol.clone(), quantity)),
                }
                Ok(())
            })
            .await?;

            let equity = valued(portfolio, found.initial_capital, scale, &moments, changes, price)?;
            Ok(given.iter().map(|moment| equity[moments.partition_point(|other| other < moment)]).collect())
        }
    }
}

/// Sums the changes up, and values what is held at each moment.
fn valued(
    portfolio: PortfolioId,
    initial_capital: Decimal,
    scale: u32,
    moments: &[DateTime<Utc>],
    changes: Vec<Change>,
    mut price: impl FnMut(&str, DateTime<Utc>) -> Option<Decimal>,
) -> Result<Vec<Equity>, HistoryError> {
    let mut cash = Exact::from(initial_capital);
    let mut held: BTreeMap<String, Exact> = BTreeMap::new();
    let mut valued = Vec::with_capacity(moments.len());
    for (&moment, change) in moments.iter().zip(changes) {
        if let Some(moved) = change.cash {
            // The first execution brings cash to the currency's scale.
            cash = cash.rounded(scale).plus(&moved);
        }
        for (symbol, quantity) in change.quantities {
            let sum = held.remove(&symbol).unwrap_or_else(Exact::zero).plus(&quantity);
            if sum.sign() != 0 {
                held.insert(symbol, sum);
            }
        }
        let mut holdings = Exact::zero();
        for (symbol, quantity) in &held {
            let no_price = || HistoryError::NoPrice { portfolio, symbol: symbol.clone(), moment };
            let price = price(symbol, moment).ok_or_else(no_price)?;
            holdings = holdings.plus(&quantity.times(&price.into()));
        }
        let whole =
            |figure: &Exact| figure.to_whole_decimal().ok_or(HistoryError::Inexact { portfolio, moment });
        valued.push(Equity {
            moment,
            cash: whole(&cash)?,
            holdings: whole(&holdings)?,
            equity: whole(&cash.plus(&holdings))?,
        });
    }
    Ok(valued)
}
