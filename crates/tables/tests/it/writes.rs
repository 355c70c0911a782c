//! Rows are created, changed, incremented, deleted, bulk loaded and scanned, with generated keys and with UUIDs.

use tallybook::tables::{Error, Id, Repository};
use tallybook::{Dialect, Encode, Row};
use tallybook_testkit::both_dialects;

use crate::schema::{Desk, DeskChanges, Desks, NewOrder, Order, OrderChanges, State, Venue, VenueChanges};
use crate::support::{create, desk, desks, load, order, sql, time, venue, venue_id, write};

#[track_caller]
fn assert_refused(error: &Error, column: &str) {
    assert!(error.is_invalid_value(), "{error}");
    let database = error.database().unwrap();
    assert_eq!(database.column(), Some(column), "{error}");
    let table = database.table().unwrap();
    assert!(error.to_string().starts_with(&format!("{table}.{column}: ")), "{error}");
}

/// The row that the database makes of [`desk`].
fn stored(id: i64, number: i64) -> Desk {
    let new = desk(number);
    Desk {
        id: Id::new(id),
        region: new.region,
        code: new.code,
        name: new.name,
        seats: new.seats,
        tickets: new.tickets,
        capital: new.capital,
        note: new.note,
        grade: 3,
        updated_at: new.updated_at,
    }
}

both_dialects! {
    async fn a_created_row_has_what_the_database_generates(url: &str) {
        let db = desks(url).await;
        let created: Desk = create(&db, &desk(7)).await;
        assert_eq!(created, stored(1, 7));
        let mut session = db.read().await.unwrap();
        assert_eq!(Desks::new(&mut session).get(created.id).await.unwrap(), Some(created));
    }

    async fn many_rows_are_created_in_their_order(url: &str) {
        let db = desks(url).await;
        let new: Vec<_> = (0..2_500).map(|number| NewOrder { placed_at: time(-number), ..order(number) }).collect();
        let mut session = db.begin().await.unwrap();
        let created = Repository::<_, Order>::new(&mut session).create_many(&new).await.unwrap();
        assert_eq!((session.counts().statements, session.counts().round_trips), (2_500, 3));
        for (number, order) in (0..).zip(&created) {
            assert_eq!((order.id, order.quantity), (Id::new(number + 1), number));
        }
        let venues = [venue(2), venue(1)];
        let created = Repository::<_, Venue>::new(&mut session).create_many(&venues).await.unwrap();
        assert_eq!([created[0].id, created[1].id], [venue_id(2), venue_id(1)]);
        session.commit().await.unwrap();
    }

    async fn an_update_changes_the_given_columns(url: &str) {
        let db = desks(url).await;
        let before: Desk = create(&db, &desk(2)).await;
        let after = write(&db, async |session| {
            let changes = DeskChanges::new().note(None).seats(9).name("renamed");
            Desks::new(session).update(before.id, changes).await
        })
        .await;
        assert!(after.updated_at > before.updated_at);
        let expected = Desk {
            note: None,
            seats: 9,
            name: "renamed".to_owned(),
            updated_at: after.updated_at,
            ..before.clone()
        };
        assert_eq!(after, expected);
        let unchanged =
            write(&db, async |session| Desks::new(session).update(before.id, DeskChanges::new()).await).await;
        assert_eq!(unchanged, after);

        let mut session = db.begin().await.unwrap();
        let long = DeskChanges::new().name("x".repeat(41));
        assert_refused(&Desks::new(&mut session).update(before.id, long).await.unwrap_err(), "name");
        let missing = Desks::new(&mut session).update(Id::new(99), DeskChanges::new().seats(1)).await;
        let error = missing.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.to_string(), "there is no desk 99");
        let missing = OrderChanges::new().quantity(1).state(State::Done);
        let error = Repository::<_, Order>::new(&mut session).update(Id::new(99), missing).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no desk order 99");
    }

    async fn an_update_expects_the_version_that_was_read(url: &str) {
        let db = desks(url).await;
        let read: Desk = create(&db, &desk(1)).await;
        let mut session = db.begin().await.unwrap();
        let mut desks = Desks::new(&mut session);
        let changed = desks.update(read.id, DeskChanges::new().seats(1)).expecting(read.updated_at).await.unwrap();
        let stale = desks.update(read.id, DeskChanges::new().seats(2)).expecting(read.updated_at).await;
        assert!(stale.unwrap_err().is_stale());
        let stale = desks.delete(read.id).expecting(read.updated_at).await;
        assert!(stale.unwrap_err().is_stale());
        assert_eq!(desks.get(read.id).await.unwrap(), Some(changed.clone()));
        let again = desks.update(read.id, DeskChanges::new().seats(3)).expecting(changed.updated_at).await;
        assert!(desks.delete(read.id).expecting(again.unwrap().updated_at).await.unwrap());
        assert_eq!(desks.get(read.id).await.unwrap(), None);
    }

    async fn a_deleted_row_is_gone(url: &str) {
        let db = desks(url).await;
        let desk: Desk = create(&db, &desk(1)).await;
        let order: Order = create(&db, &NewOrder { desk_id: Some(desk.id), ..order(1) }).await;
        let mut session = db.begin().await.unwrap();
        assert!(Repository::<_, Order>::new(&mut session).delete(order.id).await.unwrap());
        assert!(!Repository::<_, Order>::new(&mut session).delete(order.id).await.unwrap());
        assert!(Desks::new(&mut session).delete(desk.id).await.unwrap());
        session.roll_back().await.unwrap();

        let mut session = db.begin().await.unwrap();
        let error = Desks::new(&mut session).delete(desk.id).await.unwrap_err();
        assert!(error.is_foreign_key_violation(), "{error}");
    }

    async fn a_row_with_a_uuid_is_changed_incremented_and_deleted(url: &str) {
        let db = desks(url).await;
        let created: Venue = create(&db, &venue(1)).await;
        let mut session = db.begin().await.unwrap();
        let mut venues = Repository::<_, Venue>::new(&mut session);
        let renamed = venues.update(created.id, VenueChanges::new().name("other")).await.unwrap();
        assert_eq!(renamed, Venue { name: "other".to_owned(), ..created.clone() });
        let added = venues.add(created.id, Venue::COLUMN.lots, -3).await.unwrap();
        assert_eq!(added, Venue { lots: -2, ..renamed });
        assert_eq!(venues.get_for_update(created.id).await.unwrap(), Some(added));
        let error = venues.add(venue_id(9), Venue::COLUMN.lots, 1).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(venues.delete(created.id).await.unwrap());
        assert!(!venues.delete(created.id).await.unwrap());
    }

    async fn a_sum_is_exact_or_refused(url: &str) {
        let db = desks(url).await;
        let created: Desk = create(&db, &desk(1)).await;
        let mut session = db.begin().await.unwrap();
        let mut desks = Desks::new(&mut session);
        let id = created.id;
        assert_eq!(desks.add(id, Desk::COLUMN.seats, 41).await.unwrap().seats, 42);
        assert_eq!(desks.add(id, Desk::COLUMN.seats, i32::MIN).await.unwrap().seats, 42 + i32::MIN);
        assert_refused(&desks.add(id, Desk::COLUMN.seats, -43).await.unwrap_err(), "seats");
        assert_eq!(desks.add(id, Desk::COLUMN.tickets, -1).await.unwrap().tickets, 999_999_999_999);
        assert_refused(&desks.add(id, Desk::COLUMN.tickets, i64::MAX).await.unwrap_err(), "tickets");
        let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
        let added = desks.add(id, Desk::COLUMN.capital, decimal("987654321098765432.0000000009")).await.unwrap();
        assert_eq!(added.capital, decimal("987654321098765444.5000000010"));
        // The eleventh digit after the point, and the nineteenth before it.
        assert_refused(&desks.add(id, Desk::COLUMN.capital, decimal("0.00000000001")).await.unwrap_err(), "capital");
        assert_refused(&desks.add(id, Desk::COLUMN.capital, decimal("1000000000000000000")).await.unwrap_err(), "capital");
        assert!(desks.add(Id::new(99), Desk::COLUMN.seats, 1).await.unwrap_err().is_not_found());
        let now = desks.get(id).await.unwrap().unwrap();
        assert_eq!((now.seats, now.tickets), (42 + i32::MIN, 999_999_999_999));
        assert_eq!(now.capital, added.capital);
        assert!(now.updated_at > created.updated_at);
    }

    async fn rows_are_bulk_loaded_with_their_identifiers(url: &str) {
        let db = desks(url).await;
        let created = write(&db, async |session| {
            load(session, &[stored(7, 1), stored(9, 2)]).await;
            Desks::new(session).sync_sequence().await?;
            let venues = [1, 2].map(|number| {
                let new = venue(number);
                Venue { id: new.id, name: new.name, lots: new.lots }
            });
            load(session, &venues).await;
            assert_eq!(Repository::<_, Venue>::new(session).get_by_ids(&[venue_id(2)]).await?, venues[1..]);
            Desks::new(session).create(&desk(3)).await
        })
        .await;
        assert_eq!(created, stored(10, 3));
        let mut session = db.read().await.unwrap();
        let ids = [Id::new(7), Id::new(9)];
        let loaded = Desks::new(&mut session).get_by_ids(&ids).await.unwrap();
        assert_eq!(loaded, [stored(7, 1), stored(9, 2)]);
    }

    async fn chosen_columns_are_bulk_loaded_in_their_order(url: &str) {
        let db = desks(url).await;
        let rows = write(&db, async |session| {
            let mut orders = Repository::<_, Order>::new(session);
            let mut load = orders.bulk_load(Some(&["quantity", "state", "placed_at"])).await?;
            let row = |quantity: i64| {
                [quantity.encode(), State::Done.encode(), time(quantity).encode()].map(Result::unwrap).to_vec()
            };
            load.write_values(row(5)).await?;
            load.write_values(row(6)).await?;
            assert_eq!(load.finish().await?, 2);
            orders.get_by_ids(&[Id::new(1), Id::new(2)]).await
        })
        .await;
        let expected = |id, quantity| Order {
            id: Id::new(id),
            desk_id: None,
            replaces_id: None,
            state: State::Done,
            quantity,
            placed_at: time(quantity),
        };
        assert_eq!(rows, [expected(1, 5), expected(2, 6)]);
    }

    async fn a_scan_returns_rows_by_identifier_with_their_values_or_errors(url: &str) {
        let db = desks(url).await;
        let mut expected = write(&db, async |session| {
            Repository::<_, Venue>::new(session).create_many(&(1..6).map(venue).collect::<Vec<_>>()).await
        })
        .await;
        expected.sort_by_key(|venue| venue.id);
        sql(&db, "UPDATE venues SET lots = 77 WHERE name = 'venue 2'").await;
        if db.dialect() == Dialect::Sqlite {
            sql(&db, "UPDATE venues SET lots = 'many' WHERE name = 'venue 2'").await;
        }
        let mut session = db.read().await.unwrap();
        let mut venues = Repository::<_, Venue>::new(&mut session);
        let mut scanned = venues.scan(None, 2).await.unwrap();
        while let Some(&(last, _)) = scanned.last() {
            let next = venues.scan(Some(last), 2).await.unwrap();
            if next.is_empty() {
                break;
            }
            scanned.extend(next);
        }
        assert_eq!(scanned.len(), 5);
        for ((id, row), expected) in scanned.iter().zip(&expected) {
            assert_eq!(*id, expected.id.get());
            match row {
                Ok(values) => {
                    let lots = if expected.name == "venue 2" { 77 } else { 1 };
                    let row = Venue { lots, ..expected.clone() };
                    assert_eq!(*values, row.encode().unwrap());
                }
                Err(unreadable) => {
                    assert_eq!((expected.name.as_str(), unreadable.table), ("venue 2", "venues"));
                    assert_eq!(unreadable.id, id.to_string());
                    assert_eq!(unreadable.columns[0].column, "lots");
                }
            }
        }
        let unreadable = scanned.iter().filter(|(_, row)| row.is_err()).count();
        drop(session);
        assert_eq!(unreadable, usize::from(db.dialect() == Dialect::Sqlite));
    }
}
