//! What was read, as one number: peers that read the same rows get the same.
//!
//! The sum is FNV-1a, 64 bits, over one text for each value of each row: whole numbers in decimal, floats as the 16
//! hexadecimal digits of their bits, times in microseconds since 1970, texts as they are, NULL as `\N`. Each text
//! ends with 0x1F.

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A running sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    /// Of all values so far.
    pub(super) sum: u64,
    /// Rows so far.
    pub(super) rows: u64,
    /// Texts that are neither empty nor NULL: what a row that owns its strings has to allocate.
    pub(super) texts: u64,
}

impl Checksum {
    pub(super) fn new() -> Self {
        Self { sum: 0xcbf2_9ce4_8422_2325, rows: 0, texts: 0 }
    }

    fn feed(&mut self, text: &str) {
        for byte in text.bytes().chain([0x1f]) {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Counts a row, whose values follow.
    pub(super) fn row(&mut self) {
        self.rows += 1;
    }

    pub(super) fn value(&mut self, value: &impl Summed) {
        value.add_to(self);
    }
}

/// A value of a column.
pub(super) trait Summed {
    fn add_to(&self, sum: &mut Checksum);
}

impl Summed for i64 {
    fn add_to(&self, sum: &mut Checksum) {
        sum.feed(&self.to_string());
    }
}

impl Summed for i32 {
    fn add_to(&self, sum: &mut Checksum) {
        i64::from(*self).add_to(sum);
    }
}

impl Summed for f64 {
    fn add_to(&self, sum: &mut Checksum) {
        sum.feed(&format!("{:016x}", self.to_bits()));
    }
}

impl Summed for Decimal {
    /// As the float that the column holds.
    fn add_to(&self, sum: &mut Checksum) {
        let float: f64 = self.to_string().parse().unwrap_or(f64::NAN);
        float.add_to(sum);
    }
}

impl Summed for NaiveDateTime {
    fn add_to(&self, sum: &mut Checksum) {
        self.and_utc().timestamp_micros().add_to(sum);
    }
}

impl Summed for DateTime<Utc> {
    fn add_to(&self, sum: &mut Checksum) {
        self.timestamp_micros().add_to(sum);
    }
}

impl Summed for String {
    fn add_to(&self, sum: &mut Checksum) {
        sum.texts += u64::from(!self.is_empty());
        sum.feed(self);
    }
}

impl<T: Summed> Summed for Option<T> {
    fn add_to(&self, sum: &mut Checksum) {
        match self {
            Some(value) => value.add_to(sum),
            None => sum.feed("\\N"),
        }
    }
}

/// An answer, or a part of one.
pub(super) trait Loaded: Send {
    fn add_to(&self, sum: &mut Checksum);

    fn checksum(&self) -> Checksum {
        let mut sum = Checksum::new();
        self.add_to(&mut sum);
        sum
    }
}

impl<T: Loaded + Sync> Loaded for Vec<T> {
    fn add_to(&self, sum: &mut Checksum) {
        self.iter().for_each(|part| part.add_to(sum));
    }
}

impl<A: Loaded, B: Loaded> Loaded for (A, B) {
    fn add_to(&self, sum: &mut Checksum) {
        self.0.add_to(sum);
        self.1.add_to(sum);
    }
}

impl<A: Loaded, B: Loaded, C: Loaded, D: Loaded> Loaded for (A, B, C, D) {
    fn add_to(&self, sum: &mut Checksum) {
        self.0.add_to(sum);
        self.1.add_to(sum);
        self.2.add_to(sum);
        self.3.add_to(sum);
    }
}

/// Sums the rows of five types whose fields have the names of the columns.
macro_rules! loaded {
    ($portfolio:ty, $position:ty, $trade:ty, $execution:ty, $session:ty) => {
        $crate::book::checksum::loaded!(@ $portfolio: id, name, description, initial_capital, current_capital,
            currency, created_at, updated_at, metadata_json);
        $crate::book::checksum::loaded!(@ $position: id, portfolio_id, symbol, quantity, average_cost,
            current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at,
            metadata_json);
        $crate::book::checksum::loaded!(@ $trade: id, portfolio_id, session_id, symbol, action, quantity,
            order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at,
            updated_at, filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl);
        $crate::book::checksum::loaded!(@ $execution: id, trade_id, symbol, quantity, price, execution_type,
            commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, reverses_id, mark);
        $crate::book::checksum::loaded!(@ $session: id, portfolio_id, session_type, status, name, description,
            max_position_size, max_portfolio_exposure, stop_loss_percentage, take_profit_percentage,
            starting_capital, current_capital, total_pnl, total_trades, winning_trades, losing_trades,
            started_at, stopped_at, metadata_json);
    };
    (@ $row:ty: $($field:ident),+) => {
        impl $crate::book::checksum::Loaded for $row {
            fn add_to(&self, sum: &mut $crate::book::checksum::Checksum) {
                sum.row();
                $(sum.value(&self.$field);)+
            }
        }
    };
}

pub(super) use loaded;
