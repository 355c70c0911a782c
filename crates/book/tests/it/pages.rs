//! Walking through a list page by page.

use std::cmp::Reverse;
use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use tallybook::book::{Cursor, Id, LimitOffset, Page, Repository, Table, Trades};
use tallybook::{Database, WriteSession};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::sample::{Sample, parents};
use crate::support::{for_each_table, time};
use crate::template_books::{EMPTY, on_copies};

const ALL: LimitOffset = LimitOffset::first(u32::MAX);

/// Tests a property on generated cases, each in a transaction that is rolled back.
async fn holds<V: std::fmt::Debug>(
    db: &Database,
    cases: impl Strategy<Value = V>,
    law: impl AsyncFn(&mut WriteSession, V),
) {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&cases, |case| {
        block_in_place(|| {
            Handle::current().block_on(async {
                let mut session = db.begin().await.unwrap();
                law(&mut session, case).await;
                session.roll_back().await.unwrap();
            });
        });
        Ok(())
    });
    tried.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Creates a row for each time; few times for many rows, so that identifiers have to break ties.
async fn create<T: Sample>(session: &mut WriteSession, moments: &[i64]) -> Vec<T> {
    let new: Vec<_> =
        moments.iter().enumerate().map(|(number, &moment)| T::full(number, time(moment))).collect();
    Repository::<_, T>::new(session).create_many(&new).await.unwrap()
}

async fn get_page<T: Table<Key = i64>>(
    session: &mut WriteSession,
    after: Option<&Cursor<T>>,
    limit: u32,
) -> Page<T> {
    // Between calls a cursor travels as text.
    let after = after.map(|cursor| cursor.to_string().parse().unwrap());
    Repository::<_, T>::new(session).get_page(after.as_ref(), limit).await.unwrap()
}

fn ids<T: Table<Key = i64>>(rows: &[T]) -> Vec<Id<T>> {
    rows.iter().map(T::id).collect()
}

/// Returns the sort key of every list.
fn key<T: Table<Key = i64>>(row: &T) -> Reverse<(Option<chrono::DateTime<chrono::Utc>>, i64)> {
    Reverse((row.time(), row.id().get()))
}

async fn pages_are_the_list<T: Sample>(db: &Database) {
    holds(db, (vec(0..4_i64, 0..40), 1..9_u32), async |session, (moments, limit)| {
        let mut expected = Repository::<_, T>::new(session).get_many(ALL).await.unwrap();
        expected.extend(create::<T>(session, &moments).await);
        expected.sort_by_key(key);
        assert_eq!(Repository::<_, T>::new(session).get_many(ALL).await.unwrap(), expected);

        let mut walked = Vec::new();
        let mut next = None;
        loop {
            let page = get_page::<T>(session, next.as_ref(), limit).await;
            walked.extend(page.rows);
            assert_eq!(
                page.next.is_some(),
                walked.len() < expected.len(),
                "no page is empty but the only one"
            );
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(walked, expected);

        let window = LimitOffset::first(limit).skip(limit);
        let second = Repository::<_, T>::new(session).get_many(window).await.unwrap();
        let expected: Vec<_> = expected.into_iter().skip(limit as usize).take(limit as usize).collect();
        assert_eq!(second, expected);
    })
    .await;
}

/// A change of the list between two pages.
#[derive(Clone, Debug)]
enum Event {
    Nothing,
    Insert(i64),
    /// Deletes the row at this position among the initial ones.
    Delete(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Nothing),
        (0..4_i64).prop_map(Event::Insert),
        any::<usize>().prop_map(Event::Delete)
    ]
}

async fn pages_bear_changes<T: Sample>(db: &Database) {
    let cases = (vec(0..4_i64, 2..40), 1..9_u32, vec(event(), 0..40));
    holds(db, cases, async |session, (moments, limit, events)| {
        let created = create::<T>(session, &moments).await;
        let mut lasting: HashSet<_> = ids(&created).into_iter().collect();
        let mut walked = Vec::new();
        let mut next = None;
        let mut events = (1_000..).zip(events);
        loop {
            let page = get_page::<T>(session, next.as_ref(), limit).await;
            walked.extend(page.rows);
            next = page.next;
            if next.is_none() {
                break;
            }
            match events.next() {
                None | Some((_, Event::Nothing)) => {}
                Some((number, Event::Insert(moment))) => {
                    let new = T::full(number, time(moment));
                    Repository::<_, T>::new(session).create(&new).await.unwrap();
                }
                Some((_, Event::Delete(place))) => {
                    // Not the last: SQLite would assign its identifier again.
                    let id = created[place % (created.len() - 1)].id();
                    T::delete(&mut Repository::new(session), id).await.unwrap();
                    lasting.remove(&id);
                }
            }
        }
        assert!(walked.is_sorted_by_key(key));
        let once: HashSet<_> = ids(&walked).into_iter().collect();
        assert_eq!(once.len(), walked.len(), "no row comes twice");
        assert!(once.is_superset(&lasting), "no row is passed over");
    })
    .await;
}

on_copies! { of EMPTY:
    async fn pages_put_together_are_the_list_in_its_order(db: &Database) {
        parents(db).await;
        for_each_table!(pages_are_the_list(db));
    }

    async fn rows_that_come_or_go_neither_shift_nor_repeat_others(db: &Database) {
        parents(db).await;
        for_each_table!(pages_bear_changes(db));
    }

    async fn the_cursor_of_another_table_is_refused(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        create::<tallybook::book::Trade>(&mut session, &[1, 2]).await;
        let cursor = get_page::<tallybook::book::Trade>(&mut session, None, 1).await.next.unwrap();
        let text = cursor.to_string();
        let error = text.parse::<Cursor<tallybook::book::Execution>>().unwrap_err();
        assert!(error.is_cursor(), "{error}");
        assert!(error.to_string().contains(&text), "{error}");
        let cursor = text.parse().unwrap();
        assert_eq!(Trades::new(&mut session).get_page(Some(&cursor), 1).await.unwrap().rows.len(), 1);
    }

    async fn a_page_without_rows_is_refused_because_no_next_one_begins_behind_it(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        create::<tallybook::book::Trade>(&mut session, &[1, 2]).await;
        let before = session.counts();
        let error = Trades::new(&mut session).get_page(None, 0).await.unwrap_err();
        assert!(error.to_string().contains("limit: is 0, and a page has at least one row"), "{error}");
        assert_eq!(session.counts(), before);
        assert_eq!(Trades::new(&mut session).get_page(None, 1).await.unwrap().rows.len(), 1);
    }
}
