//! The bookkeeping of a fill as a program without Tallybook would write it: in `f64`, on the columns that it needs.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail, ensure};
use chrono::NaiveDateTime;

use super::work::Fill;
use super::written;

/// Identifiers of a venue's executions, none of them twice.
pub(super) struct Identifiers {
    venue: &'static str,
    next: AtomicU64,
}

impl Identifiers {
    pub(super) const fn of(venue: &'static str) -> Self {
        Self { venue, next: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> String {
        format!("{}:{}", self.venue, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// The rows that a fill changes, with the columns that matter.
pub(super) struct Rows {
    /// Cash of the portfolio.
    pub(super) capital: f64,
    pub(super) trade: Trade,
    pub(super) position: Position,
    pub(super) session: Option<Session>,
}

pub(super) struct Trade {
    pub(super) session_id: Option<i32>,
    pub(super) symbol: String,
    pub(super) action: String,
    pub(super) quantity: f64,
    pub(super) status: String,
    pub(super) filled_quantity: f64,
    pub(super) average_fill_price: Option<f64>,
    pub(super) realized_pnl: Option<f64>,
    pub(super) filled_at: Option<NaiveDateTime>,
}

/// A position, with no identifier until it is stored.
#[derive(Default)]
pub(super) struct Position {
    pub(super) id: Option<i32>,
    pub(super) quantity: f64,
    pub(super) average_cost: f64,
    pub(super) current_price: f64,
    pub(super) unrealized_pnl: f64,
    pub(super) realized_pnl: f64,
    pub(super) position_type: String,
    pub(super) entry_date: Option<NaiveDateTime>,
}

pub(super) struct Session {
    pub(super) current_capital: f64,
    pub(super) total_pnl: f64,
    pub(super) total_trades: i32,
    pub(super) winning_trades: i32,
    pub(super) losing_trades: i32,
}

/// The columns of the inserted execution that depend on the fill.
pub(super) struct Execution {
    pub(super) quantity: f64,
    pub(super) price: f64,
    pub(super) execution_type: &'static str,
    pub(super) realized_pnl: f64,
}

impl Rows {
    /// Changes the rows by a fill.
    pub(super) fn record(&mut self, fill: &Fill) -> Result<Execution> {
        let (quantity, price) = (f64::from(fill.quantity), f64::from(fill.cents) / 100.0);
        let Self { capital, trade, position, session } = self;
        let signed = match trade.action.as_str() {
            "BUY" => quantity,
            "SELL" => -quantity,
            _ => bail!("it neither buys nor sells"),
        };
        let filled = trade.filled_quantity + quantity;
        ensure!(filled <= trade.quantity, "it fills more than was ordered");
        let is_complete = filled == trade.quantity;

        let profit = position.fill(signed, price);
        let cash = -signed * price - written::COMMISSION - written::FEES;
        *capital = money(*capital + cash);

        let before = Totals::of(trade);
        let paid = trade.filled_quantity * trade.average_fill_price.unwrap_or_default() + quantity * price;
        trade.average_fill_price = Some(paid / filled);
        trade.filled_quantity = filled;
        trade.realized_pnl = Some(money(trade.realized_pnl.unwrap_or_default() + profit));
        trade.status = if is_complete { "FILLED" } else { "PARTIALLY_FILLED" }.to_owned();
        if is_complete {
            trade.filled_at = Some(written::time());
        }

        if let Some(session) = session {
            let after = Totals::of(trade);
            session.current_capital = money(session.current_capital + cash);
            session.total_pnl = money(session.total_pnl + profit);
            session.total_trades += after.trades - before.trades;
            session.winning_trades += after.won - before.won;
            session.losing_trades += after.lost - before.lost;
        }
        let execution_type = if is_complete { "FILL" } else { "PARTIAL_FILL" };
        Ok(Execution { quantity, price, execution_type, realized_pnl: profit })
    }
}

impl Position {
    /// Buys or sells, and returns the realized profit.
    fn fill(&mut self, signed: f64, price: f64) -> f64 {
        let (held, average) = (self.quantity, self.average_cost);
        self.quantity = held + signed;
        let adds = held * signed >= 0.0;
        let stays = self.quantity * held > 0.0;
        let profit =
            if adds { 0.0 } else { money(held.signum() * held.abs().min(signed.abs()) * (price - average)) };
        self.average_cost = if self.quantity == 0.0 {
            0.0
        } else if adds {
            (held.abs() * average + signed.abs() * price) / self.quantity.abs()
        } else if stays {
            average
        } else {
            price
        };
        self.current_price = price;
        self.realized_pnl = money(self.realized_pnl + profit);
        self.unrealized_pnl = money(self.quantity * (price - self.average_cost));
        if self.quantity != 0.0 {
            self.position_type = if self.quantity > 0.0 { "LONG" } else { "SHORT" }.to_owned();
            if !stays {
                self.entry_date = Some(written::time());
            }
        }
        profit
    }
}

/// What an order counts for in its trading session.
struct Totals {
    trades: i32,
    won: i32,
    lost: i32,
}

impl Totals {
    fn of(trade: &Trade) -> Self {
        let realized = trade.realized_pnl.unwrap_or_default();
        Self {
            trades: (trade.filled_quantity > 0.0).into(),
            won: (realized > 0.0).into(),
            lost: (realized < 0.0).into(),
        }
    }
}

/// An amount in cents.
fn money(amount: f64) -> f64 {
    (amount * 100.0).round_ties_even() / 100.0
}
