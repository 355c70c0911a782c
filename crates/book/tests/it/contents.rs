//! Whose database it is.

use tallybook::engine::Statement;
use tallybook::engine::migrate::Goal;
use tallybook::{Contents, contents, migrator};
use tallybook_testkit::both_engines;

use crate::catalog::catalog;
use crate::support::{book, open, rows, sql};

both_engines! {
    async fn a_database_without_a_table_holds_nothing(url: &str) {
        let db = open(url).await;
        assert_eq!(contents(&db).await.unwrap(), Contents::Nothing);
    }

    async fn a_book_that_was_rolled_back_is_nothing(url: &str) {
        let db = book(url).await;
        migrator(&db).force(true).downgrade(&Goal::Base).await.unwrap();
        assert_eq!(contents(&db).await.unwrap(), Contents::Nothing);
    }

    async fn a_book_is_known_at_any_revision_and_beside_other_tables(url: &str) {
        let db = open(url).await;
        migrator(&db).upgrade(&Goal::Steps(1)).await.unwrap();
        assert_eq!(contents(&db).await.unwrap(), Contents::Book);
        migrator(&db).upgrade(&Goal::Head).await.unwrap();
        assert_eq!(contents(&db).await.unwrap(), Contents::Book);
        sql(&db, "CREATE TABLE users (id integer PRIMARY KEY)").await;
        assert_eq!(contents(&db).await.unwrap(), Contents::Book);
    }

    async fn the_tables_of_others_are_named(url: &str) {
        let db = open(url).await;
        sql(&db, "CREATE TABLE users (id integer PRIMARY KEY)").await;
        // Not a book, though one of its tables has such a name.
        sql(&db, "CREATE TABLE trades (id integer PRIMARY KEY)").await;
        let named = vec!["trades".to_owned(), "users".to_owned()];
        assert_eq!(contents(&db).await.unwrap(), Contents::Other(named));
    }

    async fn looking_changes_nothing(url: &str) {
        let db = open(url).await;
        let schema = async || catalog(&mut db.read().await.unwrap()).await;
        assert_eq!(contents(&db).await.unwrap(), Contents::Nothing);
        assert_eq!(schema().await, Vec::<String>::new());

        sql(&db, "CREATE TABLE users (id integer PRIMARY KEY)").await;
        sql(&db, "INSERT INTO users (id) VALUES (7)").await;
        let before = schema().await;
        contents(&db).await.unwrap();
        assert_eq!(schema().await, before);
        assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), "SELECT id FROM users").await, [(7,)]);
    }

    async fn a_book_of_a_newer_program_is_an_error_that_says_so(url: &str) {
        let db = book(url).await;
        sql(&db, Statement::new(
            "INSERT INTO tallybook_revisions (id, name, applied_at) VALUES ('9999', 'later', '2030-01-01 00:00:00')",
        ))
        .await;
        let error = contents(&db).await.unwrap_err();
        assert!(error.engine().unwrap().is_revision(), "{error}");
        assert!(error.to_string().contains("9999"), "{error}");
    }
}
