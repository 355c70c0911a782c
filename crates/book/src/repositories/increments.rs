//! Atomic increments of a column.

use std::future::Future;

use rust_decimal::Decimal;
use tallybook_core::{CallSite, WriteSession};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::{PortfolioId, PositionId, TradeId, TradingSessionId};
use crate::models::{
    Portfolio, PortfolioChanges, Position, PositionChanges, Trade, TradeChanges, TradingSession,
    TradingSessionChanges,
};

/// Numbers that are added without rounding.
trait Exact: Sized {
    /// Returns the sum, or `None` if it cannot be represented exactly.
    fn exact_sum(self, other: Self) -> Option<Self>;
}

impl Exact for i64 {
    fn exact_sum(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
}

impl Exact for Decimal {
    /// `Decimal::checked_add` rounds a sum of more than 28 digits.
    fn exact_sum(self, other: Self) -> Option<Self> {
        let (one, other) = (self.normalize(), other.normalize());
        let mut scale = one.scale().max(other.scale());
        let digits =
            |number: Decimal| number.mantissa().checked_mul(10_i128.checked_pow(scale - number.scale())?);
        let mut sum = digits(one)?.checked_add(digits(other)?)?;
        while scale > 0 && sum % 10 == 0 {
            (sum, scale) = (sum / 10, scale - 1);
        }
        Decimal::try_from_i128_with_scale(sum, scale).ok()
    }
}

/// Returns the sum, or an error that names the column.
fn sum<N: Exact + Copy + std::fmt::Display>(column: &str, before: N, amount: N) -> Result<N> {
    let refused =
        || tallybook_core::Error::invalid_value(column, format!("{before} + {amount} has too many digits"));
    Ok(before.exact_sum(amount).ok_or_else(refused)?)
}

/// Declares increment methods.
macro_rules! increments {
    ($($table:ident($id:ident) by $changes:ident {
        $($(#[$doc:meta])* $method:ident => $field:ident: $type:ty,)*
    })*) => {$(
        impl Repository<'_, WriteSession, $table> {
            $(
                $(#[$doc])*
                ///
                /// The amount may be negative. The row is locked as by [`get_for_update`](Self::get_for_update),
                /// so no concurrent increment is lost, and the sum is exact. Two statements.
                ///
                /// # Errors
                /// [`Error::is_not_found`](crate::Error::is_not_found), and
                /// [`Error::is_invalid_value`](crate::Error::is_invalid_value) for a sum that the column would
                /// round.
                #[track_caller]
                pub fn $method(
                    &mut self,
                    id: $id,
                    amount: impl Into<$type>,
                ) -> impl Future<Output = Result<$table>> + Send {
                    let amount: $type = amount.into();
                    self.update_from(id, CallSite::here(), move |row| {
                        Ok($changes::new().$field(sum(stringify!($field), row.$field, amount)?))
                    })
                }
            )*
        }
    )*};
}

increments! {
    Trade(TradeId) by TradeChanges {
        /// Adds to the filled quantity of a trade and returns the trade. Checks neither its quantity nor its
        /// status.
        add_filled_quantity => filled_quantity: Decimal,
    }
    Portfolio(PortfolioId) by PortfolioChanges {
        /// Adds to the current capital of a portfolio and returns the portfolio.
        add_current_capital => current_capital: Decimal,
    }
    Position(PositionId) by PositionChanges {
        /// Adds to the quantity of a position and returns the position.
        add_quantity => quantity: Decimal,
        /// Adds to the realized profit and loss of a position and returns the position.
        add_realized_pnl => realized_pnl: Decimal,
    }
    TradingSession(TradingSessionId) by TradingSessionChanges {
        /// Adds to the current capital of a trading session and returns the session.
        add_current_capital => current_capital: Decimal,
        /// Adds to the total profit and loss of a trading session and returns the session.
        add_total_pnl => total_pnl: Decimal,
        /// Adds to the number of trades of a trading session and returns the session.
        add_total_trades => total_trades: i64,
        /// Adds to the number of winning trades of a trading session and returns the session.
        add_winning_trades => winning_trades: i64,
        /// Adds to the number of losing trades of a trading session and returns the session.
        add_losing_trades => losing_trades: i64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::Exact;

    fn decimals() -> impl Strategy<Value = Decimal> {
        (any::<i64>(), 0..=28u32).prop_map(|(digits, scale)| Decimal::new(digits, scale))
    }

    proptest! {
        #[test]
        fn a_sum_is_exact_or_refused(one in decimals(), other in decimals()) {
            if let Some(sum) = one.exact_sum(other) {
                prop_assert_eq!(sum.exact_sum(-other), Some(one));
                prop_assert_eq!(other.exact_sum(one), Some(sum));
            }
        }

        #[test]
        fn amounts_of_money_are_always_summed(
            one in -1_000_000_000_000_000i64..1_000_000_000_000_000,
            other in -1_000_000_000_000_000i64..1_000_000_000_000_000,
            scales in (0..=12u32, 0..=12u32),
        ) {
            let (one, other) = (Decimal::new(one, scales.0), Decimal::new(other, scales.1));
            prop_assert_eq!(one.exact_sum(other), one.checked_add(other));
        }
    }

    #[test]
    fn a_sum_that_decimal_would_round_is_refused() {
        let large: Decimal = "7000000000000000000000000000".parse().unwrap();
        let small: Decimal = "0.0000000000000000000000000001".parse().unwrap();
        assert_eq!(large.checked_add(small), Some(large));
        assert_eq!(large.exact_sum(small), None);
        assert_eq!(i64::MAX.exact_sum(1), None);
    }
}
