//! Compares stored rows with what the executions give.

use rust_decimal::Decimal;

use super::discrepancy::{is_float_rounding, is_rounded};
use super::refold::Order;
use super::rows::{OrderFigures, OrderInputs, PositionKey, PositionRow, Totals};
use super::{CheckEvent, Discrepancy, DiscrepancyKind as Kind, Figure};
use crate::PositionType;
use crate::bookkeeping::{Holding, next_status};

/// Reports differences.
pub(super) struct Comparison<'o> {
    observe: &'o mut (dyn FnMut(CheckEvent) + Send),
    /// Number of differences so far.
    pub(super) count: u64,
}

/// The row that is compared.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    table: &'static str,
    id: Option<i64>,
    portfolio: Option<i64>,
    symbol: Option<&'a str>,
}

impl<'a> At<'a> {
    pub(super) fn row(table: &'static str, id: i64) -> Self {
        Self { table, id: Some(id), portfolio: None, symbol: None }
    }

    pub(super) fn of(self, portfolio: i64, symbol: &'a str) -> Self {
        Self { portfolio: Some(portfolio), symbol: Some(symbol), ..self }
    }

    pub(super) fn of_portfolio(self, portfolio: i64) -> Self {
        Self { portfolio: Some(portfolio), ..self }
    }
}

impl<'o> Comparison<'o> {
    pub(super) fn new(observe: &'o mut (dyn FnMut(CheckEvent) + Send)) -> Self {
        Self { observe, count: 0 }
    }

    pub(super) fn progress(&mut self, done: u64, total: u64) {
        (self.observe)(CheckEvent::Progress { done, total });
    }

    pub(super) fn found(
        &mut self,
        at: At<'_>,
        kind: Kind,
        column: &'static str,
        found: impl Into<Figure>,
        expected: impl Into<Figure>,
    ) {
        self.count += 1;
        (self.observe)(CheckEvent::Found(Discrepancy {
            kind,
            table: at.table,
            id: at.id,
            portfolio: at.portfolio.map(Into::into),
            symbol: at.symbol.map(str::to_owned),
            column,
            found: found.into(),
            expected: expected.into(),
        }));
    }

    /// Compares an amount of money.
    pub(super) fn money(
        &mut self,
        at: At<'_>,
        kind: Kind,
        column: &'static str,
        found: Decimal,
        expected: Decimal,
        scale: u32,
    ) {
        if found != expected {
            let kind = rounding_or(kind, found, expected, Some(scale));
            self.found(at, kind, column, found, expected);
        }
    }

    /// Compares an average price. One that is zero counts as none.
    fn average(
        &mut self,
        at: At<'_>,
        column: &'static str,
        found: Option<Decimal>,
        expected: Option<Decimal>,
    ) {
        if found.unwrap_or_default() != expected.unwrap_or_default() {
            let (of, to) = (found.unwrap_or_default(), expected.unwrap_or_default());
            self.found(at, average_kind(of, to), column, found, expected);
        }
    }

    /// Compares the fills of an order.
    pub(super) fn order(
        &mut self,
        at: At<'_>,
        inputs: &OrderInputs,
        stored: &OrderFigures,
        expected: &Order,
        scale: Option<u32>,
    ) {
        if stored.filled_quantity != expected.filled {
            let kind = quantity_kind(stored.filled_quantity, expected.filled);
            self.found(at, kind, "filled_quantity", stored.filled_quantity, expected.filled);
        }
        self.average(at, "average_fill_price", stored.average_fill_price, expected.average);
        let has_fills = expected.filled > Decimal::ZERO;
        let is_complete = has_fills && expected.filled >= inputs.quantity;
        let status = next_status(&stored.status, is_complete, has_fills);
        if status != stored.status {
            self.found(at, Kind::WrongStatus, "status", stored.status.as_str(), status.as_str());
        }
        if !expected.has_figures {
            return;
        }
        if stored.filled_at != expected.filled_at {
            self.found(at, Kind::WrongStatus, "filled_at", stored.filled_at, expected.filled_at);
        }
        // A profit of zero may be stored or not: an order without fills has none.
        let (found, recorded) = (stored.realized_pnl, expected.recorded_pnl);
        if expected.profit.is_some() && found.unwrap_or_default() != recorded.unwrap_or_default() {
            let (of, to) = (found.unwrap_or_default(), recorded.unwrap_or_default());
            self.found(at, rounding_or(Kind::WrongProfit, of, to, scale), "realized_pnl", found, recorded);
        }
    }

    /// Compares the positions of one portfolio and symbol, oldest first, with what the executions made: nothing if there are none,
    /// or if it cannot be known.
    pub(super) fn positions(
        &mut self,
        key: &PositionKey,
        rows: &[PositionRow],
        expected: Option<Option<Holding>>,
        scale: u32,
    ) {
        let Some((kept, others)) = rows.split_first() else { return };
        for other in others {
            let at = At::row("positions", other.id).of(key.portfolio_id, &key.symbol);
            let held = other.figures.as_ref().ok().map(|figures| figures.quantity);
            self.found(at, Kind::DuplicatePosition, "quantity", held, Figure::None);
        }
        let Ok(stored) = &kept.figures else { return };
        let is_made = expected.is_some();
        let Some(expected) = expected.unwrap_or_else(|| Some(Holding::default())) else { return };
        // What the rows of one symbol hold is wrong because there are several.
        let instead = match (others.is_empty(), is_made) {
            (false, _) => Some(Kind::DuplicatePosition),
            (true, false) => Some(Kind::PositionWithoutExecutions),
            (true, true) => None,
        };
        let at = At::row("positions", kept.id).of(key.portfolio_id, &key.symbol);
        let is_of_no_use = stored.quantity.is_zero() && stored.realized_pnl.is_zero();
        if !is_made && is_of_no_use {
            return;
        }
        if stored.quantity != expected.quantity {
            let kind = instead.unwrap_or_else(|| quantity_kind(stored.quantity, expected.quantity));
            self.found(at, kind, "quantity", stored.quantity, expected.quantity);
        }
        if stored.average_cost != expected.average_cost {
            let (found, expected) = (stored.average_cost, expected.average_cost);
            let kind = instead.unwrap_or_else(|| average_kind(found, expected));
            self.found(at, kind, "average_cost", found, expected);
        }
        if stored.realized_pnl != expected.realized_pnl {
            let (found, expected) = (stored.realized_pnl, expected.realized_pnl);
            let kind =
                instead.unwrap_or_else(|| rounding_or(Kind::WrongProfit, found, expected, Some(scale)));
            self.found(at, kind, "realized_pnl", found, expected);
        }
        if let Some(direction) = direction(expected.quantity)
            && stored.position_type != direction
        {
            let (found, expected) = (stored.position_type.as_str(), direction.as_str());
            self.found(at, instead.unwrap_or(Kind::WrongSign), "position_type", found, expected);
        }
    }

    /// Reports a position that is not stored, unless its executions left nothing behind.
    pub(super) fn missing_position(&mut self, portfolio: i64, symbol: &str, expected: &Holding) {
        let at = At { table: "positions", id: None, portfolio: Some(portfolio), symbol: Some(symbol) };
        let figures = [
            ("quantity", expected.quantity),
            ("average_cost", expected.average_cost),
            ("realized_pnl", expected.realized_pnl),
        ];
        for (column, figure) in figures.into_iter().filter(|(_, figure)| !figure.is_zero()) {
            self.found(at, Kind::MissingPosition, column, Figure::None, figure);
        }
    }

    /// Compares the numbers of orders of a trading session: with fills, with a profit, with a loss.
    pub(super) fn tally(&mut self, at: At<'_>, stored: &Totals, (filled, won, lost): (i64, i64, i64)) {
        let numbers = [
            ("total_trades", stored.total_trades, filled),
            ("winning_trades", stored.winning_trades, won),
            ("losing_trades", stored.losing_trades, lost),
        ];
        for (column, found, expected) in numbers.into_iter().filter(|(_, found, expected)| found != expected)
        {
            self.found(at, Kind::WrongTotals, column, found, expected);
        }
    }
}

/// Returns the direction of a position, if it holds anything.
pub(super) fn direction(quantity: Decimal) -> Option<PositionType> {
    match quantity {
        _ if quantity.is_zero() => None,
        _ if quantity.is_sign_negative() => Some(PositionType::Short),
        _ => Some(PositionType::Long),
    }
}

/// Returns why a quantity differs.
fn quantity_kind(found: Decimal, expected: Decimal) -> Kind {
    let opposite =
        !found.is_zero() && !expected.is_zero() && found.is_sign_negative() != expected.is_sign_negative();
    if is_float_rounding(found, expected, None) {
        Kind::FloatRounding
    } else if opposite {
        Kind::WrongSign
    } else if found.abs() > expected.abs() {
        Kind::MissingFill
    } else {
        Kind::SurplusFill
    }
}

/// Returns why an average price differs.
fn average_kind(found: Decimal, expected: Decimal) -> Kind {
    if is_rounded(found, expected) {
        Kind::RoundedAverage
    } else {
        rounding_or(Kind::WrongAverage, found, expected, None)
    }
}

fn rounding_or(kind: Kind, found: Decimal, expected: Decimal, scale: Option<u32>) -> Kind {
    if is_float_rounding(found, expected, scale) { Kind::FloatRounding } else { kind }
}
