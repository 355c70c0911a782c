//! Pages by cursor walk every row of a filtered list once.

use std::fmt::Debug;

use tallybook::tables::{Cursor, Filter, Repository, Table};
use tallybook::{Database, Dialect, params};
use tallybook_testkit::both_dialects;

use crate::generated::newest_first;
use crate::schema::{Desk, Label, NewOrder, Order, State, Venue};
use crate::support::{desk, desks, order, sql, time, venue, write};

/// Walks pages of each size, with the cursors as texts.
async fn walks<T: Table + PartialEq + Debug>(db: &Database, filter: impl Fn() -> Filter, expected: &[T]) {
    let mut session = db.read().await.unwrap();
    let mut repository = Repository::<_, T>::new(&mut session);
    for limit in 1..8 {
        let mut walked = Vec::new();
        let mut cursor: Option<Cursor<T>> = None;
        loop {
            let page = repository.get_page_where(filter(), cursor.as_ref(), limit).await.unwrap();
            let rest = expected.len() - walked.len();
            assert_eq!(page.rows.len(), rest.min(limit as usize));
            walked.extend(page.rows);
            let Some(next) = page.next else { break };
            cursor = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(walked, expected, "pages of {limit}");
    }
}

both_dialects! {
    async fn pages_of_equal_times_have_every_row_once(url: &str) {
        let db = desks(url).await;
        let new: Vec<_> = (0..20_i64)
            .map(|number| NewOrder {
                // Three times, and one that most rows have.
                placed_at: time([0, 1, 1, 1, 2][usize::try_from(number % 5).unwrap()]),
                state: if number % 4 == 0 { State::Done } else { State::Open },
                ..order(number)
            })
            .collect();
        let created =
            write(&db, async |session| Repository::<_, Order>::new(session).create_many(&new).await).await;
        if db.dialect() == Dialect::Sqlite {
            // The same times, as other programs write them.
            sql(&db, "UPDATE orders SET placed_at = replace(placed_at, ' ', 'T') WHERE id % 3 = 0").await;
            sql(&db, "UPDATE orders SET placed_at = substr(placed_at, 1, 19) || 'Z' WHERE id % 7 = 0").await;
        }
        let open = || Filter::new("state = $1", params![State::Open]);
        walks(&db, open, &newest_first(&created, |order| order.state == State::Open)).await;
        walks(&db, Filter::all, &newest_first(&created, |_| true)).await;
        walks::<Order>(&db, || Filter::new("quantity = $1", params![-1]), &[]).await;
    }

    async fn pages_of_a_table_without_a_time_have_every_row_once(url: &str) {
        let db = desks(url).await;
        let new: Vec<_> = (0..9).map(desk).collect();
        let created =
            write(&db, async |session| Repository::<_, Desk>::new(session).create_many(&new).await).await;
        let few = || Filter::new("seats = ANY($1)", params![vec![1_i64, 2, 4, 8]]);
        walks(&db, few, &newest_first(&created, |desk| [1, 2, 4, 8].contains(&desk.seats))).await;
    }

    async fn pages_of_a_table_with_uuids_have_every_row_once(url: &str) {
        let db = desks(url).await;
        let new: Vec<_> = (1..12).map(venue).collect();
        let created =
            write(&db, async |session| Repository::<_, Venue>::new(session).create_many(&new).await).await;
        walks(&db, || Filter::new("name <> $1", params!["venue 3"]), &newest_first(&created, |venue| {
            venue.name != "venue 3"
        }))
        .await;
    }

    async fn a_page_has_at_least_one_row(url: &str) {
        let db = desks(url).await;
        let mut session = db.read().await.unwrap();
        let error = Repository::<_, Desk>::new(&mut session).get_page(None, 0).await.unwrap_err();
        assert!(error.is_invalid_value(), "{error}");
    }
}

#[test]
fn a_cursor_of_another_table_is_refused() {
    let of_desks = "desks.7".parse::<Cursor<Desk>>().unwrap();
    assert_eq!(of_desks.to_string(), "desks.7");
    for refused in [
        "desks.7".parse::<Cursor<Label>>().map(|_| ()),
        "desks.7".parse::<Cursor<Venue>>().map(|_| ()),
        // Orders are ordered by time.
        "orders.7".parse::<Cursor<Order>>().map(|_| ()),
        "desks.1704067200000000.7".parse::<Cursor<Desk>>().map(|_| ()),
        "venues.7".parse::<Cursor<Venue>>().map(|_| ()),
        "".parse::<Cursor<Desk>>().map(|_| ()),
    ] {
        let error = refused.unwrap_err();
        assert!(error.is_cursor(), "{error}");
    }
}
