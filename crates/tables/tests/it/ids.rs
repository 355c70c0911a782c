//! Rows by their identifiers and by unique values.

use tallybook::tables::{Id, Repository};
use tallybook_testkit::both_dialects;

use crate::schema::{Desk, Desks, Label, NewLabel, Venue};
use crate::support::{create, desk, desks, venue, venue_id, write};

both_dialects! {
    async fn a_row_is_found_by_a_number(url: &str) {
        let db = desks(url).await;
        let created: Vec<Desk> = write(&db, async |session| {
            Desks::new(session).create_many(&[desk(1), desk(2), desk(3)]).await
        })
        .await;
        let mut session = db.read().await.unwrap();
        let mut desks = Desks::new(&mut session);
        assert_eq!(desks.get(created[1].id).await.unwrap(), Some(created[1].clone()));
        assert_eq!(desks.get(Id::new(99)).await.unwrap(), None);
        let ids = [created[2].id, Id::new(99), created[0].id, created[2].id];
        let found = desks.get_by_ids(&ids).await.unwrap();
        assert_eq!(found, [created[2].clone(), created[0].clone()]);
        assert_eq!(session.counts().statements, 3);
    }

    async fn a_row_is_found_by_a_uuid(url: &str) {
        let db = desks(url).await;
        let created: Vec<Venue> = write(&db, async |session| {
            Repository::<_, Venue>::new(session).create_many(&[venue(1), venue(2), venue(3)]).await
        })
        .await;
        assert_eq!(created[1].id, venue_id(2));
        let mut session = db.read().await.unwrap();
        let mut venues = Repository::<_, Venue>::new(&mut session);
        assert_eq!(venues.get(venue_id(2)).await.unwrap(), Some(created[1].clone()));
        assert_eq!(venues.get(venue_id(99)).await.unwrap(), None);
        let found = venues.get_by_ids(&[venue_id(3), venue_id(99), venue_id(1)]).await.unwrap();
        assert_eq!(found, [created[2].clone(), created[0].clone()]);
    }

    async fn a_row_is_found_by_a_unique_value(url: &str) {
        let db = desks(url).await;
        let created: Desk = create(&db, &desk(7)).await;
        create::<Desk>(&db, &desk(8)).await;
        let first: Venue = create(&db, &venue(1)).await;
        let mut session = db.read().await.unwrap();
        let mut desks = Desks::new(&mut session);
        assert_eq!(desks.get_by(Desk::COLUMN.name, "desk 7").await.unwrap(), Some(created.clone()));
        assert_eq!(desks.get_by(Desk::COLUMN.name, "desk 9").await.unwrap(), None);
        assert_eq!(desks.get_by(Desk::COLUMN.tickets, 7_000_000_000_000_i64).await.unwrap(), Some(created));
        // NULL equals nothing.
        assert_eq!(desks.get_by(Desk::COLUMN.note, None).await.unwrap(), None);
        let mut venues = Repository::<_, Venue>::new(&mut session);
        assert_eq!(venues.get_by(Venue::COLUMN.name, "venue 1").await.unwrap(), Some(first));
    }

    async fn a_value_that_two_rows_have_identifies_none(url: &str) {
        let db = desks(url).await;
        write(&db, async |session| {
            let twice = NewLabel { text: "twice".to_owned() };
            Repository::<_, Label>::new(session).create_many(&[twice.clone(), twice]).await
        })
        .await;
        let mut session = db.read().await.unwrap();
        let mut labels = Repository::<_, Label>::new(&mut session);
        let error = labels.get_by(Label::COLUMN.text, "twice").await.unwrap_err();
        assert!(error.database().is_some(), "{error}");
        assert!(error.to_string().contains("at most one row, the query returned 2 rows"), "{error}");
        assert_eq!(labels.get_by(Label::COLUMN.text, "once").await.unwrap(), None);
    }
}
