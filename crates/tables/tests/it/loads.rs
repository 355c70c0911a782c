//! Every load returns what loops over all rows return, whatever the rows are.

use std::fmt::Debug;

use proptest::prelude::proptest;
use proptest::test_runner::Config;
use tallybook::tables::{BelongsTo, Id, Load, Repository, Table};
use tallybook::{Database, WriteSession};
use tallybook_testkit::both_dialects;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::generated::{World, first, newest_first, worlds};
use crate::schema::{
    Desk, DeskBook, Fill, FillAtVenue, FillOfOrder, Label, Order, OrderBook, OrderLabel, OrderWithLabels,
    Transfer, Venue, VenueWithFills,
};
use crate::support::{desks, venue_id};

/// Tests a property on generated rows, in a transaction that is rolled back.
#[allow(clippy::needless_pass_by_value, reason = "callers write their law in place")]
pub(crate) fn holds(db: &Database, law: impl AsyncFn(&mut WriteSession, &World)) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    proptest!(config, |(world in worlds())| {
        block_in_place(|| {
            Handle::current().block_on(async {
                let mut session = db.begin().await.unwrap();
                world.write(&mut session).await;
                law(&mut session, &world).await;
                session.roll_back().await.unwrap();
            });
        });
    });
}

type Key<T> = <T as Table>::Key;

/// Loads each row by its identifier, and all at once, backwards and with identifiers that do not exist.
async fn by_ids<A>(
    session: &mut WriteSession,
    rows: &[A::Root],
    missing: Id<A::Root, Key<A::Root>>,
    expected: impl Fn(&A::Root) -> A,
) where
    A: Load + PartialEq + Debug,
{
    let mut repository = Repository::<_, A::Root>::new(session);
    assert_eq!(repository.load::<A>(missing).await.unwrap(), None);
    assert_eq!(repository.load_many::<A>(&[]).await.unwrap(), []);
    for row in rows {
        assert_eq!(repository.load::<A>(row.id()).await.unwrap(), Some(expected(row)));
    }
    let ids: Vec<_> = rows.iter().rev().map(Table::id).chain([missing]).collect();
    let all: Vec<A> = rows.iter().rev().map(&expected).collect();
    assert_eq!(repository.load_many::<A>(&ids).await.unwrap(), all);
}

/// Loads the rows of each parent, and of all and of some parents at once, each whole and limited.
async fn of_parents<A, P>(
    session: &mut WriteSession,
    rows: &[A::Root],
    parents: &[Id<P, Key<P>>],
    expected: impl Fn(&A::Root) -> A,
) where
    A: Load + PartialEq + Debug,
    A::Root: BelongsTo<P>,
    P: Table,
{
    let books = |rows: Vec<A::Root>| -> Vec<A> { rows.iter().map(&expected).collect() };
    let of = |parent: Id<P, Key<P>>| newest_first(rows, |row| row.owner() == Some(parent));
    let mut repository = Repository::<_, A::Root>::new(session);
    for &parent in parents {
        assert_eq!(repository.load_of::<A, P>(parent).await.unwrap(), books(of(parent)));
        for limit in [0, 1, 2, 4, 100] {
            let loaded = repository.load_newest_of::<A, P>(parent, limit).await.unwrap();
            assert_eq!(loaded, books(first(&of(parent), limit as usize)), "{limit} of {parent}");
        }
    }
    for some in [parents, &parents[parents.len() / 2..], &[]] {
        let all = newest_first(rows, |row| row.owner().is_some_and(|owner| some.contains(&owner)));
        assert_eq!(repository.load_of_many::<A, P>(some).await.unwrap(), books(all));
        for limit in [0, 1, 2, 4, 100] {
            let newest: Vec<_> = some.iter().flat_map(|parent| first(&of(*parent), limit)).collect();
            let loaded =
                repository.load_newest_of_many::<A, P>(some, u32::try_from(limit).unwrap()).await.unwrap();
            assert_eq!(loaded, books(newest_first(&newest, |_| true)), "{limit} of each");
        }
    }
}

fn ids<T: Table>(rows: &[T]) -> Vec<Id<T, Key<T>>> {
    rows.iter().map(Table::id).collect()
}

pub(crate) const MISSING: i64 = 999_999;

both_dialects! {
    async fn an_aggregate_of_three_levels_equals_loops(url: &str) {
        holds(&desks(url).await, async |session, world| {
            by_ids(session, &world.desks, MISSING.into(), |desk| world.desk_book(desk)).await;
        });
    }

    async fn the_rows_of_a_parent_with_their_relations_equal_loops(url: &str) {
        holds(&desks(url).await, async |session, world| {
            let book = |order: &Order| world.order_book(order);
            by_ids(session, &world.orders, MISSING.into(), book).await;
            of_parents::<OrderBook, Desk>(session, &world.orders, &ids(&world.desks), book).await;
            of_parents::<OrderBook, Order>(session, &world.orders, &ids(&world.orders), book).await;
        });
    }

    async fn rows_of_a_parent_whose_key_is_a_uuid_equal_loops(url: &str) {
        holds(&desks(url).await, async |session, world| {
            let with_fills = |venue: &Venue| world.venue_with_fills(venue);
            by_ids::<VenueWithFills>(session, &world.venues, venue_id(99), with_fills).await;
            let at_venue = |fill: &Fill| world.fill_at_venue(fill);
            by_ids::<FillAtVenue>(session, &world.fills, MISSING.into(), at_venue).await;
            of_parents::<FillAtVenue, Venue>(session, &world.fills, &ids(&world.venues), at_venue).await;
        });
    }

    async fn a_parent_with_relations_of_its_own_equals_loops(url: &str) {
        holds(&desks(url).await, async |session, world| {
            let of_order = |fill: &Fill| world.fill_of_order(fill);
            by_ids(session, &world.fills, MISSING.into(), of_order).await;
            of_parents::<FillOfOrder, Venue>(session, &world.fills, &ids(&world.venues), of_order).await;
        });
    }

    async fn linked_rows_with_links_of_their_own_equal_loops(url: &str) {
        holds(&desks(url).await, async |session, world| {
            let with_labels = |order: &Order| world.order_with_labels(order);
            by_ids(session, &world.orders, MISSING.into(), with_labels).await;
            of_parents::<OrderWithLabels, Desk>(session, &world.orders, &ids(&world.desks), with_labels).await;
            by_ids(session, &world.labels, MISSING.into(), |label| world.label_with_orders(label)).await;
        });
    }

    async fn plain_rows_and_links_without_a_time_equal_loops(url: &str) {
        holds(&desks(url).await, async |session, world| {
            of_parents::<Fill, Order>(session, &world.fills, &ids(&world.orders), Fill::clone).await;
            of_parents::<OrderLabel, Order>(session, &world.links, &ids(&world.orders), OrderLabel::clone).await;
            of_parents::<OrderLabel, Label>(session, &world.links, &ids(&world.labels), OrderLabel::clone).await;
            by_ids::<Transfer>(session, &world.transfers, MISSING.into(), Transfer::clone).await;
            by_ids::<Desk>(session, &world.desks, MISSING.into(), Desk::clone).await;
        });
    }

    async fn an_aggregate_of_three_levels_is_one_round_trip(url: &str) {
        let db = desks(url).await;
        let mut session = db.read().await.unwrap();
        let mut repository = Repository::<_, Desk>::new(&mut session);
        assert_eq!(repository.load::<DeskBook>(MISSING.into()).await.unwrap(), None);
        // The desk; its orders three times, each with ten statements for their relations; its large orders; its transfers
        // twice with both desks, and once without.
        let statements = 1 + 3 * 11 + 1 + 2 * 3 + 1;
        assert_eq!((session.counts().statements, session.counts().round_trips), (statements, 1));
    }
}
