//! Lists of the rows that match a filter.

use tallybook::params;
use tallybook::tables::{Filter, LimitOffset, Repository};
use tallybook_testkit::both_dialects;

use crate::schema::{Desk, Desks, NewOrder, Order, State, Venue};
use crate::support::{create, desk, desks, order, time, venue, venue_id, write};

/// Places orders of these quantities at one of three times, every second of them done.
async fn orders(db: &tallybook::Database, quantities: std::ops::Range<i64>) -> Vec<Order> {
    let new: Vec<_> = quantities
        .map(|quantity| NewOrder {
            placed_at: time(quantity % 3),
            state: if quantity % 2 == 0 { State::Done } else { State::Open },
            ..order(quantity)
        })
        .collect();
    write(db, async |session| Repository::<_, Order>::new(session).create_many(&new).await).await
}

fn quantities(rows: &[Order]) -> Vec<i64> {
    rows.iter().map(|row| row.quantity).collect()
}

both_dialects! {
    async fn a_filter_selects_rows_newest_first(url: &str) {
        let db = desks(url).await;
        orders(&db, 0..9).await;
        let mut session = db.read().await.unwrap();
        let mut orders = Repository::<_, Order>::new(&mut session);
        let all = orders.get_all(Filter::all()).await.unwrap();
        assert_eq!(quantities(&all), [8, 5, 2, 7, 4, 1, 6, 3, 0]);
        let done = || Filter::new("state = $1", params![State::Done]);
        assert_eq!(quantities(&orders.get_all(done()).await.unwrap()), [8, 2, 4, 6, 0]);
        let window = LimitOffset::first(2).skip(1);
        assert_eq!(quantities(&orders.get_where(done(), window).await.unwrap()), [2, 4]);
        assert_eq!(quantities(&orders.get_many(LimitOffset::first(4)).await.unwrap()), [8, 5, 2, 7]);
        assert_eq!(orders.count_where(done()).await.unwrap(), 5);
        assert_eq!(orders.count().await.unwrap(), 9);
        assert!(orders.exists(done().and("quantity > $1", params![7])).await.unwrap());
        assert!(!orders.exists(done().and("quantity > $1", params![8])).await.unwrap());
    }

    async fn a_stream_has_the_rows_that_match_in_the_order_of_their_identifiers(url: &str) {
        let db = desks(url).await;
        orders(&db, 0..9).await;
        let mut session = db.read().await.unwrap();
        let mut orders = Repository::<_, Order>::new(&mut session);
        let mut stream = orders.stream(Filter::new("state = $1", params![State::Done])).await.unwrap();
        let mut found = Vec::new();
        while let Some(row) = stream.next().await {
            found.push(row.unwrap().quantity);
        }
        assert_eq!(found, [0, 2, 4, 6, 8]);
        drop(stream);
        assert_eq!(session.counts().statements, 1);
    }

    async fn parts_of_a_filter_are_left_out_without_a_value(url: &str) {
        let db = desks(url).await;
        orders(&db, 0..9).await;
        let mut session = db.read().await.unwrap();
        let mut orders = Repository::<_, Order>::new(&mut session);
        let filter = |state: Option<State>, above: Option<i64>| {
            Filter::all()
                .and("quantity < $1", params![8])
                .and_some("state = $1", state)
                .and_some("quantity > $1", above)
        };
        let some = orders.get_all(filter(None, Some(4))).await.unwrap();
        assert_eq!(quantities(&some), [5, 7, 6]);
        let some = orders.get_all(filter(Some(State::Done), Some(1))).await.unwrap();
        assert_eq!(quantities(&some), [2, 4, 6]);
        assert_eq!(orders.count_where(filter(None, None)).await.unwrap(), 8);
    }

    async fn lists_of_values_are_bound_on_both_dialects(url: &str) {
        let db = desks(url).await;
        orders(&db, 0..9).await;
        let venues: Vec<Venue> = write(&db, async |session| {
            Repository::<_, Venue>::new(session).create_many(&[venue(1), venue(2), venue(3)]).await
        })
        .await;
        let mut session = db.read().await.unwrap();
        let mut orders = Repository::<_, Order>::new(&mut session);
        let filter = || {
            Filter::new("state = $1", params![State::Open])
                .and("quantity = ANY($1)", params![vec![1_i64, 2, 7]])
                .and("quantity <> $1", params![1])
        };
        assert_eq!(quantities(&orders.get_all(filter()).await.unwrap()), [7]);
        assert_eq!(orders.count_where(filter()).await.unwrap(), 1);
        assert!(orders.exists(filter()).await.unwrap());
        let window = LimitOffset::first(5);
        assert_eq!(quantities(&orders.get_where(filter(), window).await.unwrap()), [7]);
        assert_eq!(quantities(&orders.get_where(filter().custom_plan(), window).await.unwrap()), [7]);
        assert_eq!(quantities(&orders.get_page_where(filter(), None, 5).await.unwrap().rows), [7]);

        let texts = Filter::new("state = ANY($1)", params![["DONE", "GONE"].as_slice()]);
        assert_eq!(orders.count_where(texts).await.unwrap(), 5);

        let ids = vec![venue_id(3).get(), venue_id(9).get()];
        let mut repository = Repository::<_, Venue>::new(&mut session);
        let found = repository.get_all(Filter::new("id = ANY($1)", params![ids])).await.unwrap();
        assert_eq!(found, venues[2..]);
    }

    async fn an_or_in_a_part_does_not_reach_beyond_it(url: &str) {
        let db = desks(url).await;
        orders(&db, 0..9).await;
        let mut session = db.read().await.unwrap();
        let mut orders = Repository::<_, Order>::new(&mut session);
        let either = || Filter::new("quantity = $1 OR quantity > $2", params![1, 6]);
        assert_eq!(quantities(&orders.get_all(either()).await.unwrap()), [8, 7, 1]);
        let done = either().and("state = $1", params![State::Done]);
        assert_eq!(quantities(&orders.get_all(done).await.unwrap()), [8]);
        let first = orders.get_page_where(either(), None, 2).await.unwrap();
        assert_eq!(quantities(&first.rows), [8, 7]);
        let second = orders.get_page_where(either(), first.next.as_ref(), 2).await.unwrap();
        assert_eq!((quantities(&second.rows), second.next), (vec![1], None));
    }

    async fn a_table_without_a_time_is_listed_by_identifier(url: &str) {
        let db = desks(url).await;
        for number in [3, 1, 2] {
            create::<Desk>(&db, &desk(number)).await;
        }
        let mut session = db.read().await.unwrap();
        let mut desks = Desks::new(&mut session);
        let names = |rows: &[Desk]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&desks.get_all(Filter::all()).await.unwrap()), ["desk 2", "desk 1", "desk 3"]);
        let even = Filter::new("note = $1", params!["even"]);
        assert_eq!(names(&desks.get_where(even, LimitOffset::first(9)).await.unwrap()), ["desk 2"]);
    }

    async fn a_value_that_cannot_be_bound_is_named_when_the_list_is_read(url: &str) {
        let db = desks(url).await;
        let mut session = db.read().await.unwrap();
        let filter = Filter::new("name = $1", params!["a\0b"]).and("seats = $1", params![1]);
        let error = Desks::new(&mut session).get_all(filter).await.unwrap_err();
        assert!(error.is_invalid_value(), "{error}");
        assert_eq!(session.counts().statements, 0);
    }
}
