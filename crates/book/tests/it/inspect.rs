//! Detection of the kind of a database.

use tallybook::Statement;
use tallybook::book::{Inspection, inspect, migrator};
use tallybook::migrate::Target;
use tallybook_testkit::both_dialects;

use crate::catalog::catalog;
use crate::support::{book, open, rows, sql};

both_dialects! {
    async fn a_database_without_a_table_holds_nothing(url: &str) {
        let db = open(url).await;
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Nothing);
    }

    async fn a_book_that_was_rolled_back_is_nothing(url: &str) {
        let db = book(url).await;
        migrator(&db).force(true).downgrade(&Target::Base).await.unwrap();
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Nothing);
    }

    async fn a_book_is_known_at_any_revision_and_beside_other_tables(url: &str) {
        let db = open(url).await;
        migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Book);
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Book);
        sql(&db, "CREATE TABLE users (id integer PRIMARY KEY)").await;
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Book);
    }

    async fn the_tables_of_others_are_named(url: &str) {
        let db = open(url).await;
        sql(&db, "CREATE TABLE users (id integer PRIMARY KEY)").await;
        // Not a book, although one of its tables has the name.
        sql(&db, "CREATE TABLE trades (id integer PRIMARY KEY)").await;
        let named = vec!["trades".to_owned(), "users".to_owned()];
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Other(named));
    }

    async fn looking_changes_nothing(url: &str) {
        let db = open(url).await;
        let schema = async || catalog(&mut db.read().await.unwrap()).await;
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Nothing);
        assert_eq!(schema().await, Vec::<String>::new());

        sql(&db, "CREATE TABLE users (id integer PRIMARY KEY)").await;
        sql(&db, "INSERT INTO users (id) VALUES (7)").await;
        let before = schema().await;
        inspect(&db).await.unwrap();
        assert_eq!(schema().await, before);
        assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), "SELECT id FROM users").await, [(7,)]);
    }

    async fn a_book_of_a_newer_program_is_an_error_that_says_so(url: &str) {
        let db = book(url).await;
        sql(&db, Statement::new(
            "INSERT INTO tallybook_revisions (id, name, applied_at) VALUES ('9999', 'later', '2030-01-01 00:00:00')",
        ))
        .await;
        let error = inspect(&db).await.unwrap_err();
        assert!(error.database().unwrap().is_revision(), "{error}");
        assert!(error.to_string().contains("9999"), "{error}");
    }
}
