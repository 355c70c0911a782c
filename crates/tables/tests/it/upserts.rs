//! An upsert creates a row or updates the one with the same unique values, in one statement.

use std::collections::HashSet;

use tallybook::tables::{LimitOffset, Repository};
use tallybook_testkit::both_dialects;
use tokio::task::JoinSet;

use crate::schema::{Desk, Desks, NewDesk, NewVenue, Venue};
use crate::support::{create, desk, desks, time, venue, venue_id, write};

const ALL: LimitOffset = LimitOffset::first(100);

both_dialects! {
    async fn an_upsert_by_one_column_updates_the_columns_that_may_change(url: &str) {
        let db = desks(url).await;
        let other: Desk = create(&db, &desk(1)).await;
        let mut session = db.begin().await.unwrap();
        let mut desks = Desks::new(&mut session);
        let created = desks.upsert(&desk(2), Desk::COLUMN.name).await.unwrap();
        assert_eq!((created.name.as_str(), created.seats, created.updated_at), ("desk 2", 2, time(0)));
        let new = NewDesk { name: "desk 2".to_owned(), updated_at: time(-9), ..desk(35) };
        let updated = desks.upsert(&new, Desk::COLUMN.name).await.unwrap();
        assert!(updated.updated_at > created.updated_at);
        let expected = Desk {
            seats: 35,
            tickets: new.tickets,
            capital: new.capital,
            note: None,
            updated_at: updated.updated_at,
            // The identifier, the fixed columns and the generated one stay.
            ..created
        };
        assert_eq!(updated, expected);
        assert_eq!(desks.get_many(ALL).await.unwrap(), [updated, other]);
        assert_eq!(session.counts().statements, 3);
    }

    async fn an_upsert_by_two_columns_finds_the_row_with_both(url: &str) {
        let db = desks(url).await;
        create::<Desk>(&db, &desk(11)).await;
        let mut session = db.begin().await.unwrap();
        let mut desks = Desks::new(&mut session);
        let unique = (Desk::COLUMN.region, Desk::COLUMN.code);
        let created = desks.upsert(&desk(12), unique).await.unwrap();
        let new = NewDesk { name: "renamed".to_owned(), ..desk(12) };
        let renamed = desks.upsert(&new, unique).await.unwrap();
        assert_eq!((renamed.id, renamed.name.as_str()), (created.id, "renamed"));
        assert_eq!(desks.count().await.unwrap(), 2);
        // The name is another unique column, which the upsert is not by.
        let taken = NewDesk { name: "desk 11".to_owned(), ..desk(12) };
        let error = desks.upsert(&taken, unique).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error}");
    }

    async fn an_upsert_of_a_row_with_a_uuid_keeps_the_key(url: &str) {
        let db = desks(url).await;
        let first: Venue = create(&db, &venue(1)).await;
        let mut session = db.begin().await.unwrap();
        let mut venues = Repository::<_, Venue>::new(&mut session);
        let by_name = NewVenue { id: venue_id(5), lots: 8, ..venue(1) };
        let updated = venues.upsert(&by_name, Venue::COLUMN.name).await.unwrap();
        assert_eq!(updated, Venue { lots: 8, ..first.clone() });
        let by_id = NewVenue { name: "renamed".to_owned(), lots: 9, ..venue(1) };
        let updated = venues.upsert(&by_id, Venue::COLUMN.id).await.unwrap();
        assert_eq!(updated, Venue { name: "renamed".to_owned(), lots: 9, ..first });
        let second = venues.upsert(&venue(2), Venue::COLUMN.id).await.unwrap();
        assert_eq!(second.id, venue_id(2));
        assert_eq!(venues.count().await.unwrap(), 2);
    }

    async fn an_upsert_needs_a_unique_index_of_its_columns(url: &str) {
        let db = desks(url).await;
        let mut session = db.begin().await.unwrap();
        let error = Desks::new(&mut session).upsert(&desk(1), Desk::COLUMN.seats).await.unwrap_err();
        assert!(error.to_string().to_lowercase().contains("on conflict"), "{error}");
        assert!(!error.is_unique_violation());
        drop(session);
        assert_eq!(Desks::new(&mut db.read().await.unwrap()).count().await.unwrap(), 0);
    }

    async fn concurrent_upserts_of_one_key_end_with_one_row(url: &str) {
        let db = desks(url).await;
        let mut tasks = JoinSet::new();
        for seats in 0..16 {
            let db = db.clone();
            tasks.spawn(async move {
                let new = NewDesk { seats, ..desk(1) };
                write(&db, async |session| Desks::new(session).upsert(&new, Desk::COLUMN.name).await).await
            });
        }
        let returned = tasks.join_all().await;
        let mut session = db.read().await.unwrap();
        let rows = Desks::new(&mut session).get_many(ALL).await.unwrap();
        assert_eq!(rows.len(), 1);
        // Each of the sixteen advanced the time of the row, and the last stands.
        let times: HashSet<_> = returned.iter().map(|desk| desk.updated_at).collect();
        assert_eq!(times.len(), 16);
        let last = returned.iter().max_by_key(|desk| desk.updated_at).unwrap();
        assert_eq!(rows[0], *last);
        let seats: HashSet<_> = returned.iter().map(|desk| desk.seats).collect();
        assert_eq!(seats, (0..16).collect());
    }
}
