//! Every type comes back equal from a column of its own type, in both dialects.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value as JsonValue, json};
use tallybook::{
    Column, Database, Dialect, Encode, Json, Numeric, Row, SqlType, Statement, TextEnum, Value, all, execute,
    one, params,
};
use uuid::Uuid;

use crate::support::{open, property, read, try_read, write};
use crate::values::{any_text, comes_back, keep};

/// The type of a column: in PostgreSQL, and in SQLite.
type Types<'a> = (&'a str, &'a str);

const NUMERIC: Types<'_> = ("numeric", "text");
const UUID: Types<'_> = ("uuid", "uuid");
const DATE: Types<'_> = ("date", "date");
const TIME: Types<'_> = ("time", "time");
const TIMESTAMPTZ: Types<'_> = ("timestamptz", "timestamptz");
const JSONB: Types<'_> = ("jsonb", "text");

/// A table with one column that is written and read.
async fn column(url: &str, (postgres, sqlite): Types<'_>) -> Database {
    let db = open(url).await;
    let ty = if db.dialect() == Dialect::Postgres { postgres } else { sqlite };
    write(&db, format!("CREATE TABLE kept (id integer PRIMARY KEY, value {ty})")).await;
    db
}

/// Any decimal: 96 bits and a scale.
pub(crate) fn any_decimal() -> impl Strategy<Value = Decimal> {
    let digits = (0..=96_u32, any::<u128>(), any::<bool>()).prop_map(|(bits, digits, negative)| {
        let digits = (digits & ((1 << bits) - 1)) as i128;
        if negative { -digits } else { digits }
    });
    (digits, 0..=28_u32).prop_map(|(digits, scale)| Decimal::from_i128_with_scale(digits, scale))
}

fn any_uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

/// Any day of the years 0001 to 9999.
fn any_date() -> impl Strategy<Value = NaiveDate> {
    let day = prop_oneof![1..=3_652_059_i32, Just(1), Just(3_652_059), Just(719_163)];
    day.prop_map(|day| NaiveDate::from_num_days_from_ce_opt(day).unwrap())
}

/// Any microsecond of a day.
fn any_time() -> impl Strategy<Value = NaiveTime> {
    let micros = prop_oneof![0..86_400_000_000_u64, Just(0), Just(86_399_999_999)];
    micros.prop_map(|micros| {
        let (seconds, micros) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
        NaiveTime::from_num_seconds_from_midnight_opt(seconds, micros * 1_000).unwrap()
    })
}

/// Any microsecond of the years 0001 to 9999.
fn any_moment() -> impl Strategy<Value = DateTime<Utc>> {
    const FIRST: i64 = -62_135_596_800_000_000;
    const LAST: i64 = 253_402_300_799_999_999;
    let micros = prop_oneof![FIRST..=LAST, Just(FIRST), Just(LAST), Just(0), Just(-1)];
    micros.prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn any_json() -> impl Strategy<Value = JsonValue> {
    let number = prop_oneof![
        any::<i64>().prop_map(JsonValue::from),
        any::<u64>().prop_map(JsonValue::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(JsonValue::from),
        any::<i32>().prop_map(|number| JsonValue::from(f64::from(number))),
    ];
    let leaf = prop_oneof![
        Just(JsonValue::Null),
        any::<bool>().prop_map(JsonValue::from),
        number,
        any_text().prop_map(JsonValue::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(JsonValue::from),
            vec((any_text(), inner), 0..5)
                .prop_map(|members| JsonValue::Object(members.into_iter().collect())),
        ]
    })
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Limits {
    per_trade: Option<u32>,
    ratio: f64,
    by_symbol: BTreeMap<String, Vec<i64>>,
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let ratio = any::<f64>().prop_filter("finite", |number| number.is_finite());
    let by_symbol = proptest::collection::btree_map(any_text(), vec(any::<i64>(), 0..3), 0..3);
    (of(any::<u32>()), ratio, by_symbol).prop_map(|(per_trade, ratio, by_symbol)| Limits {
        per_trade,
        ratio,
        by_symbol,
    })
}

#[derive(Clone, Debug, PartialEq, TextEnum)]
enum Side {
    #[text = "BUY"]
    Buy,
    #[text = "it's"]
    Quoted,
}

#[derive(Clone, Debug, PartialEq, TextEnum)]
enum Venue {
    #[text = "XETRA"]
    Xetra,
    Elsewhere(Box<str>),
}

#[derive(Clone, Debug, PartialEq, TextEnum)]
#[text_enum(pg_enum)]
enum Role {
    #[text = "ADMIN"]
    Admin,
    #[text = "read only"]
    ReadOnly,
}

/// A struct with a field of each type.
#[derive(Clone, Debug, PartialEq, Row)]
struct Everything {
    id: i64,
    flag: Option<bool>,
    small: Option<i16>,
    middle: Option<i32>,
    unsigned: Option<u32>,
    ratio: Option<f64>,
    money: Option<Decimal>,
    #[row(numeric)]
    exact: Option<Decimal>,
    #[row(numeric(12, 3))]
    scaled: Option<Decimal>,
    #[row(max = 4)]
    word: Option<String>,
    side: Option<Side>,
    role: Option<Role>,
    #[row(pg_enum, max = 9)]
    role_text: Option<String>,
    key: Option<Uuid>,
    json: Option<JsonValue>,
    jsonb: Option<Json<Limits>>,
    day: Option<NaiveDate>,
    time: Option<NaiveTime>,
    at: Option<DateTime<Utc>>,
    at_zone: Option<DateTime<Utc>>,
    raw: Option<Vec<u8>>,
}

const EVERYTHING: [&str; 3] = [
    "id bigint, flag boolean, small smallint, middle integer, unsigned bigint, ratio double precision, \
     money double precision",
    "exact numeric, scaled numeric(12, 3), word varchar(4), side text, role role, role_text role, key uuid, json json, \
     jsonb jsonb, day date, time time, at timestamp, at_zone timestamptz, raw bytea",
    "exact text, scaled text, word varchar(4), side text, role text, role_text text, key uuid, json text, jsonb text, \
     day date, time time, at timestamp, at_zone timestamptz, raw blob",
];

async fn with_everything(url: &str) -> Database {
    let db = open(url).await;
    let [shared, postgres, sqlite] = EVERYTHING;
    let own = if db.dialect() == Dialect::Postgres { postgres } else { sqlite };
    if db.dialect() == Dialect::Postgres {
        write(&db, "CREATE TYPE role AS ENUM ('ADMIN', 'read only')").await;
    }
    write(&db, format!("CREATE TABLE everything ({shared}, {own})")).await;
    db
}

fn nothing(id: i64) -> Everything {
    Everything {
        id,
        flag: None,
        small: None,
        middle: None,
        unsigned: None,
        ratio: None,
        money: None,
        exact: None,
        scaled: None,
        word: None,
        side: None,
        role: None,
        role_text: None,
        key: None,
        json: None,
        jsonb: None,
        day: None,
        time: None,
        at: None,
        at_zone: None,
        raw: None,
    }
}

fn everything() -> Everything {
    Everything {
        id: i64::MAX,
        flag: Some(true),
        small: Some(i16::MIN),
        middle: Some(i32::MIN),
        unsigned: Some(u32::MAX),
        ratio: Some(0.1 + 0.2),
        // The shortest decimal of a double, of more than 15 digits.
        money: Some("0.30000000000000004".parse().unwrap()),
        exact: Some("-7922816251426433759354395.0335".parse().unwrap()),
        scaled: Some("-123456789.125".parse().unwrap()),
        word: Some("größ".to_owned()),
        side: Some(Side::Quoted),
        role: Some(Role::ReadOnly),
        role_text: Some("ADMIN".to_owned()),
        key: Some(Uuid::from_u128(0x00ff_1234)),
        json: Some(json!({ "a": [1, 1.0, 1e16, null, "x"] })),
        jsonb: Some(Json(Limits {
            per_trade: None,
            ratio: 1e300,
            by_symbol: BTreeMap::from([("AAPL".to_owned(), vec![1])]),
        })),
        day: NaiveDate::from_ymd_opt(2024, 2, 29),
        time: NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999),
        at: DateTime::from_timestamp_micros(-1),
        at_zone: DateTime::from_timestamp_micros(1_700_000_000_000_001),
        raw: Some(vec![0, 255]),
    }
}

fn insert() -> String {
    let marks: Vec<_> = (1..=Everything::COLUMNS.len()).map(|number| format!("${number}")).collect();
    format!("INSERT INTO everything ({}) VALUES ({})", Everything::COLUMN_LIST, marks.join(", "))
}

async fn read_everything(db: &Database) -> Vec<Everything> {
    read(db, format!("SELECT {} FROM everything ORDER BY id", Everything::COLUMN_LIST)).await
}

tallybook_testkit::both_dialects! {
    async fn every_number_of_each_width_comes_back_equal(url: &str) {
        let db = column(url, ("bigint", "bigint")).await;
        property(32, &vec(of(any::<i16>()), 1..16), async |values| comes_back(&db, values).await);
        property(32, &vec(of(any::<i32>()), 1..16), async |values| comes_back(&db, values).await);
        property(32, &vec(of(any::<u32>()), 1..16), async |values| comes_back(&db, values).await);
        property(32, &vec(of(any::<i64>()), 1..16), async |values| comes_back(&db, values).await);
        comes_back(&db, vec![i16::MIN, i16::MAX]).await.unwrap();
        comes_back(&db, vec![u32::MIN, u32::MAX]).await.unwrap();
        for (number, found) in [
            (i64::from(i16::MAX) + 1, "one that 16 bits can't hold"),
            (i64::from(u32::MAX) + 1, "one that 32 bits without a sign can't hold"),
        ] {
            keep(&db, &[number]).await.unwrap();
            let sql = "SELECT value FROM kept";
            let error = if number < 100_000 {
                try_read::<(i16,)>(&db, sql).await.map(drop)
            } else {
                try_read::<(u32,)>(&db, sql).await.map(drop)
            }
            .unwrap_err();
            assert!(error.is_decode() && error.to_string().contains(found), "{error}");
        }
    }

    async fn every_decimal_comes_back_equal_from_a_column_of_exact_ones(url: &str) {
        let db = column(url, NUMERIC).await;
        let values = vec(of(any_decimal().prop_map(Numeric)), 1..16);
        property(128, &values, async |values| comes_back(&db, values).await);
        let edges = [Decimal::MAX, Decimal::MIN, Decimal::ZERO, Decimal::new(1, 28), Decimal::new(-150, 2)];
        comes_back(&db, edges.map(Numeric).to_vec()).await.unwrap();
    }

    async fn a_decimal_of_any_length_comes_back_equal_from_a_column_of_exact_ones_or_is_refused(url: &str) {
        let db = column(url, NUMERIC).await;
        property(128, &any_decimal(), async |value| {
            match keep(&db, &[value]).await {
                Ok(kept) => prop_assert_eq!(kept, [value]),
                // PostgreSQL knows that the column is exact; SQLite does not.
                Err(error) => {
                    prop_assert!(error.is_invalid_value() && db.dialect() == Dialect::Sqlite, "{}", error);
                    let message = format!("$2: {value} would change in a double precision column");
                    prop_assert!(error.to_string().starts_with(&message), "{}", error);
                }
            }
            Ok(())
        });
    }

    async fn every_uuid_comes_back_equal(url: &str) {
        let db = column(url, UUID).await;
        property(64, &vec(of(any_uuid()), 1..16), async |values| comes_back(&db, values).await);
        comes_back(&db, vec![Uuid::nil(), Uuid::max()]).await.unwrap();
        let key = Uuid::from_u128(u128::MAX / 3);
        keep(&db, &[key]).await.unwrap();
        let found = one::<(i64,)>("SELECT id FROM kept WHERE value = $1", params![key]);
        assert_eq!(db.read().await.unwrap().run(found).await.unwrap(), (0,));
    }

    async fn every_day_comes_back_equal_and_sorts(url: &str) {
        let db = column(url, DATE).await;
        property(64, &vec(of(any_date()), 1..16), async |values| comes_back(&db, values).await);
        property(16, &vec(any_date(), 2..16), async |mut values| {
            keep(&db, &values).await.unwrap();
            values.sort();
            let sorted = read::<(NaiveDate,)>(&db, "SELECT value FROM kept ORDER BY value").await;
            prop_assert_eq!(sorted, values.into_iter().map(|value| (value,)).collect::<Vec<_>>());
            Ok(())
        });
        for outside in [NaiveDate::MIN, NaiveDate::MAX, NaiveDate::from_ymd_opt(0, 12, 31).unwrap()] {
            let error = keep(&db, &[outside]).await.unwrap_err();
            let message = format!("$2: {outside} is outside the years 0001 to 9999");
            assert!(error.is_invalid_value() && error.to_string().starts_with(&message), "{error}");
        }
    }

    async fn every_microsecond_of_a_day_comes_back_equal(url: &str) {
        let db = column(url, TIME).await;
        property(64, &vec(of(any_time()), 1..16), async |values| comes_back(&db, values).await);
        let finer = NaiveTime::from_hms_nano_opt(1, 2, 3, 1).unwrap();
        let error = keep(&db, &[finer]).await.unwrap_err();
        let message = format!("$2: {finer} is finer than the microseconds");
        assert!(error.is_invalid_value() && error.to_string().starts_with(&message), "{error}");
    }

    async fn every_microsecond_of_ten_thousand_years_comes_back_equal(url: &str) {
        for types in [TIMESTAMPTZ, ("timestamp", "timestamp")] {
            let db = column(url, types).await;
            property(64, &vec(of(any_moment()), 1..16), async |values| comes_back(&db, values).await);
            write(&db, "DROP TABLE kept").await;
        }
    }

    async fn every_json_comes_back_equal(url: &str) {
        for types in [JSONB, ("json", "text")] {
            let db = column(url, types).await;
            property(64, &vec(of(any_json()), 1..8), async |values| comes_back(&db, values).await);
            property(32, &vec(of(any_limits().prop_map(Json)), 1..4), async |values| comes_back(&db, values).await);
            write(&db, "DROP TABLE kept").await;
        }
    }

    async fn json_that_would_change_is_refused(url: &str) {
        let db = column(url, JSONB).await;
        let error = keep(&db, &[json!({ "a\0": 1 })]).await.unwrap_err();
        assert!(error.is_invalid_value(), "{error}");
        assert!(error.to_string().starts_with("$2: holds the character U+0000, which no jsonb column can"), "{error}");
        let error = keep(&db, &[Json(vec![f64::NAN])]).await.unwrap_err();
        assert!(error.is_invalid_value() && error.to_string().starts_with("$2: NaN is not a number to keep"), "{error}");
        keep(&db, &[json!({ "ratio": "secret" })]).await.unwrap();
        let error = try_read::<(Json<Limits>,)>(&db, "SELECT value FROM kept").await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("found a text that is no JSON of this type"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    async fn enums_are_texts(url: &str) {
        let db = column(url, ("varchar(20)", "varchar(20)")).await;
        comes_back(&db, vec![Some(Side::Buy), Some(Side::Quoted), None]).await.unwrap();
        comes_back(&db, vec![Venue::Xetra, Venue::Elsewhere("XNYS".into()), Venue::Elsewhere("".into())]).await.unwrap();
        let error = try_read::<(Side,)>(&db, "SELECT value FROM kept WHERE id = 0").await.unwrap_err();
        let message = "row 1, column `0`: expected a text, found a text that is no Side";
        assert!(error.is_decode() && error.to_string().starts_with(message), "{error}");
        for (text, message) in [("XETRA", "$2: is another variant of Venue"), ("a\0", "$2: holds the character U+0000")] {
            let error = keep(&db, &[Venue::Elsewhere(text.into())]).await.unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
        }
    }

    async fn a_struct_of_every_type_comes_back_as_it_went_by_insert_and_by_load(url: &str) {
        let db = with_everything(url).await;
        let rows = [nothing(1), everything()];
        let mut session = db.begin().await.unwrap();
        session.run(rows.iter().map(|row| execute(insert(), row.encode())).collect::<Vec<_>>()).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(read_everything(&db).await, rows);
        // With a statement that is prepared by now.
        write(&db, "DELETE FROM everything").await;
        let mut session = db.begin().await.unwrap();
        for row in &rows {
            session.run(execute(insert(), row.encode())).await.unwrap();
        }
        session.commit().await.unwrap();
        assert_eq!(read_everything(&db).await, rows);

        write(&db, "DELETE FROM everything").await;
        let columns: Vec<_> = Everything::COLUMNS.iter().map(|column| column.name).collect();
        let mut session = db.begin().await.unwrap();
        let mut load = session.load("everything", &columns).await.unwrap();
        for row in &rows {
            load.write(row).await.unwrap();
        }
        assert_eq!(load.finish().await.unwrap(), 2);
        session.commit().await.unwrap();
        assert_eq!(read_everything(&db).await, rows);
    }

    async fn a_value_that_does_not_fit_its_column_is_refused_with_its_name(url: &str) {
        let db = with_everything(url).await;
        let exact = |text: &str| Some(text.parse::<Decimal>().unwrap());
        for (row, message) in [
            (Everything { money: exact("0.12345678901234567"), ..everything() }, "money: 0.12345678901234567 would change"),
            (Everything { scaled: exact("0.0001"), ..everything() }, "scaled: 0.0001 has 4 digits after the point, at most 3 fit"),
            (Everything { scaled: exact("1000000000"), ..everything() }, "scaled: 1000000000 has 10 digits before the point, at most 9 fit"),
            (Everything { word: Some("grüße".to_owned()), ..everything() }, "word: has 5 characters, at most 4 fit"),
            (Everything { role_text: Some("0123456789".to_owned()), ..everything() }, "role_text: has 10 characters, at most 9 fit"),
            (Everything { json: Some(json!("\0")), ..everything() }, "json: holds the character U+0000"),
            (Everything { day: Some(NaiveDate::MAX), ..everything() }, "day: "),
            (Everything { time: NaiveTime::from_hms_nano_opt(0, 0, 0, 1), ..everything() }, "time: 00:00:00.000000001 is finer"),
            (Everything { at_zone: DateTime::from_timestamp(0, 1), ..everything() }, "at_zone: "),
        ] {
            let error = row.encode().unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
            let mut session = db.begin().await.unwrap();
            let error = session.run(execute(insert(), row.encode())).await.unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
        }
        assert_eq!(read_everything(&db).await, []);
    }

    async fn every_value_has_a_text_form_that_reads_back(url: &str) {
        let db = with_everything(url).await;
        let row = everything();
        let mut session = db.begin().await.unwrap();
        session.run(execute(insert(), row.encode())).await.unwrap();
        session.commit().await.unwrap();
        for (column, value) in Everything::COLUMNS.iter().zip(row.encode().unwrap()) {
            if column.sql_type == SqlType::Bytes {
                continue;
            }
            let parsed = column.sql_type.parse(&value.to_string()).and_then(|parsed| {
                column.check(parsed).map_err(|error| error.to_string())
            });
            assert_eq!(parsed.as_ref().map(Value::to_string), Ok(value.to_string()), "{}", column.name);
            assert_eq!(parsed.map(|parsed| parsed.kind()), Ok(column.sql_type), "{}", column.name);
        }
    }

    async fn a_list_of_any_type_is_one_parameter(url: &str) {
        let db = with_everything(url).await;
        let key = Uuid::from_u128(7);
        let row = Everything { id: 1, ratio: Some(1.5), flag: Some(true), key: Some(key), ..nothing(1) };
        let mut session = db.begin().await.unwrap();
        session.run(execute(insert(), row.encode())).await.unwrap();
        session.commit().await.unwrap();
        let mut session = db.read().await.unwrap();
        for (column, list, other) in [
            ("id", vec![1_i32, 5].encode(), Vec::<i32>::new().encode()),
            ("ratio", vec![1.5, 0.1].encode(), vec![0.1].encode()),
            ("flag", vec![true].encode(), vec![false].encode()),
            ("key", vec![Uuid::nil(), key].encode(), vec![Uuid::nil()].encode()),
        ] {
            let statement = Statement::with_lists(format!("SELECT id FROM everything WHERE {column} = ANY($1)"));
            for (list, found) in [(list, vec![(1,)]), (other, vec![])] {
                let query = all::<(i64,)>(&statement, vec![list.unwrap()]);
                assert_eq!(session.run(query).await.unwrap(), found, "{column}");
            }
        }
        let error = session.run(one::<(i64,)>("SELECT 1 WHERE $1 IS NOT NULL", params![vec![0.1, f64::NAN]])).await.unwrap_err();
        assert!(error.is_invalid_value() && error.to_string().starts_with("$1: NaN is not a number to keep"), "{error}");
    }

    async fn values_built_by_hand_are_checked_too(url: &str) {
        let db = open(url).await;
        for (value, message) in [
            (Value::Floats(vec![f64::INFINITY]), "$1: inf is not a number to keep"),
            (Value::Date(NaiveDate::MAX), "$1: +262142-12-31 is outside the years 0001 to 9999"),
            (Value::Time(NaiveTime::from_hms_nano_opt(0, 0, 0, 1).unwrap()), "$1: 00:00:00.000000001 is finer"),
            (Value::DecimalAsDouble(Decimal::MAX), "$1: 79228162514264337593543950335 would change"),
        ] {
            let error = db.read().await.unwrap().run(one::<(i64,)>("SELECT $1", vec![value])).await.unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().starts_with(message), "{error}");
        }
    }
}

#[test]
fn the_marks_of_fields_are_in_the_columns() {
    let column = |name| *Everything::COLUMNS.iter().find(|column| column.name == name).unwrap();
    let plain = Column {
        name: "money",
        sql_type: SqlType::Decimal,
        nullable: true,
        max: None,
        precision: None,
        references: None,
    };
    assert_eq!(column("money"), plain);
    assert_eq!(column("exact"), Column { name: "exact", sql_type: SqlType::Numeric, ..plain });
    let scaled = Column { name: "scaled", sql_type: SqlType::Numeric, precision: Some((12, 3)), ..plain };
    assert_eq!(column("scaled"), scaled);
    assert_eq!(
        column("role_text"),
        Column { name: "role_text", sql_type: SqlType::Enum, max: Some(9), ..plain }
    );
    assert_eq!(column("role").sql_type, SqlType::Enum);
    assert_eq!(column("side").sql_type, SqlType::Text);
}
