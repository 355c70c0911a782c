//! The holdings and the equity of a portfolio at earlier moments.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook::Database;
use tallybook::book::Executions;
use tallybook::book::bookkeeping::Holding;
use tallybook::book::{
    Action, Equity, Fill, HistoryError, NewExecution, NewPortfolio, NewTrade, PortfolioId, Portfolios,
    Positions, RecordError, Reversal, TradeId, Trades,
};
use tallybook_testkit::both_dialects;

use crate::support::{book, decimal, sql, time, write};

/// A portfolio of 1,000 USD with an order of each side in two symbols.
struct Desk {
    db: Database,
    portfolio: PortfolioId,
    buy: TradeId,
    sell: TradeId,
    other: TradeId,
}

impl Desk {
    async fn open(url: &str) -> Self {
        let db = book(url).await;
        let (portfolio, orders) = write(&db, async |session| {
            let new = NewPortfolio {
                initial_capital: 1000.into(),
                current_capital: 1000.into(),
                ..NewPortfolio::new("desk")
            };
            let portfolio = Portfolios::new(session).create(&new).await?.id;
            let order = |action, symbol: &str| NewTrade::market(portfolio, action, symbol, 1000.into());
            let new = [order(Action::Buy, "ABC"), order(Action::Sell, "ABC"), order(Action::Buy, "XYZ")];
            Ok((portfolio, Trades::new(session).create_many(&new).await?))
        })
        .await;
        Self { db, portfolio, buy: orders[0].id, sell: orders[1].id, other: orders[2].id }
    }

    /// Records a fill of so many seconds after the beginning of 2024.
    async fn fill(&self, order: TradeId, id: &str, seconds: i64, quantity: &str, price: &str) {
        let fill = Fill::new(order, id, decimal(quantity), decimal(price)).executed_at(time(seconds));
        self.record(fill).await;
    }

    async fn record(&self, fill: Fill) {
        let recorded = self.db.write(async |session| Trades::new(session).record(&fill).await);
        recorded.await.map_err(|error: RecordError| error.to_string()).unwrap();
    }

    /// Returns symbol, quantity, average cost and realized profit.
    async fn held(&self, moment: DateTime<Utc>) -> Vec<(String, Decimal, Decimal, Decimal)> {
        let mut session = self.db.read().await.unwrap();
        let held = Positions::new(&mut session).holdings_at(self.portfolio, moment).await.unwrap();
        let figures = |(symbol, holding): (String, Holding)| {
            (symbol, holding.quantity, holding.average_cost, holding.realized_pnl)
        };
        held.into_iter().map(figures).collect()
    }

    async fn equity(
        &self,
        moments: &[DateTime<Utc>],
        price: impl FnMut(&str, DateTime<Utc>) -> Option<Decimal> + Send,
    ) -> Result<Vec<Equity>, HistoryError> {
        Portfolios::new(&mut self.db.read().await.unwrap()).equity(self.portfolio, moments, price).await
    }
}

fn holding(
    symbol: &str,
    quantity: &str,
    average: &str,
    realized: &str,
) -> (String, Decimal, Decimal, Decimal) {
    (symbol.to_owned(), decimal(quantity), decimal(average), decimal(realized))
}

fn equity(moment: DateTime<Utc>, cash: &str, holdings: &str, equity: &str) -> Equity {
    Equity { moment, cash: decimal(cash), holdings: decimal(holdings), equity: decimal(equity) }
}

both_dialects! {
    async fn the_holdings_at_a_moment_are_the_fold_of_the_executions_until_then(url: &str) {
        let desk = Desk::open(url).await;
        desk.fill(desk.buy, "1", 10, "10", "10").await;
        desk.fill(desk.buy, "2", 20, "10", "20").await;
        desk.fill(desk.other, "3", 20, "3", "7").await;
        desk.fill(desk.sell, "4", 30, "5", "25").await;
        desk.fill(desk.sell, "5", 40, "25", "12").await;
        desk.fill(desk.buy, "6", 50, "10", "11").await;

        assert_eq!(desk.held(time(9)).await, []);
        assert_eq!(desk.held(time(10)).await, [holding("ABC", "10", "10", "0")]);
        let both = [holding("ABC", "20", "15", "0"), holding("XYZ", "3", "7", "0")];
        assert_eq!(desk.held(time(20)).await, both);
        assert_eq!(desk.held(time(29)).await, both);
        assert_eq!(desk.held(time(30)).await[0], holding("ABC", "15", "15", "50"));
        assert_eq!(desk.held(time(40)).await[0], holding("ABC", "-10", "12", "5"));
        assert_eq!(desk.held(time(99)).await[0], holding("ABC", "0", "0", "15"));
    }

    async fn executions_of_one_moment_count_in_recorded_order(url: &str) {
        let desk = Desk::open(url).await;
        desk.fill(desk.buy, "1", 10, "1", "10").await;
        desk.fill(desk.sell, "2", 10, "2", "11").await;
        desk.fill(desk.buy, "3", 10, "2", "13").await;
        // 1 at 10; then 1 short at 11, 1 realized; then 1 at 13, 2 lost.
        assert_eq!(desk.held(time(10)).await, [holding("ABC", "1", "13", "-1")]);
    }

    async fn a_fill_that_is_recorded_late_and_a_reversal_count_from_their_own_times(url: &str) {
        let desk = Desk::open(url).await;
        desk.fill(desk.buy, "1", 20, "1", "10").await;
        desk.fill(desk.buy, "late", 10, "1", "20").await;
        let reversal = Reversal { executed_at: time(30), ..Reversal::new("1", "1:bust") };
        let reversed = desk.db.write(async |session| Trades::new(session).reverse(&reversal).await);
        reversed.await.unwrap();

        assert_eq!(desk.held(time(10)).await, [holding("ABC", "1", "20", "0")]);
        assert_eq!(desk.held(time(20)).await, [holding("ABC", "2", "15", "0")]);
        // Taken back at 10, below the average of 15.
        assert_eq!(desk.held(time(30)).await, [holding("ABC", "1", "15", "-5")]);
        let mut session = desk.db.read().await.unwrap();
        let stored = Positions::new(&mut session).get_by_symbol(desk.portfolio, "ABC").await.unwrap();
        assert_eq!((stored[0].quantity, stored[0].average_cost), (decimal("1"), decimal("15")));
    }

    async fn equity_is_the_cash_and_the_holdings_at_the_given_prices(url: &str) {
        let desk = Desk::open(url).await;
        let costs = Fill::new(desk.buy, "1", decimal("10"), decimal("10.005"));
        desk.record(costs.commission(decimal("1.25")).fees(decimal("0.001")).executed_at(time(10))).await;
        desk.fill(desk.sell, "2", 20, "15", "12").await;
        desk.fill(desk.other, "3", 30, "0.5", "3").await;
        let moments = [30, 9, 10, 20, 10].map(time);
        let found = desk.equity(&moments, |symbol, moment| {
            Some(if symbol == "XYZ" { decimal("2.123456789012345") } else if moment == time(10) { 11.into() } else { 13.into() })
        });
        assert_eq!(found.await.unwrap(), [
            // −5 at 13, and half of 2.123456789012345
            equity(time(30), "1077.2", "-63.9382716054938275", "1013.2617283945061725"),
            equity(time(9), "1000", "0", "1000"),
            // 1000 − 100.05 − 1.251, rounded to cents
            equity(time(10), "898.7", "110", "1008.7"),
            equity(time(20), "1078.7", "-65", "1013.7"),
            equity(time(10), "898.7", "110", "1008.7"),
        ]);
        let mut session = desk.db.read().await.unwrap();
        let stored = Portfolios::new(&mut session).get(desk.portfolio).await.unwrap().unwrap();
        assert_eq!(stored.current_capital, decimal("1077.2"));
    }

    async fn equity_asks_only_for_prices_of_what_is_held_and_names_one_that_is_missing(url: &str) {
        let desk = Desk::open(url).await;
        desk.fill(desk.buy, "1", 10, "1", "10").await;
        desk.fill(desk.sell, "2", 20, "1", "10").await;
        assert_eq!(desk.equity(&[], |_, _| None).await.unwrap(), []);
        let flat = desk.equity(&[time(0), time(20)], |_, _| None).await.unwrap();
        assert_eq!(flat, [equity(time(0), "1000", "0", "1000"), equity(time(20), "1000", "0", "1000")]);

        let error = desk.equity(&[time(15)], |_, _| None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("there is no price of \"ABC\" at 2024-01-01 00:00:15 UTC, when portfolio {} holds it", desk.portfolio)
        );
    }

    async fn history_needs_a_portfolio_and_sides_of_its_orders(url: &str) {
        let desk = Desk::open(url).await;
        let mut session = desk.db.read().await.unwrap();
        let nobody = PortfolioId::new(99);
        let error = Positions::new(&mut session).holdings_at(nobody, time(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no portfolio 99");
        let error = Portfolios::new(&mut session).equity(nobody, &[time(0)], |_, _| None).await.unwrap_err();
        assert!(matches!(error, HistoryError::NoPortfolio(id) if id == nobody), "{error}");

        let new = NewExecution { executed_at: time(5), ..NewExecution::new(desk.buy, "ABC", 1.into(), 1.into()) };
        write(&desk.db, async |session| Executions::new(session).create(&new).await).await;
        sql(&desk.db, format!("UPDATE trades SET action = 'HOLD' WHERE id = {}", desk.buy)).await;
        let mut session = desk.db.read().await.unwrap();
        let error = Positions::new(&mut session).holdings_at(desk.portfolio, time(5)).await.unwrap_err();
        assert!(matches!(error, HistoryError::UnknownSide { trade, .. } if trade == desk.buy), "{error}");
        let before = Positions::new(&mut session).holdings_at(desk.portfolio, time(4)).await.unwrap();
        assert!(before.is_empty());
    }

    async fn history_takes_two_statements_whatever_the_number_of_executions(url: &str) {
        let desk = Desk::open(url).await;
        for number in 0..20 {
            desk.fill(desk.buy, &number.to_string(), number, "1", "10").await;
        }
        let mut session = desk.db.read().await.unwrap();
        Positions::new(&mut session).holdings_at(desk.portfolio, time(99)).await.unwrap();
        assert_eq!(session.counts().statements, 2);
        let moments: Vec<_> = (0..20).map(time).collect();
        Portfolios::new(&mut session).equity(desk.portfolio, &moments, |_, _| Some(1.into())).await.unwrap();
        assert_eq!(session.counts().statements, 4);
    }
}
