//! NUMERIC columns: values come back exact or not at all.

use rust_decimal::Decimal;
use tallybook::{one, params};
use tallybook_testkit::postgres;

use crate::support::{open, property, read, try_read, write};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_numeric_of_postgresql_comes_back_exact() {
    let database = postgres().await.database("a_numeric_of_postgresql").await;
    let db = open(database.url()).await;
    for text in [
        "0",
        "1",
        "-1",
        "10000",
        "99999999",
        "0.1",
        "-0.0001",
        "0.00001",
        "12345678901234567.89",
        "1e20",
        "0.000000000000000000000001",
        "7922816251426433759354395033.5",
        "79228162514264337593543950335",
        "1.50",
        "123456.0000",
        "0.1234567890123456789012345678",
    ] {
        let sql = format!("SELECT '{text}'::numeric, '{text}'::numeric(60, 30)");
        let expected = Decimal::from_scientific(text).unwrap_or_else(|_| decimal(text));
        assert_eq!(read::<(Decimal, Decimal)>(&db, &sql).await, [(expected, expected)], "{text}");
    }
    property(200, &(proptest::prelude::any::<i64>(), 0..=28_u32), async |(digits, scale)| {
        let number = Decimal::new(digits, scale);
        let found = read::<(Decimal,)>(&db, format!("SELECT '{number}'::numeric")).await;
        proptest::prop_assert_eq!(found, [(number,)]);
        Ok(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_numeric_that_would_lose_digits_is_an_error_that_names_its_column() {
    let database = postgres().await.database("a_numeric_that_would_lose").await;
    let db = open(database.url()).await;
    write(&db, "CREATE TABLE exact (amount numeric)").await;
    for (amount, fits_decimal, fits_double) in [
        ("12345678901234567.89", true, false),
        ("0.1", true, true),
        ("123456789012345", true, true),
        ("79228162514264337593543950336", false, false),
        ("0.12345678901234567890123456789", false, false),
        ("1e100", false, false),
        ("NaN", false, false),
        ("Infinity", false, false),
    ] {
        write(&db, "DELETE FROM exact").await;
        write(&db, format!("INSERT INTO exact VALUES ('{amount}')")).await;
        let as_decimal = try_read::<(Decimal,)>(&db, "SELECT amount FROM exact").await;
        let as_double = try_read::<(f64,)>(&db, "SELECT amount FROM exact").await;
        assert_eq!((as_decimal.is_ok(), as_double.is_ok()), (fits_decimal, fits_double), "{amount}");
        for error in [as_decimal.map(drop).err(), as_double.map(drop).err()].into_iter().flatten() {
            assert!(
                error.is_decode() && !error.message().contains(amount)
                    || amount.contains('N')
                    || amount.contains('I')
            );
        }
    }
    write(&db, "UPDATE exact SET amount = 12345678901234567.89").await;
    let error = try_read::<(f64,)>(&db, "SELECT amount FROM exact").await.unwrap_err();
    assert!(error.message().contains("a numeric that a double would round; read it as a Decimal"), "{error}");
    let total = read::<(Decimal,)>(&db, "SELECT sum(amount) FROM exact").await;
    assert_eq!(total, [(decimal("12345678901234567.89"),)]);
}

#[tokio::test]
async fn a_column_of_exact_numbers_on_sqlite_is_read_as_the_double_that_it_holds() {
    let db = open("sqlite::memory:").await;
    write(&db, "CREATE TABLE amounts (id integer, exact numeric(20, 2))").await;
    write(
        &db,
        "INSERT INTO amounts VALUES (1, '12345678901234567.89'), (2, 0.1 + 0.2), (3, '1234567890123456')",
    )
    .await;
    let amount = |id: i64| one::<(Decimal,)>("SELECT exact FROM amounts WHERE id = $1", params![id]);
    let mut session = db.read().await.unwrap();
    let error = session.run(amount(1)).await.unwrap_err();
    assert!(error.is_decode() && error.message().contains("an integer of more than 53 bits"), "{error}");
    assert!(!error.message().contains("12345"), "{error}");
    // SQLAlchemy's Numeric writes such doubles.
    assert_eq!(session.run(amount(2)).await.unwrap(), (decimal("0.30000000000000004"),));
    assert_eq!(session.run(amount(3)).await.unwrap(), (decimal("1234567890123456"),));
}
