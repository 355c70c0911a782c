//! The fold of a position: quantity, average cost, realized profit, and the cash that moves.

use rust_decimal::Decimal;

use super::{Exact, Unholdable};

/// The terms of an execution, as a position sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldingFill {
    /// Signed quantity: positive if it buys.
    pub quantity: Decimal,
    /// Price per unit.
    pub price: Decimal,
    /// Broker's commission.
    pub commission: Decimal,
    /// Other fees.
    pub fees: Decimal,
}

/// The state of a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Signed quantity: negative if it is short.
    pub quantity: Decimal,
    /// Average cost per unit; zero without a quantity.
    pub average_cost: Decimal,
    /// Realized profit, before costs, over the life of the position.
    pub realized_pnl: Decimal,
}

/// The money that an execution moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CashMove {
    /// Realized profit of the execution, before costs, at the currency's scale.
    pub realized_pnl: Decimal,
    /// Change of the cash, costs included, at the currency's scale.
    pub cash: Decimal,
}

impl HoldingFill {
    /// Returns the change of the portfolio's cash, costs included, rounded half to even to `scale` decimals. It depends on the
    /// fill alone.
    ///
    /// # Errors
    /// [`Unholdable`] names `current_capital`.
    pub fn cash(&self, scale: u32) -> Result<Decimal, Unholdable> {
        let costs = Exact::from(self.commission).plus(&self.fees.into());
        let paid = Exact::from(self.quantity).times(&self.price.into()).plus(&costs);
        holdable(&paid.negated().rounded(scale), "current_capital")
    }
}

impl Holding {
    /// Returns the state after an execution, and the money that it moves. Money is rounded half to even to `scale` decimals, an
    /// average half to even to 15 significant digits; quantities are exact.
    ///
    /// With q the quantity held, a its average cost, d the signed quantity and p the price of the execution, and c = min(|q|, |d|):
    /// - opening or adding (q = 0, or q and d have one sign): a' = (|q| a + |d| p) / |q + d|
    /// - reducing, closing or crossing zero: profit = sign(q) c (p − a); a' = a, or 0 if nothing is left, or p beyond zero
    /// - q' = q + d; cash' = cash − d p − commission − fees
    ///
    /// These are the formulas of Lean's `SecurityPortfolioModel` and of nautilus_trader's `Position`.
    ///
    /// # Errors
    /// [`Unholdable`] names the column of `positions` or `portfolios` that cannot hold a result.
    pub fn after(&self, fill: &HoldingFill, scale: u32) -> Result<(Self, CashMove), Unholdable> {
        let (held, average) = (Exact::from(self.quantity), Exact::from(self.average_cost));
        let (filled, price) = (Exact::from(fill.quantity), Exact::from(fill.price));
        let quantity = held.plus(&filled);
        let adds = held.sign() * filled.sign() >= 0;
        let average_cost = if quantity.sign() == 0 {
            Decimal::ZERO
        } else if adds {
            let cost = held.absolute().times(&average).plus(&filled.absolute().times(&price));
            holdable(&cost.divided_by(&quantity.absolute()), "average_cost")?
        } else if quantity.sign() == held.sign() {
            self.average_cost
        } else {
            fill.price.normalize()
        };
        let profit = if adds {
            Exact::zero()
        } else {
            // Of one sign with the quantity held: what of it is closed.
            let closed = if quantity.sign() == held.sign() { filled.negated() } else { held };
            closed.times(&price.minus(&average)).rounded(scale)
        };
        let realized = Exact::from(self.realized_pnl).rounded(scale).plus(&profit);
        let holding = Self {
            quantity: holdable(&quantity, "quantity")?,
            average_cost,
            realized_pnl: holdable(&realized, "realized_pnl")?,
        };
        let moved = CashMove { realized_pnl: holdable(&profit, "realized_pnl")?, cash: fill.cash(scale)? };
        Ok((holding, moved))
    }

    /// Returns the profit of closing the position at a price, rounded half to even to `scale` decimals.
    ///
    /// # Errors
    /// [`Unholdable`] names `unrealized_pnl`.
    pub fn unrealized_pnl(&self, price: Decimal, scale: u32) -> Result<Decimal, Unholdable> {
        let gain = Exact::from(price).minus(&self.average_cost.into());
        holdable(&Exact::from(self.quantity).times(&gain).rounded(scale), "unrealized_pnl")
    }
}

/// Returns a sum of money at the currency's scale: what was there, rounded half to even, and what moves.
///
/// # Errors
/// [`Unholdable`] names the column.
pub(crate) fn money(
    before: Decimal,
    moved: Decimal,
    scale: u32,
    column: &'static str,
) -> Result<Decimal, Unholdable> {
    holdable(&Exact::from(before).rounded(scale).plus(&moved.into()), column)
}

pub(super) fn holdable(value: &Exact, column: &'static str) -> Result<Decimal, Unholdable> {
    value.to_decimal().ok_or(Unholdable { column })
}
