//! The books of recorded fills, folded again from their executions: every figure must be what the fold says.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, ensure};
use rust_decimal::Decimal;
use tallybook::book::bookkeeping::{Holding, HoldingFill, OrderFill, Unholdable, currency_scale};
use tallybook::book::{Action, Execution, Portfolio, Position, Trade, TradeStatus, TradingSession};

/// How far a figure may lie from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// Not at all.
    Exact,
    /// As far as floats drift; amounts that are rounded to cents, by one cent.
    Float,
}

/// The rows of a portfolio.
pub(super) struct Account {
    pub(super) portfolio: Portfolio,
    pub(super) session: TradingSession,
    /// By their identifiers.
    pub(super) trades: Vec<Trade>,
    /// By their symbols.
    pub(super) positions: Vec<Position>,
    /// In the order in which they were recorded.
    pub(super) executions: Vec<Execution>,
}

/// A figure of a book.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Figure {
    Number(Decimal),
    /// An amount that was rounded to cents once.
    Cents(Decimal),
    Text(String),
}

/// Figures with their names, in an order that is the same for the same fills.
pub(super) type Figures = Vec<(String, Figure)>;

/// A hundred millionth, and the smallest part of a number that counts.
const NOISE: Decimal = Decimal::from_parts(1, 0, 0, false, 8);
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

impl Figure {
    fn is_near(&self, other: &Self, precision: Precision) -> bool {
        let drift = |a: &Decimal, b: &Decimal| NOISE + NOISE * a.abs().max(b.abs());
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if precision == Precision::Float => {
                (a - b).abs() <= drift(a, b)
            }
            (Self::Cents(a), Self::Cents(b)) if precision == Precision::Float => {
                (a - b).abs() <= CENT + drift(a, b)
            }
            _ => self == other,
        }
    }
}

impl Account {
    /// Refuses a book that is not the fold of its executions.
    pub(super) fn check(&self, precision: Precision) -> Result<()> {
        let folded = self.fold(precision)?;
        same(&self.figures(), &folded.figures(), precision)
    }

    /// The book that its executions make.
    fn fold(&self, precision: Precision) -> Result<Self> {
        let scale = currency_scale(&self.portfolio.currency);
        let mut folded = self.empty();
        let mut held: BTreeMap<String, Holding> = BTreeMap::new();
        for execution in &self.executions {
            let find = |trade: &&mut Trade| trade.id == execution.trade_id;
            let trade = folded.trades.iter_mut().find(find).context("an execution of no order")?;
            let (quantity, price) = (execution.quantity, execution.price);
            let is_buy = trade.action == Action::Buy;
            let fill = HoldingFill {
                quantity: if is_buy { quantity } else { -quantity },
                price,
                commission: execution.commission,
                fees: execution.fees,
            };
            let before = held.get(&trade.symbol).copied().unwrap_or_default();
            let (mut after, moved) = before.after(&fill, scale).map_err(unholdable)?;
            let profit = match (precision, execution.realized_pnl) {
                // Half a cent may have gone the other way: the rest is compared with what was recorded.
                (Precision::Float, Some(recorded)) => recorded,
                _ => moved.realized_pnl,
            };
            after.realized_pnl = before.realized_pnl + profit;
            held.insert(trade.symbol.clone(), after);

            let step =
                OrderFill { quantity, price, realized_pnl: profit, executed_at: execution.executed_at }
                    .applied_to(trade, scale)
                    .map_err(unholdable)?;
            let expected = Execution {
                symbol: trade.symbol.clone(),
                execution_type: step.execution_type,
                realized_pnl: Some(moved.realized_pnl),
                mark: step.mark,
                ..execution.clone()
            };
            folded.executions.push(expected);
            (trade.filled_quantity, trade.average_fill_price) =
                (step.filled_quantity, step.average_fill_price);
            (trade.realized_pnl, trade.status) = (Some(step.realized_pnl), step.status);
            folded.portfolio.current_capital += moved.cash;
            folded.session.current_capital += moved.cash;
            folded.session.total_pnl += profit;

            // Its direction and time are compared with those of the other peers alone.
            let find = |position: &&Position| position.symbol == trade.symbol;
            let found = self.positions.iter().find(find).context("a position is missing")?;
            let position = Position {
                quantity: after.quantity,
                average_cost: after.average_cost,
                current_price: price,
                unrealized_pnl: after.unrealized_pnl(price, scale).map_err(unholdable)?,
                realized_pnl: after.realized_pnl,
                ..found.clone()
            };
            folded.positions.retain(|other| other.symbol != trade.symbol);
            folded.positions.push(position);
        }
        folded.positions.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        let count = |is_counted: fn(&Trade) -> bool| {
            folded.trades.iter().filter(|trade| is_counted(trade)).count() as i64
        };
        folded.session.total_trades = count(|trade| trade.filled_quantity > Decimal::ZERO);
        folded.session.winning_trades = count(|trade| trade.realized_pnl > Some(Decimal::ZERO));
        folded.session.losing_trades =
            count(|trade| trade.realized_pnl.is_some_and(|realized| realized < Decimal::ZERO));
        Ok(folded)
    }

    /// The book before the first fill.
    fn empty(&self) -> Self {
        let trades = self.trades.iter().map(|trade| Trade {
            status: TradeStatus::Pending,
            filled_quantity: Decimal::ZERO,
            average_fill_price: None,
            realized_pnl: None,
            filled_at: None,
            ..trade.clone()
        });
        Self {
            portfolio: Portfolio {
                current_capital: self.portfolio.initial_capital,
                ..self.portfolio.clone()
            },
            session: TradingSession {
                current_capital: self.session.starting_capital,
                total_pnl: Decimal::ZERO,
                total_trades: 0,
                winning_trades: 0,
                losing_trades: 0,
                ..self.session.clone()
            },
            trades: trades.collect(),
            positions: Vec::new(),
            executions: Vec::new(),
        }
    }

    /// All that fills decide, without the identifiers of new rows.
    pub(super) fn figures(&self) -> Figures {
        let mut all = List { of: format!("portfolio {}", self.portfolio.id), figures: Vec::new() };
        let Portfolio { current_capital, .. } = &self.portfolio;
        all.number("current_capital", *current_capital);
        all.of = format!("trading session {}", self.session.id);
        all.number("current_capital", self.session.current_capital);
        all.number("total_pnl", self.session.total_pnl);
        all.number("total_trades", self.session.total_trades.into());
        all.number("winning_trades", self.session.winning_trades.into());
        all.number("losing_trades", self.session.losing_trades.into());
        for trade in &self.trades {
            all.of = format!("trade {}", trade.id);
            all.number("filled_quantity", trade.filled_quantity);
            all.number("average_fill_price", trade.average_fill_price.unwrap_or_default());
            all.number("realized_pnl", trade.realized_pnl.unwrap_or_default());
            all.text("status", trade.status.as_str());
            all.text("filled_at", &format!("{:?}", trade.filled_at));
        }
        for position in &self.positions {
            all.of = format!("position of portfolio {} in {}", position.portfolio_id, position.symbol);
            all.number("quantity", position.quantity);
            all.number("average_cost", position.average_cost);
            all.number("current_price", position.current_price);
            all.figure("unrealized_pnl", Figure::Cents(position.unrealized_pnl));
            all.number("realized_pnl", position.realized_pnl);
            all.text("position_type", position.position_type.as_str());
            all.text("entry_date", &format!("{:?}", position.entry_date));
        }
        for (index, execution) in self.executions.iter().enumerate() {
            all.of = format!("execution {} of portfolio {}", index + 1, self.portfolio.id);
            all.text("trade_id", &execution.trade_id.to_string());
            all.text("symbol", &execution.symbol);
            all.number("quantity", execution.quantity);
            all.number("price", execution.price);
            all.text("execution_type", execution.execution_type.as_str());
            all.number("commission", execution.commission);
            all.number("fees", execution.fees);
            all.text("exchange", execution.exchange.as_deref().unwrap_or_default());
            all.text("executed_at", &execution.executed_at.to_rfc3339());
            all.figure("realized_pnl", Figure::Cents(execution.realized_pnl.unwrap_or_default()));
            all.text("reverses_id", &format!("{:?}", execution.reverses_id));
            all.text("mark", &format!("{:?}", execution.mark));
        }
        all.figures
    }
}

/// Figures that are put together.
struct List {
    /// The row.
    of: String,
    figures: Figures,
}

impl List {
    fn figure(&mut self, column: &str, figure: Figure) {
        self.figures.push((format!("{}: {column}", self.of), figure));
    }

    fn number(&mut self, column: &str, number: Decimal) {
        self.figure(column, Figure::Number(number));
    }

    fn text(&mut self, column: &str, text: &str) {
        self.figure(column, Figure::Text(text.to_owned()));
    }
}

/// Refuses figures that differ, and names the first.
pub(super) fn same(found: &Figures, expected: &Figures, precision: Precision) -> Result<()> {
    for ((name, found), (other, expected)) in found.iter().zip(expected) {
        ensure!(name == other, "{other} is missing, there is {name}");
        ensure!(found.is_near(expected, precision), "{name} is {found:?}, but should be {expected:?}");
    }
    ensure!(found.len() == expected.len(), "{} figures instead of {}", found.len(), expected.len());
    Ok(())
}

fn unholdable(Unholdable { column }: Unholdable) -> anyhow::Error {
    anyhow!("{column} cannot hold its figure")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(cents: i64) -> Decimal {
        Decimal::new(cents, 2)
    }

    #[test]
    fn a_lost_cent_of_cash_is_found_among_floats_too() {
        let figures = |cash| vec![("cash".to_owned(), Figure::Number(cash))];
        let (found, expected) = (figures(cents(999_999)), figures(cents(1_000_000)));
        assert!(same(&found, &expected, Precision::Float).is_err());
    }

    #[test]
    fn a_cent_may_be_rounded_the_other_way_by_floats_alone() {
        let figures = |profit| vec![("profit".to_owned(), Figure::Cents(profit))];
        let (found, expected) = (figures(cents(12)), figures(cents(13)));
        assert!(same(&found, &expected, Precision::Float).is_ok());
        assert!(same(&found, &expected, Precision::Exact).is_err());
    }

    #[test]
    fn a_missing_row_is_a_difference() {
        let figures = vec![("cash".to_owned(), Figure::Number(Decimal::ONE))];
        assert!(same(&Vec::new(), &figures, Precision::Exact).is_err());
    }
}
