//! A random book that `record` has kept: adds, reductions, flips, costs, splits, corrections, two currencies.

use rust_decimal::Decimal;
use tallybook::Database;
use tallybook::book::{
    Action, Fill, NewPortfolio, NewTrade, NewTradingSession, Portfolios, Result, Reversal, SessionType,
    TradeId, TradeStatus, Trades, TradingSessions,
};

use crate::support::{book, time, write};

/// Numbers that look random and are the same everywhere (Knuth's MMIX generator).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        dice.below(2);
        dice
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Creates a book of two portfolios in `USD` and `JPY`, each with a trading session, and records about a hundred executions in
/// batches.
pub(crate) async fn kept_book(url: &str, seed: u64) -> Database {
    let db = book(url).await;
    let mut dice = Dice::new(seed);
    let mut number = 0;
    for currency in ["USD", "JPY"] {
        let orders = orders(&db, currency, &mut dice).await;
        let mut left = orders;
        while !left.is_empty() {
            let mut fills = Vec::new();
            for _ in 0..=dice.below(7) {
                if left.is_empty() {
                    break;
                }
                let index = dice.below(left.len() as u64) as usize;
                let (trade, rest) = left[index];
                let part = (rest * Decimal::new(1 + dice.below(9) as i64, 1)).trunc();
                let quantity = if part.is_zero() || dice.below(3) == 0 { rest } else { part };
                number += 1;
                let price = Decimal::new(5_000 + dice.below(10_000) as i64, 2);
                let fill = Fill::new(trade, format!("v-{number}"), quantity, price)
                    .commission(Decimal::new(dice.below(300) as i64, 2))
                    .fees(Decimal::new(dice.below(50) as i64 - 10, 2))
                    .executed_at(time(number));
                fills.push(fill);
                left[index].1 = rest - quantity;
                if left[index].1.is_zero() || dice.below(12) == 0 {
                    left.swap_remove(index);
                }
            }
            record(&db, &fills).await;
            if dice.below(4) == 0 {
                let taken_back = &fills[dice.below(fills.len() as u64) as usize];
                let reversal = Reversal {
                    executed_at: time(number),
                    ..Reversal::new(&taken_back.execution_id, format!("r-{number}"))
                };
                let reversed = db.write(async |session| Trades::new(session).reverse(&reversal).await).await;
                reversed.unwrap();
            }
        }
    }
    db
}

/// Records fills in one transaction.
pub(crate) async fn record(db: &Database, fills: &[Fill]) {
    db.write(async |session| Trades::new(session).record_many(fills).await).await.unwrap();
}

/// Places orders, two of three in a trading session; one is never filled, one is cancelled.
async fn orders(db: &Database, currency: &str, dice: &mut Dice) -> Vec<(TradeId, Decimal)> {
    write(db, async |session| -> Result<_> {
        let new = NewPortfolio { currency: currency.to_owned(), ..NewPortfolio::new(currency) };
        let portfolio = Portfolios::new(session).create(&new).await?.id;
        let new = NewTradingSession::new(portfolio, SessionType::Paper);
        let desk = TradingSessions::new(session).create(&new).await?.id;
        let mut orders = Vec::new();
        for number in 0..24 {
            let action = if dice.below(2) == 0 { Action::Buy } else { Action::Sell };
            let quantity = Decimal::from(5 + dice.below(60));
            let symbol = ["AAPL", "MSFT", "NVDA"][dice.below(3) as usize];
            let new = NewTrade {
                session_id: (number % 3 > 0).then_some(desk),
                ..NewTrade::market(portfolio, action, symbol, quantity)
            };
            let id = Trades::new(session).create(&new).await?.id;
            match number {
                0 => {}
                1 => {
                    Trades::new(session).set_status(id, TradeStatus::Cancelled).await.unwrap();
                }
                _ => orders.push((id, quantity)),
            }
        }
        Ok(orders)
    })
    .await
}
