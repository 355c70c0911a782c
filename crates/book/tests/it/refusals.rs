//! Values that cannot be stored unchanged are refused before the database sees them; contradictions between rows
//! are refused by the database.

use rust_decimal::Decimal;
use tallybook::Dialect;
use tallybook::book::{
    Action, Error, Execution, ExecutionChanges, ExecutionType, Executions, FillMark, NewExecution,
    NewPortfolio, NewPosition, NewTrade, NewTradingSession, OrderType, Portfolio, PortfolioChanges,
    Portfolios, Position, PositionChanges, PositionType, Positions, Repository, SessionStatus, SessionType,
    Trade, TradeChanges, TradeStatus, Trades, TradingSession, TradingSessions,
};
use tallybook::{Database, WriteSession};

use crate::sample::{PORTFOLIO, SESSION, Sample, TRADE, parents};
use crate::support::{decimal, fields, sql, time};
use crate::template_books::{EMPTY, on_copies};

/// Tries to create one and several: refused, with the name of the field, and nothing sent.
async fn refused<T: Sample>(session: &mut WriteSession, field: &str, new: T::New) -> Error {
    let before = session.counts();
    let error = Repository::<_, T>::new(session).create(&new).await.unwrap_err();
    assert_refused(&error, field);
    let good_and_bad = [T::full(77, time(1)), new];
    assert_refused(&Repository::<_, T>::new(session).create_many(&good_and_bad).await.unwrap_err(), field);
    assert_eq!(session.counts(), before, "nothing was sent");
    error
}

#[track_caller]
fn assert_refused(error: &Error, field: &str) {
    assert!(error.is_invalid_value(), "{error}");
    let database = error.database().unwrap();
    assert_eq!(database.column(), Some(field), "{error}");
    let table = database.table().unwrap();
    assert!(error.to_string().starts_with(&format!("{table}.{field}: ")), "{field} is not named: {error}");
}

/// Asserts that the transaction is still usable.
async fn assert_usable(mut session: WriteSession) {
    Portfolios::new(&mut session).create(&NewPortfolio::new("usable")).await.unwrap();
    session.commit().await.unwrap();
}

/// Returns a text of this many characters, of two bytes each.
fn long(length: usize) -> String {
    "ß".repeat(length)
}

/// For each field: the maximum length is stored, one more character is refused.
macro_rules! lengths {
    ($session:expr, $table:ident as $new:ident { $($field:ident: $max:literal,)* }) => {$(
        let full = |text: &str| $new { $field: text_value(text), ..$table::full(1, time(1)) };
        let fits = full(&long($max));
        let created = Repository::<_, $table>::new($session).create(&fits).await.unwrap();
        assert_eq!(fields(&created)[1..], fields(&fits));
        $table::delete(&mut Repository::new($session), created.id).await.unwrap();
        let error = refused::<$table>($session, stringify!($field), full(&long($max + 1))).await;
        assert!(error.to_string().contains(&format!("at most {} fit", $max)), "{error}");
    )*};
}

/// Converts a text to the type of a field.
fn text_value<T: TextValue>(text: &str) -> T {
    T::from_text(text)
}

trait TextValue {
    fn from_text(text: &str) -> Self;
}

impl TextValue for Option<String> {
    fn from_text(text: &str) -> Self {
        Some(text.to_owned())
    }
}

impl TextValue for Option<FillMark> {
    fn from_text(text: &str) -> Self {
        Some(text.into())
    }
}

macro_rules! text_values {
    ($($word:ty),*) => {$(
        impl TextValue for $word {
            fn from_text(text: &str) -> Self {
                text.into()
            }
        }
    )*};
}

text_values!(String, Action, ExecutionType, OrderType, PositionType, SessionStatus, SessionType, TradeStatus);

on_copies! { of EMPTY:
    async fn a_text_of_a_portfolio_fits_to_its_last_character_and_not_one_more(db: &Database) {
        let mut session = db.begin().await.unwrap();
        lengths!(&mut session, Portfolio as NewPortfolio { name: 255, description: 1000, currency: 3, });
        assert_usable(session).await;
    }

    async fn a_text_of_a_position_fits_to_its_last_character_and_not_one_more(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        lengths!(&mut session, Position as NewPosition { symbol: 20, position_type: 10, });
        assert_usable(session).await;
    }

    async fn a_text_of_a_trade_fits_to_its_last_character_and_not_one_more(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        lengths!(&mut session, Trade as NewTrade { symbol: 20, action: 10, order_type: 20, status: 20, });
        assert_usable(session).await;
    }

    async fn a_text_of_an_execution_fits_to_its_last_character_and_not_one_more(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        lengths!(&mut session, Execution as NewExecution {
            symbol: 20, execution_type: 20, exchange: 50, execution_id: 100, mark: 20,
        });
        assert_usable(session).await;
    }

    async fn a_text_of_a_trading_session_fits_to_its_last_character_and_not_one_more(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        lengths!(&mut session, TradingSession as NewTradingSession {
            session_type: 20, status: 20, name: 255, description: 1000,
        });
        assert_usable(session).await;
    }

    async fn a_change_that_does_not_fit_is_refused_before_anything_is_sent(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        let before = session.counts();

        let changes = PortfolioChanges::new().name(long(256));
        assert_refused(&Portfolios::new(&mut session).update(PORTFOLIO, changes).await.unwrap_err(), "name");
        let changes = TradeChanges::new().status(&*long(21));
        assert_refused(&Trades::new(&mut session).update(TRADE, changes).await.unwrap_err(), "status");
        let changes = ExecutionChanges::new().exchange(long(51));
        let error = Executions::new(&mut session).repair().update(1.into(), changes).await.unwrap_err();
        assert_refused(&error, "exchange");
        let changes = PositionChanges::new().quantity(decimal("0.12345678901234567"));
        let error = Positions::new(&mut session).update(1.into(), changes).await.unwrap_err();
        assert_refused(&error, "quantity");

        assert_eq!(session.counts(), before);
        assert_usable(session).await;
    }

    async fn a_decimal_that_would_be_rounded_is_refused_by_column_and_value(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        for digits in ["0.12345678901234567", "9007199254740993", "79228162514264337593543950335"] {
            let value: Decimal = decimal(digits);
            let new = NewPosition { quantity: value, ..Position::full(1, time(1)) };
            let error = refused::<Position>(&mut session, "quantity", new).await;
            assert!(error.to_string().contains(digits), "{error}");
            let new = NewTrade { limit_price: Some(value), ..Trade::full(1, time(1)) };
            refused::<Trade>(&mut session, "limit_price", new).await;
        }
        assert_usable(session).await;
    }

    async fn a_moment_finer_than_a_microsecond_is_refused(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        let moment = time(1) + chrono::TimeDelta::nanoseconds(1);
        let new = NewExecution { executed_at: moment, ..Execution::full(1, time(1)) };
        let error = refused::<Execution>(&mut session, "executed_at", new).await;
        assert!(error.to_string().contains("microsecond"), "{error}");
        let new = NewTrade { filled_at: Some(moment), ..Trade::full(1, time(1)) };
        refused::<Trade>(&mut session, "filled_at", new).await;
        assert_usable(session).await;
    }

    async fn a_text_with_a_zero_character_is_refused(db: &Database) {
        let mut session = db.begin().await.unwrap();
        let new = NewPortfolio { metadata_json: Some("a\0b".to_owned()), ..Portfolio::full(1, time(1)) };
        refused::<Portfolio>(&mut session, "metadata_json", new).await;
        assert_usable(session).await;
    }

    async fn the_name_of_a_portfolio_is_taken_once(db: &Database) {
        parents(db).await;
        let create = async |session: &mut WriteSession| {
            Portfolios::new(session).create(&NewPortfolio::new("parent")).await
        };
        assert!(db.write(create).await.unwrap_err().is_unique_violation());
        let rename = async |session: &mut WriteSession| {
            let other = Portfolios::new(session).create(&NewPortfolio::new("other")).await?;
            Portfolios::new(session).update(other.id, PortfolioChanges::new().name("parent")).await
        };
        assert!(db.write(rename).await.unwrap_err().is_unique_violation());
        let mut session = db.read().await.unwrap();
        assert_eq!(Portfolios::new(&mut session).count().await.unwrap(), 1);
    }

    async fn the_identifier_of_an_execution_is_taken_once_and_no_identifier_often(db: &Database) {
        parents(db).await;
        let nameless = async |session: &mut WriteSession| {
            Executions::new(session).create_many(&[Execution::bare(1), Execution::bare(2)]).await
        };
        assert_eq!(db.write(nameless).await.unwrap().value().len(), 2);
        let same = async |session: &mut WriteSession| {
            let new = Execution::full(1, time(1));
            Executions::new(session).create_many(&[new.clone(), new]).await
        };
        assert!(db.write(same).await.unwrap_err().is_unique_violation());
        let mut session = db.read().await.unwrap();
        assert_eq!(Executions::new(&mut session).count().await.unwrap(), 2);
    }

    async fn a_row_without_its_parent_is_refused(db: &Database) {
        parents(db).await;
        orphaned::<Position>(db, NewPosition { portfolio_id: 404.into(), ..Position::bare(1) }).await;
        orphaned::<Trade>(db, NewTrade { portfolio_id: 404.into(), ..Trade::bare(1) }).await;
        orphaned::<Trade>(db, NewTrade { session_id: Some(404.into()), ..Trade::bare(1) }).await;
        orphaned::<Execution>(db, NewExecution { trade_id: 404.into(), ..Execution::bare(1) }).await;
        let new = NewTradingSession { portfolio_id: 404.into(), ..TradingSession::bare(1) };
        orphaned::<TradingSession>(db, new).await;

        let moved = async |session: &mut WriteSession| {
            Trades::new(session).update(TRADE, TradeChanges::new().session_id(tallybook::book::TradingSessionId::new(404))).await
        };
        assert!(db.write(moved).await.unwrap_err().is_foreign_key_violation());
    }

    async fn a_parent_is_not_deleted_from_under_its_rows(db: &Database) {
        parents(db).await;
        let tie = async |session: &mut WriteSession| {
            Executions::new(session).create(&Execution::bare(1)).await?;
            Trades::new(session).update(TRADE, TradeChanges::new().session_id(SESSION)).await
        };
        db.write(tie).await.unwrap().into_value();

        let delete = async |session: &mut WriteSession| Portfolios::new(session).delete(PORTFOLIO).await;
        assert!(db.write(delete).await.unwrap_err().is_foreign_key_violation());
        let delete = async |session: &mut WriteSession| TradingSessions::new(session).delete(SESSION).await;
        assert!(db.write(delete).await.unwrap_err().is_foreign_key_violation());
        let delete = async |session: &mut WriteSession| Trades::new(session).delete(TRADE).await;
        assert!(db.write(delete).await.unwrap_err().is_foreign_key_violation());

        let mut session = db.read().await.unwrap();
        assert!(Portfolios::new(&mut session).get(PORTFOLIO).await.unwrap().is_some());
        assert!(TradingSessions::new(&mut session).get(SESSION).await.unwrap().is_some());
        assert!(Trades::new(&mut session).get(TRADE).await.unwrap().is_some());
    }

    async fn a_number_that_no_decimal_holds_is_named_by_row_and_column(db: &Database) {
        parents(db).await;
        // SQLite stores NaN as NULL; infinity serves as well.
        let number = match db.dialect() {
            Dialect::Postgres => "'NaN'",
            Dialect::Sqlite => "9e999",
        };
        sql(db, format!("UPDATE trades SET filled_quantity = {number}")).await;
        let mut session = db.read().await.unwrap();
        let error = Trades::new(&mut session).get(TRADE).await.unwrap_err();
        assert!(error.database().unwrap().is_decode(), "{error}");
        let message = error.to_string();
        assert!(message.contains("row 1") && message.contains("`filled_quantity`"), "{message}");
        // The session is still usable.
        assert!(Portfolios::new(&mut session).get(PORTFOLIO).await.unwrap().is_some());
    }
}

async fn orphaned<T: Sample>(db: &Database, new: T::New) {
    let create = async |session: &mut WriteSession| Repository::<_, T>::new(session).create(&new).await;
    assert!(db.write(create).await.unwrap_err().is_foreign_key_violation(), "{}", T::NAME);
}
