//! Property tests: values come back equal.

use chrono::{DateTime, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;
use tallybook::{Database, Decode, Encode, Statement, Value, all, execute, one, params};

use crate::support::{open, property, read, with_notes, write};

/// The last microsecond that 64-bit nanoseconds reach: 2262-04-11.
const LATEST: i64 = i64::MAX / 1_000;

/// A table with one column that is written and read.
pub(crate) async fn column(url: &str, ty: &str) -> Database {
    let db = open(url).await;
    write(&db, format!("CREATE TABLE kept (id integer PRIMARY KEY, value {ty})")).await;
    db
}

/// Writes the values to the column and reads them back.
pub(crate) async fn keep<T>(db: &Database, values: &[T]) -> tallybook::Result<Vec<T>>
where
    T: Encode + Decode + Send + 'static,
{
    let inserts: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(id, value)| execute("INSERT INTO kept VALUES ($1, $2)", params![id as i64, value]))
        .collect();
    let mut session = db.begin().await?;
    session.run((execute("DELETE FROM kept", params![]), inserts)).await?;
    session.commit().await?;
    let kept = db.read().await?.run(all::<(T,)>("SELECT value FROM kept ORDER BY id", params![])).await?;
    Ok(kept.into_iter().map(|(value,)| value).collect())
}

/// Checks that values come back equal.
pub(crate) async fn comes_back<T>(db: &Database, values: Vec<T>) -> Result<(), TestCaseError>
where
    T: Encode + Decode + Clone + PartialEq + std::fmt::Debug + Send + 'static,
{
    let kept = keep(db, &values).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(kept, values);
    Ok(())
}

fn fifteen_digits() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof![-999_999_999_999_999..=999_999_999_999_999_i64, -99_999..=99_999_i64];
    (digits, 0..=28_u32).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let quotes = "[ '\"`\\\\;%$?1-9\n\r\t-]{0,40}";
    prop_oneof![quotes, vec(any::<char>(), 0..40).prop_map(String::from_iter)]
        .prop_map(|text| text.replace('\0', ""))
}

tallybook_testkit::both_dialects! {
    async fn a_number_that_is_none_is_refused_by_its_parameter_or_its_column(url: &str) {
        let db = column(url, "double precision").await;
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut session = db.begin().await.unwrap();
            let insert = execute("INSERT INTO kept VALUES ($1, $2)", vec![Value::Int(1), Value::Float(number)]);
            let error = session.run(insert).await.unwrap_err();
            assert!(error.is_invalid_value(), "{error}");
            assert!(error.to_string().starts_with(&format!("$2: {number} is not a number to keep")), "{error}");
            session.roll_back().await.unwrap();
            let mut session = db.begin().await.unwrap();
            let mut load = session.load("kept", &["id", "value"]).await.unwrap();
            let error = load.write_values(vec![Value::Int(1), Value::Float(number)]).await.unwrap_err();
            assert_eq!(error.column(), Some("value"), "{error}");
        }
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM kept").await, [(0,)]);
    }

    async fn every_decimal_of_fifteen_digits_comes_back_equal(url: &str) {
        let db = column(url, "double precision").await;
        property(128, &vec(fifteen_digits(), 1..64), async |values| comes_back(&db, values).await);
    }

    async fn a_longer_decimal_comes_back_equal_or_is_refused(url: &str) {
        let db = column(url, "double precision").await;
        let longer = (any::<i64>(), any::<i32>(), 0..=28_u32).prop_map(|(high, low, scale)| {
            Decimal::from_i128_with_scale(i128::from(high) * i128::from(low) / 1_000, scale)
        });
        property(256, &longer, async |value| {
            match keep(&db, &[value]).await {
                Ok(kept) => prop_assert_eq!(kept, [value]),
                Err(error) => {
                    prop_assert!(error.is_invalid_value(), "{}", error);
                    let message = format!("$2: {value} would change in a double precision column");
                    prop_assert!(error.to_string().starts_with(&message), "{}", error);
                }
            }
            Ok(())
        });
    }

    async fn every_microsecond_from_1970_to_2262_comes_back_equal(url: &str) {
        let db = column(url, "timestamp").await;
        let moment = prop_oneof![0..=LATEST, Just(0), Just(LATEST), (0..LATEST).prop_map(|at| at / 1_000_000 * 1_000_000)]
            .prop_map(|micros| DateTime::<Utc>::from_timestamp_micros(micros).unwrap());
        property(128, &vec(moment, 1..64), async |values| comes_back(&db, values).await);
    }

    async fn a_moment_finer_than_a_microsecond_is_refused(url: &str) {
        let db = column(url, "timestamp").await;
        let finer = (0..LATEST, 1..1_000_i64).prop_map(|(micros, nanos)| {
            DateTime::<Utc>::from_timestamp_micros(micros).unwrap() + chrono::Duration::nanoseconds(nanos)
        });
        property(64, &finer, async |moment| {
            let error = keep(&db, &[moment]).await.unwrap_err();
            prop_assert!(error.is_invalid_value(), "{}", error);
            prop_assert!(error.to_string().starts_with(&format!("$2: {moment} is finer")), "{}", error);
            Ok(())
        });
    }

    async fn every_text_comes_back_equal(url: &str) {
        let db = column(url, "text").await;
        property(128, &vec(any_text(), 1..16), async |values| comes_back(&db, values).await);
        comes_back(&db, vec![String::new(), "'; DROP TABLE kept; --".to_owned()]).await.unwrap();
    }

    async fn every_whole_number_comes_back_equal(url: &str) {
        let db = column(url, "bigint").await;
        property(64, &vec(any::<i64>(), 1..32), async |values| comes_back(&db, values).await);
        comes_back(&db, vec![i64::MIN, i64::MAX, 0]).await.unwrap();
    }

    async fn every_finite_double_comes_back_equal(url: &str) {
        let db = column(url, "double precision").await;
        let finite = any::<f64>().prop_filter("finite", |value| value.is_finite());
        property(64, &vec(finite, 1..32), async |values| comes_back(&db, values).await);
        comes_back(&db, vec![f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.0]).await.unwrap();
    }

    async fn all_bytes_come_back_equal(url: &str) {
        let db = column(url, "bytea").await;
        property(64, &vec(vec(any::<u8>(), 0..40), 1..16), async |values| comes_back(&db, values).await);
    }

    async fn a_text_with_u0000_is_refused(url: &str) {
        let db = column(url, "text").await;
        for text in ["\0", "a\0b"] {
            let error = keep(&db, &[text.to_owned()]).await.unwrap_err();
            assert!(error.is_invalid_value(), "{error}");
            assert!(error.to_string().starts_with("$2: holds the character U+0000"), "{error}");
        }
        let list = all::<(i64,)>(
            Statement::with_lists("SELECT id FROM kept WHERE value = ANY($1)"),
            params![vec!["a\0".to_owned()]],
        );
        assert!(db.read().await.unwrap().run(list).await.unwrap_err().is_invalid_value());
    }

    async fn a_list_is_one_parameter(url: &str) {
        let db = with_notes(url).await;
        let titles = ["it's", "\"", "{a,b}", "", "NULL", "ünï"];
        for (id, title) in titles.iter().enumerate() {
            let insert = execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id as i64, *title]);
            db.write(async |session| session.run(insert).await).await.unwrap().into_value();
        }
        let mut session = db.read().await.unwrap();
        let by_id = Statement::with_lists("SELECT id FROM notes WHERE id = ANY($1) ORDER BY id");
        for (ids, found) in [
            (vec![], vec![]),
            (vec![1], vec![(1,)]),
            (vec![3, 0, 3, 99, i64::MIN], vec![(0,), (3,)]),
            ((0..5_000).collect(), (0..6).map(|id| (id,)).collect()),
        ] {
            assert_eq!(session.run(all::<(i64,)>(&by_id, params![ids])).await.unwrap(), found);
        }
        let by_title = Statement::with_lists("SELECT id FROM notes WHERE title = ANY($1) ORDER BY id");
        for (id, title) in titles.iter().enumerate() {
            let list = vec![(*title).to_owned(), "nothing".to_owned()];
            let found = session.run(all::<(i64,)>(&by_title, params![list])).await.unwrap();
            assert_eq!(found, [(id as i64,)]);
        }
    }

    async fn parameters_go_by_their_numbers(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        for _ in 0..2 {
            let query = one::<(String, i64, i64)>("SELECT $2, $1, $1", params![1, "two"]);
            assert_eq!(session.run(query).await.unwrap(), ("two".to_owned(), 1, 1));
            let eleven = params![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
            let sql = "SELECT $11 - $1, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 + $10";
            assert_eq!(session.run(one::<(i64, i64)>(sql, eleven)).await.unwrap(), (10, 54));
        }
    }

    async fn a_wrong_number_of_parameters_is_an_error(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        let sql = "SELECT $1, $2";
        // With an unprepared and with a prepared statement.
        for _ in 0..2 {
            for params in [params![], params![1]] {
                let error = session.run(one::<(i64, i64)>(sql, params)).await.unwrap_err();
                assert!(!error.is_connection_lost() && error.to_string().contains(sql), "{error:?}");
            }
            let error = session.run(one::<(i64, i64)>(sql, params![1, 2, 3])).await.unwrap_err();
            assert!(error.is_invalid_value(), "{error:?}");
            let message = "parameters: 3 were given, the statement uses 2 (in `SELECT $1, $2`)";
            assert_eq!(error.to_string(), message);
            assert_eq!(session.run(one::<(i64, i64)>(sql, params![1, 2])).await.unwrap(), (1, 2));
        }
        let error = session.run(one::<(i64,)>("SELECT 1", params![1])).await.unwrap_err();
        assert!(error.to_string().starts_with("parameters: 1 were given, the statement uses 0"), "{error}");
    }

    async fn one_text_takes_parameters_of_different_types(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        for _ in 0..2 {
            assert_eq!(session.run(one::<(i64,)>("SELECT $1", params![7])).await.unwrap(), (7,));
            let text = session.run(one::<(String,)>("SELECT $1", params!["seven"])).await.unwrap();
            assert_eq!(text, ("seven".to_owned(),));
            let none = params![None::<i64>];
            assert_eq!(session.run(one::<(Option<i64>,)>("SELECT $1", none)).await.unwrap(), (None,));
        }
    }

    async fn moments_that_other_programs_wrote_are_read(url: &str) {
        let db = column(url, "timestamp").await;
        for (id, text) in ["2023-11-14 22:13:20", "2023-11-14 22:13:20.5", "2023-11-14T22:13:20"].iter().enumerate() {
            write(&db, format!("INSERT INTO kept VALUES ({id}, '{text}')")).await;
        }
        let moments = read::<(DateTime<Utc>,)>(&db, "SELECT value FROM kept ORDER BY id").await;
        let micros: Vec<_> = moments.iter().map(|(moment,)| moment.timestamp_micros()).collect();
        assert_eq!(micros, [1_700_000_000_000_000, 1_700_000_000_500_000, 1_700_000_000_000_000]);
    }
}
