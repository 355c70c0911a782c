//! Recording executions: what one call changes, what it refuses, and that it happens once.

use rust_decimal::Decimal;
use tallybook::Database;
use tallybook::book::{
    Action, ExecutionType, Executions, Fill, FillMark, LimitOffset, NewPortfolio, NewPosition, NewTrade,
    NewTradingSession, Portfolio, Portfolios, Position, PositionType, Positions, RecordError, Recorded,
    Reversal, SessionType, Trade, TradeChanges, TradeId, TradeStatus, Trades, TradingSession,
    TradingSessions,
};
use tallybook_testkit::both_dialects;

use crate::support::{book, decimal, write};

/// A portfolio of 1,000 EUR with a trading session.
struct Desk {
    db: Database,
    portfolio: Portfolio,
    session: TradingSession,
}

impl Desk {
    async fn open(url: &str) -> Self {
        let db = book(url).await;
        let (portfolio, session) = write(&db, async |session| {
            let new = NewPortfolio {
                currency: "EUR".to_owned(),
                initial_capital: 1000.into(),
                current_capital: 1000.into(),
                ..NewPortfolio::new("desk")
            };
            let portfolio = Portfolios::new(session).create(&new).await?;
            let new = NewTradingSession {
                starting_capital: 1000.into(),
                current_capital: 1000.into(),
                ..NewTradingSession::new(portfolio.id, SessionType::Paper)
            };
            Ok((portfolio, TradingSessions::new(session).create(&new).await?))
        })
        .await;
        Self { db, portfolio, session }
    }

    /// Places an order for `XYZ` in the trading session.
    async fn order(&self, action: Action, quantity: &str) -> TradeId {
        let new = NewTrade {
            session_id: Some(self.session.id),
            ..NewTrade::market(self.portfolio.id, action, "XYZ", decimal(quantity))
        };
        write(&self.db, async |session| Trades::new(session).create(&new).await).await.id
    }

    async fn record(&self, fill: &Fill) -> Result<Recorded, RecordError> {
        self.db
            .write(async |session| Trades::new(session).record(fill).await)
            .await
            .map(|done| done.into_value())
    }

    async fn reverse(&self, reversal: &Reversal) -> Result<Recorded, RecordError> {
        let reversed = self.db.write(async |session| Trades::new(session).reverse(reversal).await);
        reversed.await.map(|done| done.into_value())
    }

    async fn trade(&self, id: TradeId) -> Trade {
        Trades::new(&mut self.db.read().await.unwrap()).get(id).await.unwrap().unwrap()
    }

    async fn position(&self) -> Position {
        let mut session = self.db.read().await.unwrap();
        let mut found = Positions::new(&mut session).get_by_symbol(self.portfolio.id, "XYZ").await.unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    async fn cash(&self) -> Decimal {
        let mut session = self.db.read().await.unwrap();
        Portfolios::new(&mut session).get(self.portfolio.id).await.unwrap().unwrap().current_capital
    }

    async fn totals(&self) -> (Decimal, Decimal, i64, i64, i64) {
        let mut session = self.db.read().await.unwrap();
        let totals = TradingSessions::new(&mut session).get(self.session.id).await.unwrap().unwrap();
        let TradingSession {
            current_capital, total_pnl, total_trades, winning_trades, losing_trades, ..
        } = totals;
        (current_capital, total_pnl, total_trades, winning_trades, losing_trades)
    }

    /// Returns quantity, average cost, realized profit and direction.
    async fn held(&self) -> (Decimal, Decimal, Decimal, PositionType) {
        let position = self.position().await;
        (position.quantity, position.average_cost, position.realized_pnl, position.position_type)
    }
}

fn fill(trade: TradeId, id: &str, quantity: &str, price: &str) -> Fill {
    Fill::new(trade, id, decimal(quantity), decimal(price))
}

both_dialects! {
    async fn a_fill_changes_its_order_the_position_the_cash_and_the_totals(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;

        let recorded = desk.record(&fill(order, "v-1", "4", "20.5").commission(decimal("1.25"))).await.unwrap();

        assert!(!recorded.is_repeat);
        assert_eq!(recorded.execution.execution_type, ExecutionType::PartialFill);
        assert_eq!(recorded.execution.realized_pnl, Some(Decimal::ZERO));
        assert_eq!(recorded.execution.mark, None);
        assert_eq!(recorded.trade, desk.trade(order).await);
        assert_eq!(recorded.trade.status, TradeStatus::PartiallyFilled);
        assert_eq!(recorded.trade.filled_quantity, decimal("4"));
        assert_eq!(recorded.trade.average_fill_price, Some(decimal("20.5")));
        assert_eq!(recorded.position, Some(desk.position().await));
        assert_eq!(desk.held().await, (decimal("4"), decimal("20.5"), Decimal::ZERO, PositionType::Long));
        // 1000 − 4 × 20.5 − 1.25
        assert_eq!(desk.cash().await, decimal("916.75"));
        assert_eq!(desk.totals().await, (decimal("916.75"), Decimal::ZERO, 1, 0, 0));

        let mut session = desk.db.read().await.unwrap();
        let stored = Executions::new(&mut session).get_by_trade(order).await.unwrap();
        assert_eq!(stored, [recorded.execution]);
    }

    async fn the_fill_that_completes_an_order_says_when(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        desk.record(&fill(order, "v-1", "4", "20")).await.unwrap();
        let last = fill(order, "v-2", "6", "25");

        let recorded = desk.record(&last).await.unwrap();

        assert_eq!(recorded.execution.execution_type, ExecutionType::Fill);
        assert_eq!(recorded.trade.status, TradeStatus::Filled);
        assert_eq!(recorded.trade.filled_at, Some(last.executed_at));
        // (4 × 20 + 6 × 25) / 10
        assert_eq!(recorded.trade.average_fill_price, Some(decimal("23")));
    }

    async fn a_position_closes_flips_and_opens_again_in_one_row(url: &str) {
        let desk = Desk::open(url).await;
        let buy = desk.order(Action::Buy, "100").await;
        let sell = desk.order(Action::Sell, "100").await;
        desk.record(&fill(buy, "1", "10", "10")).await.unwrap();
        desk.record(&fill(buy, "2", "10", "20")).await.unwrap();
        assert_eq!(desk.held().await, (decimal("20"), decimal("15"), Decimal::ZERO, PositionType::Long));

        desk.record(&fill(sell, "3", "5", "25")).await.unwrap();
        assert_eq!(desk.held().await, (decimal("15"), decimal("15"), decimal("50"), PositionType::Long));
        let opened = desk.position().await.entry_date;

        let flip = fill(sell, "4", "25", "12");
        desk.record(&flip).await.unwrap();
        // 15 close with a loss of 3 each, 10 are short at 12.
        assert_eq!(desk.held().await, (decimal("-10"), decimal("12"), decimal("5"), PositionType::Short));
        assert_ne!(opened, Some(flip.executed_at));
        assert_eq!(desk.position().await.entry_date, Some(flip.executed_at));

        desk.record(&fill(buy, "5", "10", "11")).await.unwrap();
        assert_eq!(desk.held().await, (decimal("0"), decimal("0"), decimal("15"), PositionType::Short));
        // 1000 − 10·10 − 10·20 + 5·25 + 25·12 − 10·11
        assert_eq!(desk.cash().await, decimal("1015"));
        // The sell order lost 45 and won 50 − 0; the buy order won 10.
        assert_eq!(desk.totals().await, (decimal("1015"), decimal("15"), 2, 2, 0));

        desk.record(&fill(buy, "6", "1", "9")).await.unwrap();
        assert_eq!(desk.held().await, (decimal("1"), decimal("9"), decimal("15"), PositionType::Long));
    }

    async fn the_same_execution_again_changes_nothing_and_is_answered_again(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let first = desk.record(&fill(order, "v-1", "4", "20")).await.unwrap();
        let (cash, position) = (desk.cash().await, desk.position().await);

        let again = desk.record(&fill(order, "v-1", "4", "20.00")).await.unwrap();

        assert!(again.is_repeat);
        assert_eq!(again, Recorded { is_repeat: true, ..first });
        assert_eq!((desk.cash().await, desk.position().await), (cash, position));
    }

    async fn another_execution_under_a_recorded_identifier_is_refused_by_the_name_of_its_field(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let other = desk.order(Action::Buy, "10").await;
        let first = fill(order, "v-1", "4", "20").exchange("NASDAQ");
        desk.record(&first).await.unwrap();
        let variations = [
            ("trade_id", Fill { trade_id: other, ..first.clone() }),
            ("quantity", Fill { quantity: decimal("4.1"), ..first.clone() }),
            ("price", Fill { price: decimal("20.01"), ..first.clone() }),
            ("commission", first.clone().commission(decimal("0.01"))),
            ("fees", first.clone().fees(decimal("-0.01"))),
            ("exchange", Fill { exchange: None, ..first.clone() }),
        ];
        for (name, fill) in variations {
            let error = desk.record(&fill).await.unwrap_err();
            assert!(matches!(&error, RecordError::DifferentContent { field, .. } if *field == name), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    async fn an_over_fill_is_refused_unless_it_is_accepted_and_then_marked(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let over = fill(order, "v-1", "10.5", "20");
        let error = desk.record(&over).await.unwrap_err();
        assert!(matches!(error, RecordError::OverFill { .. }), "{error}");
        assert_eq!(desk.cash().await, decimal("1000"));

        let recorded = desk.record(&over.accept_over_fill()).await.unwrap();

        assert_eq!(recorded.execution.mark, Some(FillMark::OverFill));
        assert_eq!(recorded.trade.status, TradeStatus::Filled);
        assert_eq!(recorded.trade.filled_quantity, decimal("10.5"));
    }

    async fn a_fill_after_a_cancel_is_accepted_and_marked(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let cancelled = desk.db.write(async |session| {
            Trades::new(session).set_status(order, TradeStatus::Cancelled).await
        });
        cancelled.await.unwrap();

        let recorded = desk.record(&fill(order, "v-1", "4", "20")).await.unwrap();
        assert_eq!(recorded.execution.mark, Some(FillMark::AfterEnd));
        assert_eq!(recorded.trade.status, TradeStatus::Cancelled);

        let recorded = desk.record(&fill(order, "v-2", "6", "20")).await.unwrap();
        assert_eq!(recorded.execution.mark, Some(FillMark::AfterEnd));
        assert_eq!(recorded.trade.status, TradeStatus::Filled);
    }

    async fn a_status_that_the_book_does_not_know_stays_until_the_order_is_filled(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Sell, "10").await;
        let pending_cancel = TradeStatus::Other("PENDING_CANCEL".into());
        let set = desk.db.write(async |session| {
            Trades::new(session).set_status(order, pending_cancel.clone()).await
        });
        assert_eq!(set.await.unwrap().into_value(), desk.trade(order).await);

        let partial = desk.record(&fill(order, "v-1", "4", "20")).await.unwrap();
        assert_eq!(partial.trade.status, pending_cancel);
        let complete = desk.record(&fill(order, "v-2", "6", "20")).await.unwrap();
        assert_eq!(complete.trade.status, TradeStatus::Filled);
    }

    async fn a_status_that_contradicts_the_fills_or_the_end_is_refused(url: &str) {
        let desk = Desk::open(url).await;
        let [untouched, filled, partly] = [
            desk.order(Action::Buy, "1").await,
            desk.order(Action::Buy, "1").await,
            desk.order(Action::Buy, "2").await,
        ];
        desk.record(&fill(filled, "v-1", "1", "1")).await.unwrap();
        desk.record(&fill(partly, "v-2", "1", "1")).await.unwrap();
        let set = async |id, status| {
            let set = desk.db.write(async |session| Trades::new(session).set_status(id, status).await);
            set.await.map(|set| set.into_value().status).map_err(|error| error.to_string())
        };
        let refused = |from, to, why| Err(format!("trade {from} and cannot become {to}: {why}"));

        let by_fills = "record its fills instead";
        assert_eq!(
            set(untouched, TradeStatus::Filled).await,
            refused(format!("{untouched} is PENDING"), "FILLED", by_fills)
        );
        assert_eq!(
            set(filled, TradeStatus::Cancelled).await,
            refused(format!("{filled} is FILLED"), "CANCELLED", "it is completely filled")
        );
        assert_eq!(
            set(partly, TradeStatus::Rejected).await,
            refused(format!("{partly} is PARTIALLY_FILLED"), "REJECTED", "it has fills; cancel what is left of it")
        );
        assert_eq!(set(partly, TradeStatus::Cancelled).await, Ok(TradeStatus::Cancelled));
        assert_eq!(set(partly, TradeStatus::Cancelled).await, Ok(TradeStatus::Cancelled));
        assert_eq!(
            set(partly, TradeStatus::Expired).await,
            refused(format!("{partly} is CANCELLED"), "EXPIRED", "it has ended")
        );
        assert_eq!(set(untouched, TradeStatus::Expired).await, Ok(TradeStatus::Expired));
    }

    async fn a_reversal_takes_the_fill_back_with_its_costs(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let wrong = fill(order, "v-1", "10", "20").commission(decimal("1")).fees(decimal("0.5"));
        let wrong = desk.record(&wrong).await.unwrap();

        let reversed = desk.reverse(&Reversal::new("v-1", "v-1:bust")).await.unwrap();

        assert_eq!(reversed.execution.execution_type, ExecutionType::Reversal);
        assert_eq!(reversed.execution.reverses_id, Some(wrong.execution.id));
        assert_eq!(reversed.execution.quantity, decimal("-10"));
        assert_eq!(reversed.execution.commission, decimal("-1"));
        assert_eq!(reversed.trade.status, TradeStatus::Pending);
        assert_eq!(reversed.trade.filled_quantity, Decimal::ZERO);
        assert_eq!(reversed.trade.average_fill_price, None);
        assert_eq!(reversed.trade.filled_at, None);
        assert_eq!(desk.held().await, (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO, PositionType::Long));
        assert_eq!(desk.cash().await, decimal("1000"));
        assert_eq!(desk.totals().await, (decimal("1000"), Decimal::ZERO, 0, 0, 0));

        let again = desk.reverse(&Reversal::new("v-1", "v-1:bust")).await.unwrap();
        assert_eq!(again, Recorded { is_repeat: true, ..reversed });
    }

    async fn an_execution_is_taken_back_once_and_reversals_never(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Sell, "10").await;
        desk.record(&fill(order, "v-1", "10", "20")).await.unwrap();
        desk.reverse(&Reversal::new("v-1", "r-1")).await.unwrap();

        let error = desk.reverse(&Reversal::new("v-1", "r-2")).await.unwrap_err();
        assert_eq!(error.to_string(), r#"execution "v-1" cannot be taken back: it was taken back already"#);
        let error = desk.reverse(&Reversal::new("r-1", "r-3")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"execution "r-1" cannot be taken back: it takes another execution back itself"#
        );
        let error = desk.reverse(&Reversal::new("v-9", "r-4")).await.unwrap_err();
        assert_eq!(error.to_string(), r#"there is no execution "v-9" to take back"#);
        let error = desk.reverse(&Reversal::new("v-1", "v-1")).await.unwrap_err();
        assert!(matches!(error, RecordError::DifferentContent { field: "reverses_id", .. }), "{error}");
    }

    async fn fills_recorded_together_are_all_recorded_or_none(url: &str) {
        let desk = Desk::open(url).await;
        let buy = desk.order(Action::Buy, "10").await;
        let sell = desk.order(Action::Sell, "4").await;
        let mut fills = vec![
            fill(buy, "1", "10", "10"),
            fill(sell, "2", "4", "11"),
            fill(buy, "1", "10", "10"),
            fill(sell, "3", "1", "11"),
        ];
        let record = async |fills: &[Fill]| {
            let recorded = desk.db.write(async |session| Trades::new(session).record_many(fills).await);
            recorded.await.map(|recorded| recorded.into_value())
        };
        let error = record(&fills).await.unwrap_err();
        assert!(matches!(error, RecordError::OverFill { .. }), "{error}");
        assert_eq!(desk.cash().await, decimal("1000"));

        fills.pop();
        let recorded = record(&fills).await.unwrap();

        let repeats: Vec<_> = recorded.iter().map(|recorded| recorded.is_repeat).collect();
        assert_eq!(repeats, [false, false, true]);
        assert_eq!(recorded[2].execution, recorded[0].execution);
        assert_eq!(recorded[1].position, Some(desk.position().await));
        assert_eq!(desk.held().await, (decimal("6"), decimal("10"), decimal("4"), PositionType::Long));
        assert_eq!(record(&[]).await.unwrap(), []);
    }

    async fn what_no_market_reports_is_refused(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let hold = desk.order(Action::Other("HOLD".into()), "10").await;
        let cases = [
            (fill(order, " ", "1", "1"), "execution_id must not be empty"),
            (fill(order, "v", "0", "1"), "quantity must be more than zero"),
            (fill(order, "v", "-1", "1"), "a correction is a reversal"),
            (fill(TradeId::from(99), "v", "1", "1"), "there is no trade 99"),
            (fill(hold, "v", "1", "1"), "neither buys nor sells"),
            (fill(order, "v", "1", "1.2345678901234567890"), "price"),
            (fill(order, &"v".repeat(101), "1", "1"), "execution_id"),
            (fill(order, "v", "1", "1").exchange("x".repeat(51)), "exchange"),
        ];
        for (fill, expected) in cases {
            let error = desk.record(&fill).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(desk.cash().await, decimal("1000"));
        assert_eq!(desk.trade(order).await.filled_quantity, Decimal::ZERO);
    }

    async fn a_transaction_goes_on_after_a_refused_fill(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let written = desk.db.write(async |session| -> Result<_, RecordError> {
            let refused = Trades::new(session).record(&fill(order, "v-1", "11", "1")).await.is_err();
            Ok((refused, Trades::new(session).record(&fill(order, "v-1", "10", "1")).await?.is_repeat))
        });
        assert_eq!(written.await.unwrap().into_value(), (true, false));
        assert_eq!(desk.cash().await, decimal("990"));
    }
}

both_dialects! {
    async fn cash_is_rounded_half_to_even_at_the_scale_of_its_currency(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        desk.record(&fill(order, "1", "1", "0.125")).await.unwrap();
        assert_eq!(desk.cash().await, decimal("999.88"));
        desk.record(&fill(order, "2", "1", "0.135")).await.unwrap();
        assert_eq!(desk.cash().await, decimal("999.74"));
        // (0.125 + 0.135) / 2, exact.
        assert_eq!(desk.position().await.average_cost, decimal("0.13"));
        desk.record(&fill(order, "3", "1", "0.14")).await.unwrap();
        // 0.4 / 3 at 15 significant digits.
        assert_eq!(desk.position().await.average_cost, decimal("0.133333333333333"));
    }

    async fn cash_that_floats_left_inexact_is_brought_to_its_scale(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let drifted = tallybook::book::PortfolioChanges::new().current_capital(decimal("999.9999999999999"));
        let id = desk.portfolio.id;
        write(&desk.db, async |session| Portfolios::new(session).update(id, drifted).await).await;

        desk.record(&fill(order, "1", "1", "1")).await.unwrap();

        assert_eq!(desk.cash().await, decimal("999"));
    }

    async fn a_figure_that_its_column_cannot_hold_is_refused_before_anything_is_written(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "9000000000000").await;
        desk.record(&fill(order, "1", "0.001", "1")).await.unwrap();
        let cash = desk.cash().await;

        let error = desk.record(&fill(order, "2", "1000000000000", "1")).await.unwrap_err();

        let expected = format!(
            "execution \"2\": position {} of portfolio {}.quantity cannot hold the new figure",
            desk.position().await.id,
            desk.portfolio.id
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(desk.cash().await, cash);
        assert_eq!(desk.trade(order).await.filled_quantity, decimal("0.001"));
    }

    async fn flat_rows_beside_the_open_position_are_left_alone_and_two_open_ones_refused(url: &str) {
        let desk = Desk::open(url).await;
        crate::support::sql(&desk.db, "DROP INDEX ix_positions_portfolio_symbol").await;
        let order = desk.order(Action::Buy, "10").await;
        let open = |quantity: i64| NewPosition::new(desk.portfolio.id, "XYZ", quantity.into(), 5.into());
        let create = async |new: NewPosition| write(&desk.db, async |session| Positions::new(session).create(&new).await).await;
        let flat = create(open(0)).await;
        let held = create(open(3)).await;

        let recorded = desk.record(&fill(order, "1", "1", "9")).await.unwrap();
        assert_eq!(recorded.position.unwrap().id, held.id);

        let second = create(open(-2)).await;
        let error = desk.record(&fill(order, "2", "1", "9")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "portfolio {} has 2 open positions in one symbol: {}, {}; merge them, see `tallybook check book --repair`",
                desk.portfolio.id, held.id, second.id
            )
        );
        let mut session = desk.db.read().await.unwrap();
        let all = Positions::new(&mut session).get_by_portfolio(desk.portfolio.id, LimitOffset::first(10)).await.unwrap();
        assert_eq!(all.iter().find(|row| row.id == flat.id), Some(&flat));
    }

    async fn a_position_whose_direction_contradicts_its_quantity_is_refused(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        let new = NewPosition {
            position_type: PositionType::Short,
            ..NewPosition::new(desk.portfolio.id, "XYZ", 3.into(), 5.into())
        };
        let position = write(&desk.db, async |session| Positions::new(session).create(&new).await).await;
        let error = desk.record(&fill(order, "1", "1", "9")).await.unwrap_err();
        assert!(matches!(error, RecordError::UnclearPosition { position: id } if id == position.id), "{error}");
    }

    async fn recording_takes_two_round_trips_whatever_the_number_of_fills(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "1000").await;
        for (number, expected) in [(1, (5 + 5, 2)), (100, (5 + 104, 2))] {
            let fills: Vec<_> =
                (0..number).map(|n| fill(order, &format!("{number}-{n}"), "1", "1")).collect();
            let mut session = desk.db.begin().await.unwrap();
            Trades::new(&mut session).record_many(&fills).await.unwrap();
            let counts = session.counts();
            assert_eq!((counts.statements, counts.round_trips), expected);
            session.commit().await.unwrap();
        }
    }

    async fn an_amended_order_is_complete_at_its_new_quantity(url: &str) {
        let desk = Desk::open(url).await;
        let order = desk.order(Action::Buy, "10").await;
        desk.record(&fill(order, "1", "4", "1")).await.unwrap();
        let amended = TradeChanges::new().quantity(decimal("6"));
        write(&desk.db, async |session| Trades::new(session).update(order, amended).await).await;
        let recorded = desk.record(&fill(order, "2", "2", "1")).await.unwrap();
        assert_eq!(recorded.trade.status, TradeStatus::Filled);
    }
}
