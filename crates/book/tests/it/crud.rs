//! Rows are created, found and deleted: the same for each table.

use tallybook::Database;
use tallybook::book::Repository;

use crate::sample::{Sample, parents};
use crate::support::{fields, for_each_table, time, write};
use crate::template_books::{EMPTY, on_copies};

const UNKNOWN: i64 = 999_999;

async fn creates<T: Sample>(db: &Database) {
    let new = T::full(1, time(9));
    let created = write(db, async |session| {
        let created = Repository::<_, T>::new(session).create(&new).await?;
        assert_eq!((session.counts().statements, session.counts().round_trips), (1, 1));
        Ok(created)
    })
    .await;
    assert_eq!(fields(&created)[1..], fields(&new));
    let mut session = db.read().await.unwrap();
    let mut repository = Repository::<_, T>::new(&mut session);
    assert_eq!(repository.get(created.id()).await.unwrap(), Some(created));
    assert_eq!(repository.get(UNKNOWN.into()).await.unwrap(), None);
}

async fn creates_many<T: Sample>(db: &Database) {
    let new: Vec<_> = (0..1_001_i64).map(|number| T::full(number as usize, time(-number))).collect();
    let known = Repository::<_, T>::new(&mut db.read().await.unwrap()).count().await.unwrap();
    let created = write(db, async |session| {
        let created = Repository::<_, T>::new(session).create_many(&new).await?;
        // A thousand travel together.
        assert_eq!((session.counts().statements, session.counts().round_trips), (1_001, 2));
        Ok(created)
    })
    .await;
    assert_eq!(created.len(), new.len());
    assert!(created.iter().zip(&new).all(|(created, new)| fields(created)[1..] == fields(new)));
    let mut session = db.read().await.unwrap();
    assert_eq!(Repository::<_, T>::new(&mut session).count().await.unwrap(), known + 1_001);
}

async fn creates_none<T: Sample>(db: &Database) {
    let mut session = db.begin().await.unwrap();
    assert!(Repository::<_, T>::new(&mut session).create_many(&[]).await.unwrap().is_empty());
    assert_eq!(session.counts().round_trips, 0);
}

async fn finds_by_identifiers<T: Sample>(db: &Database) {
    let new = [T::full(1, time(1)), T::full(2, time(2)), T::full(3, time(3))];
    let created = write(db, async |session| Repository::<_, T>::new(session).create_many(&new).await).await;
    let ids = [created[2].id(), UNKNOWN.into(), created[0].id(), created[2].id()];
    let mut session = db.read().await.unwrap();
    let found = Repository::<_, T>::new(&mut session).get_by_ids(&ids).await.unwrap();
    assert_eq!(found, [created[2].clone(), created[0].clone()]);
    assert_eq!((session.counts().statements, session.counts().round_trips), (1, 1));
    assert!(Repository::<_, T>::new(&mut session).get_by_ids(&[]).await.unwrap().is_empty());
}

async fn deletes<T: Sample>(db: &Database) {
    let new = [T::full(1, time(1)), T::full(2, time(2))];
    let created = write(db, async |session| Repository::<_, T>::new(session).create_many(&new).await).await;
    write(db, async |session| {
        let mut repository = Repository::<_, T>::new(session);
        assert!(T::delete(&mut repository, created[0].id()).await?);
        assert!(!T::delete(&mut repository, created[0].id()).await?);
        assert!(!T::delete(&mut repository, UNKNOWN.into()).await?);
        Ok(())
    })
    .await;
    let mut session = db.read().await.unwrap();
    let mut repository = Repository::<_, T>::new(&mut session);
    assert_eq!(repository.get(created[0].id()).await.unwrap(), None);
    assert_eq!(repository.get(created[1].id()).await.unwrap(), Some(created[1].clone()));
}

on_copies! { of EMPTY:
    async fn a_created_row_is_read_back_as_it_was_given(db: &Database) {
        parents(db).await;
        for_each_table!(creates(db));
    }

    async fn many_rows_are_created_in_the_order_given_a_thousand_to_a_round_trip(db: &Database) {
        parents(db).await;
        for_each_table!(creates_many(db));
    }

    async fn nothing_is_sent_to_create_nothing(db: &Database) {
        for_each_table!(creates_none(db));
    }

    async fn rows_are_found_in_the_order_of_their_identifiers(db: &Database) {
        parents(db).await;
        for_each_table!(finds_by_identifiers(db));
    }

    async fn a_deleted_row_is_gone_and_no_other(db: &Database) {
        parents(db).await;
        for_each_table!(deletes(db));
    }
}
