//! An update changes the given columns and nothing else.

use tallybook::Value;
use tallybook::book::{
    Error, Execution, ExecutionChanges, ExecutionType, FillMark, Id, Portfolio, PortfolioChanges, Position,
    PositionChanges, PositionType, Repository, SessionStatus, Trade, TradeChanges, TradeStatus,
    TradingSession, TradingSessionChanges, TradingSessionId,
};
use tallybook::{Database, now};

use crate::sample::{Sample, parents};
use crate::support::{decimal, fields, time, write};
use crate::template_books::{EMPTY, on_copies};

async fn create<T: Sample>(db: &Database) -> T {
    // Unique names, whatever was created before.
    let number = now().timestamp_micros() as usize;
    write(db, async |session| Repository::<_, T>::new(session).create(&T::full(number, time(50))).await).await
}

async fn update<T: Sample>(db: &Database, id: Id<T>, changes: T::Changes) -> T {
    let updated = write(db, async |session| {
        let updated = T::update(&mut Repository::new(session), id, changes).await?;
        assert_eq!((session.counts().statements, session.counts().round_trips), (1, 1));
        Ok(updated)
    })
    .await;
    let mut session = db.read().await.unwrap();
    assert_eq!(Repository::<_, T>::new(&mut session).get(id).await.unwrap(), Some(updated.clone()));
    updated
}

/// Updates a full row; exactly the columns in `given` change, and `updated_at` if there is one.
async fn changes_only<T: Sample>(db: &Database, changes: T::Changes, given: &[&'static str]) -> T {
    let started = now();
    let before = create::<T>(db).await;
    let after = update::<T>(db, before.id(), changes).await;

    let pairs = fields(&before).into_iter().zip(fields(&after));
    let changed: Vec<_> = pairs.filter(|(before, after)| before != after).map(|(_, after)| after).collect();
    let names: Vec<_> = changed.iter().map(|(name, _)| *name).filter(|name| *name != "updated_at").collect();
    assert_eq!(names, given);

    let touched = changed.into_iter().find(|(name, _)| *name == "updated_at").map(|(_, value)| value);
    assert_eq!(touched.is_some(), T::TOUCH);
    if let Some(Value::Timestamp(moment)) = touched {
        assert!((started..=now()).contains(&moment), "{moment}");
    }
    after
}

/// Changes the fields of a table one by one, and checks that each has the given value.
macro_rules! one_by_one {
    ($db:expr, $table:ident by $changes:ident { $($field:ident = $value:expr,)* }) => {$(
        let value = $value;
        let after = changes_only::<$table>($db, $changes::new().$field(value.clone()), &[stringify!($field)]).await;
        assert_is(&after.$field, value);
    )*};
}

fn assert_is<T: PartialEq + std::fmt::Debug>(field: &T, value: impl Into<T>) {
    assert_eq!(field, &value.into());
}

fn text(text: &str) -> String {
    text.to_owned()
}

on_copies! { of EMPTY:
    async fn each_field_of_a_portfolio_changes_alone(db: &Database) {
        one_by_one!(db, Portfolio by PortfolioChanges {
            name = text("renamed"),
            description = text("anew"),
            initial_capital = decimal("1.5"),
            current_capital = decimal("2.5"),
            currency = text("CHF"),
            metadata_json = text("{}"),
        });
    }

    async fn each_field_of_a_position_changes_alone(db: &Database) {
        parents(db).await;
        one_by_one!(db, Position by PositionChanges {
            quantity = decimal("1.5"),
            average_cost = decimal("2.5"),
            current_price = decimal("3.5"),
            unrealized_pnl = decimal("4.5"),
            realized_pnl = decimal("5.5"),
            position_type = PositionType::Long,
            entry_date = time(77),
            metadata_json = text("[]"),
        });
    }

    async fn each_field_of_a_trade_changes_alone(db: &Database) {
        parents(db).await;
        create::<TradingSession>(db).await;
        one_by_one!(db, Trade by TradeChanges {
            session_id = TradingSessionId::new(2),
            quantity = decimal("1.5"),
            limit_price = decimal("2.5"),
            stop_price = decimal("3.5"),
            status = TradeStatus::Filled,
            filled_quantity = decimal("4.5"),
            average_fill_price = decimal("5.25"),
            filled_at = time(88),
            decision_rationale = text("reason"),
            confidence_score = decimal("0.5"),
            metadata_json = text("[]"),
            realized_pnl = decimal("6.5"),
        });
    }

    async fn each_field_of_an_execution_changes_alone(db: &Database) {
        parents(db).await;
        one_by_one!(db, Execution by ExecutionChanges {
            quantity = decimal("1.5"),
            price = decimal("2.5"),
            execution_type = ExecutionType::Fill,
            commission = decimal("3.5"),
            fees = decimal("4.5"),
            exchange = text("NYSE"),
            execution_id = text("corrected"),
            executed_at = time(99),
            metadata_json = text("[]"),
            realized_pnl = decimal("5.5"),
            mark = FillMark::AfterEnd,
        });
    }

    async fn each_field_of_a_trading_session_changes_alone(db: &Database) {
        parents(db).await;
        one_by_one!(db, TradingSession by TradingSessionChanges {
            status = SessionStatus::Stopped,
            name = text("renamed"),
            description = text("anew"),
            max_position_size = decimal("1.5"),
            max_portfolio_exposure = decimal("2.5"),
            stop_loss_percentage = decimal("3.5"),
            take_profit_percentage = decimal("4.5"),
            current_capital = decimal("5.5"),
            total_pnl = decimal("6.5"),
            total_trades = 11,
            winning_trades = 12,
            losing_trades = 13,
            stopped_at = time(111),
            metadata_json = text("{}"),
        });
    }

    async fn several_fields_change_together_and_the_last_word_counts(db: &Database) {
        parents(db).await;
        let changes = TradeChanges::new()
            .status(TradeStatus::Rejected)
            .limit_price(None)
            .status(TradeStatus::Cancelled)
            .session_id(None);
        let after = changes_only::<Trade>(db, changes, &["session_id", "limit_price", "status"]).await;
        assert_eq!((after.session_id, after.limit_price), (None, None));
        assert_eq!(after.status, TradeStatus::Cancelled);
    }

    async fn no_changes_leave_the_row_as_it_is_untouched(db: &Database) {
        let before = create::<Portfolio>(db).await;
        assert_eq!(update::<Portfolio>(db, before.id, PortfolioChanges::new()).await, before);
    }

    async fn an_update_of_an_unknown_row_says_which_and_leaves_the_transaction_usable(db: &Database) {
        let mut session = db.begin().await.unwrap();
        for changes in [PortfolioChanges::new(), PortfolioChanges::new().name("nobody")] {
            let mut portfolios = Repository::<_, Portfolio>::new(&mut session);
            let error: Error = portfolios.update(404.into(), changes).await.unwrap_err();
            assert!(error.is_not_found(), "{error}");
            assert_eq!(error.to_string(), "there is no portfolio 404");
        }
        Repository::<_, Portfolio>::new(&mut session).create(&Portfolio::bare(1)).await.unwrap();
        session.commit().await.unwrap();
    }

    async fn other_rows_do_not_change(db: &Database) {
        parents(db).await;
        let (one, other) = (create::<Position>(db).await, create::<Position>(db).await);
        update::<Position>(db, one.id, PositionChanges::new().quantity(7)).await;
        let mut session = db.read().await.unwrap();
        assert_eq!(Repository::<_, Position>::new(&mut session).get(other.id).await.unwrap(), Some(other));
    }
}
