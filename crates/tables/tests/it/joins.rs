//! Joins are read into rows within rows.

use tallybook::tables::Id;
use tallybook::{Database, Row, Value, all, params};
use tallybook_testkit::both_dialects;

use crate::schema::{Desk, NewOrder, NewTransfer, Order, Transfer};
use crate::support::{create, desk, desks, order, time};

#[derive(Clone, Debug, PartialEq, Row)]
struct OrderAtDesk {
    #[row(nested, prefix = "")]
    order: Order,
    #[row(nested)]
    desk: Option<Desk>,
    others: i64,
}

#[derive(Debug, PartialEq, Row)]
struct TransferOfDesks {
    id: Id<Transfer>,
    #[row(nested)]
    from: Desk,
    #[row(nested)]
    to: Option<Desk>,
}

#[derive(Debug, PartialEq, Row)]
struct Named {
    id: i64,
    #[row(max = 3)]
    name: Option<String>,
}

#[derive(Debug, PartialEq, Row)]
struct Pair {
    #[row(nested)]
    left: Named,
    #[row(nested, prefix = "r_")]
    right: Option<Named>,
}

#[derive(Debug, PartialEq, Row)]
struct Nest {
    #[row(nested)]
    pair: Pair,
    weight: i64,
}

async fn orders_at_desks(db: &Database) -> Vec<OrderAtDesk> {
    let text = format!(
        "SELECT {}, {}, (SELECT count(*) FROM orders AS other WHERE other.desk_id = d.id AND other.id <> o.id) AS others \
         FROM orders AS o LEFT JOIN desks AS d ON d.id = o.desk_id ORDER BY o.id",
        Order::select_list("o", ""),
        Desk::select_list("d", "desk_"),
    );
    db.read().await.unwrap().run(all(text, params![])).await.unwrap()
}

both_dialects! {
    async fn a_left_join_is_read_into_a_row_and_an_optional_row(url: &str) {
        let db = desks(url).await;
        let desk: Desk = create(&db, &desk(4)).await;
        let mut expected = Vec::new();
        for (number, desk) in [(1, Some(&desk)), (2, None), (3, Some(&desk))] {
            let placed = create(&db, &NewOrder { desk_id: desk.map(|desk| desk.id), ..order(number) }).await;
            let others = i64::from(desk.is_some());
            expected.push(OrderAtDesk { order: placed, desk: desk.cloned(), others });
        }
        assert_eq!(orders_at_desks(&db).await, expected);
    }

    async fn two_rows_of_one_table_are_told_apart_by_their_names(url: &str) {
        let db = desks(url).await;
        let (from, to): (Desk, Desk) = (create(&db, &desk(1)).await, create(&db, &desk(2)).await);
        let new = |to_desk_id| NewTransfer { from_desk_id: from.id, to_desk_id, seats: 1, at: time(0) };
        let first: Transfer = create(&db, &new(Some(to.id))).await;
        let second: Transfer = create(&db, &new(None)).await;
        let text = |one: &str, other: &str| {
            format!(
                "SELECT t.id, {one}, {other} FROM transfers AS t JOIN desks AS f ON f.id = t.from_desk_id \
                 LEFT JOIN desks AS d ON d.id = t.to_desk_id ORDER BY t.id"
            )
        };
        let (of_from, of_to) = (Desk::select_list("f", "from_"), Desk::select_list("d", "to_"));
        let mut session = db.read().await.unwrap();
        let read: Vec<TransferOfDesks> = session.run(all(text(&of_from, &of_to), params![])).await.unwrap();
        let expected = [
            TransferOfDesks { id: first.id, from: from.clone(), to: Some(to) },
            TransferOfDesks { id: second.id, from, to: None },
        ];
        assert_eq!(read, expected);
        let swapped = session.run(all::<TransferOfDesks>(text(&of_to, &of_from), params![])).await;
        let error = swapped.unwrap_err().to_string();
        assert!(error.contains("`from_id`") && error.contains("`to_id`"), "{error}");
    }

    async fn a_row_with_a_value_but_for_its_key_is_not_taken_for_none(url: &str) {
        let db = desks(url).await;
        let text = |right: &str| {
            format!("SELECT 1 AS left_id, 'a' AS left_name, {right} AS r_name")
        };
        let mut session = db.read().await.unwrap();
        let none = text("CAST(NULL AS integer) AS r_id, CAST(NULL AS text)");
        let read: Pair = session.run(tallybook::one(none, params![])).await.unwrap();
        assert_eq!(read, Pair { left: Named { id: 1, name: Some("a".to_owned()) }, right: None });
        let half = text("CAST(NULL AS integer) AS r_id, CAST('b' AS text)");
        let error = session.run(tallybook::one::<Pair>(half, params![])).await.unwrap_err();
        assert!(error.to_string().contains("column `id`"), "{error}");
    }
}

#[test]
fn the_columns_of_nested_rows_have_their_prefixes_at_any_depth() {
    assert_eq!(Pair::COLUMN_LIST, "left_id, left_name, r_id, r_name");
    assert_eq!(Nest::COLUMN_LIST, "pair_left_id, pair_left_name, pair_r_id, pair_r_name, weight");
    let nullable: Vec<_> = Nest::COLUMNS.iter().map(|column| column.nullable).collect();
    assert_eq!(nullable, [false, true, true, true, false]);
    assert_eq!(Nest::COLUMNS[3].max, Some(3));
    let references: Vec<_> = TransferOfDesks::COLUMNS.iter().filter_map(|column| column.references).collect();
    assert_eq!(references, ["transfers", "desks", "desks"]);
}

#[test]
fn a_nested_row_is_encoded_with_its_columns() {
    let named = |id| Named { id, name: Some("abc".to_owned()) };
    let nest = Nest { pair: Pair { left: named(1), right: None }, weight: 7 };
    let values = nest.encode().unwrap();
    assert_eq!(values.len(), Nest::COLUMNS.len());
    assert_eq!(values[..2], [Value::Int(1), Value::Text("abc".to_owned())]);
    assert!(values[2..4].iter().all(|value| matches!(value, Value::Null(_))), "{values:?}");
    assert_eq!(values[4], Value::Int(7));
    let long = Nest {
        pair: Pair { left: named(1), right: Some(Named { id: 2, name: Some("abcd".to_owned()) }) },
        weight: 7,
    };
    assert!(long.encode().unwrap_err().to_string().contains("name"));
}
