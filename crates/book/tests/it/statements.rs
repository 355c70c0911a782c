//! Every statement of the book runs in both dialects, and every column fits its model.

use tallybook::Database;
use tallybook::book::{LimitOffset, Repository, Table};
use tallybook::{Dialect, Row, SqlType, Statement};

use crate::sample::{Sample, parents};
use crate::support::{fields, for_each_table, load, rows, time, write};
use crate::template_books::{EMPTY, on_copies};

const ALL: LimitOffset = LimitOffset::first(100);

/// With a fraction of a second, like most times.
fn moment() -> chrono::DateTime<chrono::Utc> {
    time(86_399) + chrono::TimeDelta::microseconds(999_999)
}

async fn keeps_every_field<T: Sample>(db: &Database) {
    for new in [T::full(1, moment()), T::bare(2)] {
        let created = write(db, async |session| Repository::<_, T>::new(session).create(&new).await).await;
        assert_eq!(fields(&created)[1..], fields(&new));
        let mut session = db.read().await.unwrap();
        let read = Repository::<_, T>::new(&mut session).get(created.id()).await.unwrap();
        assert_eq!(read, Some(created));
    }
}

async fn keeps_every_loaded_field<T: Sample>(db: &Database) {
    write(db, async |session| {
        let mut known = Repository::<_, T>::new(session).count().await?;
        load::<T>(session, [T::full(1, moment()), T::bare(2)]).await;
        let loaded = Repository::<_, T>::new(session).get_many(ALL).await?;
        for new in [T::full(1, moment()), T::bare(2)] {
            assert!(loaded.iter().any(|row| fields(row)[1..] == fields(&new)), "{}", T::NAME);
            known += 1;
        }
        assert_eq!(loaded.len() as u64, known);
        Ok(())
    })
    .await;
}

async fn creates_and_deletes<T: Sample>(db: &Database) {
    write(db, async |session| {
        let mut repository = Repository::<_, T>::new(session);
        let before = repository.count().await?;
        let created = repository.create_many(&[T::full(1, time(0)), T::bare(2)]).await?;
        let ids: Vec<_> = created.iter().map(T::id).collect();
        assert_eq!(repository.get_by_ids(&ids).await?, created);
        assert_eq!(repository.count().await?, before + 2);
        assert!(T::delete(&mut repository, ids[0]).await?);
        assert_eq!(repository.get_by_ids(&ids).await?, created[1..]);
        repository.sync_sequence().await
    })
    .await;
}

/// A column in the catalog: name, nullability, type, and maximum length.
type Found = (String, bool, String, Option<i64>);

fn columns_of<T: Table<Key = i64>>() -> Statement {
    let postgres = format!(
        "SELECT column_name::text, is_nullable = 'YES', data_type::text, character_maximum_length::bigint \
         FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '{}'",
        T::NAME
    );
    let sqlite = format!(
        "SELECT name, NOT \"notnull\", lower(type), \
           CASE WHEN type LIKE '%(%' THEN CAST(substr(type, instr(type, '(') + 1) AS INTEGER) END \
         FROM pragma_table_info('{}')",
        T::NAME
    );
    Statement::per_dialect(postgres.leak(), sqlite.leak())
}

fn type_of(kind: SqlType, max: Option<usize>, dialect: Dialect) -> String {
    let name = match (kind, max, dialect) {
        (SqlType::Int, ..) => "integer",
        (SqlType::Decimal, _, Dialect::Postgres) => "double precision",
        (SqlType::Decimal, _, Dialect::Sqlite) => "float",
        (SqlType::Timestamp, _, Dialect::Postgres) => "timestamp without time zone",
        (SqlType::Timestamp, _, Dialect::Sqlite) => "datetime",
        (SqlType::Text, None, _) => "text",
        (SqlType::Text, Some(_), Dialect::Postgres) => "character varying",
        (SqlType::Text, Some(max), Dialect::Sqlite) => return format!("varchar({max})"),
        (other, ..) => panic!("the book has no column of {other}"),
    };
    name.to_owned()
}

async fn agrees_with_the_catalog<T: Table<Key = i64>>(db: &Database) {
    let mut found = rows::<Found>(&mut db.read().await.unwrap(), columns_of::<T>()).await;
    found.sort();
    let mut expected: Vec<Found> = T::COLUMNS
        .iter()
        .map(|column| {
            let ty = type_of(column.sql_type, column.max, db.dialect());
            (column.name.to_owned(), column.nullable, ty, column.max.map(|max| max as i64))
        })
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    // The type that creates a row has the same columns without the identifier.
    assert_eq!(T::New::COLUMNS, &T::COLUMNS[1..]);
    assert_eq!(T::COLUMNS[0].name, "id");
}

on_copies! { of EMPTY:
    async fn every_field_comes_back_as_it_was_created(db: &Database) {
        parents(db).await;
        for_each_table!(keeps_every_field(db));
    }

    async fn every_field_comes_back_as_it_was_loaded(db: &Database) {
        parents(db).await;
        for_each_table!(keeps_every_loaded_field(db));
    }

    async fn the_columns_of_models_are_those_of_the_catalog(db: &Database) {
        for_each_table!(agrees_with_the_catalog(db));
    }

    async fn created_rows_are_counted_found_and_deleted(db: &Database) {
        parents(db).await;
        for_each_table!(creates_and_deletes(db));
    }
}
