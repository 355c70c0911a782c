//! Several sets of revisions in one database, and tables that none of them created.

use tallybook::migrate::{Column, DEFAULT_HISTORY, Migrator, OtherHistory, Revision, Step, Target, Type};
use tallybook::{Database, Statement};
use tallybook_testkit::both_dialects;

use crate::support::{open, read, write};

const BOOKS: &[Column] = &[Column::new("id", Type::Id), Column::new("title", Type::Varchar(80)).null()];
const DESKS: &[Column] =
    &[Column::new("id", Type::Id), Column::new("book_id", Type::Integer).references("books")];

const BOOK: Revision = Revision::new("0001", "books", &[Step::table("books", BOOKS)]);
const TITLES: Revision =
    Revision::new("0002", "titles", &[Step::index("ix_books_title", "books", &["title"])]);
const DESK: Revision =
    Revision::new("0001", "desks", &[Step::table("desks", DESKS)]).needs(&[(DEFAULT_HISTORY, "0001")]);
const LAMP: Revision = Revision::new(
    "0002",
    "lamps",
    &[Step::sql("lamps", "CREATE TABLE lamps (id integer)", "DROP TABLE lamps")],
);

const MAINS: &[Revision] = &[BOOK, TITLES];
const OWN: &[Revision] = &[DESK, LAMP];

fn book(db: &Database) -> Migrator<'_> {
    Migrator::new(db, MAINS)
}

fn desk(db: &Database) -> Migrator<'_> {
    Migrator::named(db, "desk", OWN)
}

async fn tables(db: &Database) -> Vec<String> {
    let sql = Statement::per_dialect(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
         AND relname NOT LIKE 'tallybook_%' ORDER BY 1",
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'tallybook_%' ORDER BY 1",
    );
    read::<(String,)>(db, sql).await.into_iter().map(|(name,)| name).collect()
}

async fn message<T: std::fmt::Debug>(outcome: impl Future<Output = tallybook::Result<T>>) -> String {
    let error = outcome.await.unwrap_err();
    assert!(error.is_revision(), "{error}");
    error.to_string()
}

fn names(others: &[OtherHistory]) -> Vec<(&str, usize, Option<&str>)> {
    others.iter().map(|other| (&*other.name, other.applied, other.latest.as_deref())).collect()
}

both_dialects! {
    async fn two_histories_go_up_and_down_independently_with_the_same_identifiers(url: &str) {
        let db = open(url).await;
        book(&db).upgrade(&Target::Steps(1)).await.unwrap();
        desk(&db).upgrade(&Target::Head).await.unwrap();
        // The first set in the list has its next revision after the other's last.
        book(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(book(&db).current().await.unwrap(), Some("0002"));
        assert_eq!(desk(&db).current().await.unwrap(), Some("0002"));
        assert_eq!(names(&book(&db).others().await.unwrap()), [("desk", 2, Some("0002"))]);
        assert_eq!(names(&desk(&db).others().await.unwrap()), [(DEFAULT_HISTORY, 2, Some("0002"))]);
        assert_eq!(book(&db).check().await.unwrap(), []);
        assert_eq!(desk(&db).check().await.unwrap(), []);

        desk(&db).downgrade(&Target::Steps(-1)).await.unwrap();
        book(&db).downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(tables(&db).await, ["books", "desks"]);
        assert_eq!(book(&db).history().await.unwrap().len(), 2);
        desk(&db).downgrade(&Target::Base).await.unwrap();
        assert_eq!(tables(&db).await, ["books"]);
        assert_eq!(names(&book(&db).others().await.unwrap()), []);
    }

    async fn what_an_older_program_reads_is_no_revision_of_its_own(url: &str) {
        let db = open(url).await;
        book(&db).upgrade(&Target::Steps(1)).await.unwrap();
        desk(&db).upgrade(&Target::Steps(1)).await.unwrap();
        let ids = read::<(String,)>(&db, "SELECT id FROM tallybook_revisions ORDER BY id").await;
        assert_eq!(ids, [("0001".to_owned(),), ("desk/0001".to_owned(),)]);
        let ids = read::<(String,)>(&db, "SELECT DISTINCT revision FROM tallybook_steps ORDER BY 1").await;
        assert_eq!(ids, [("0001".to_owned(),), ("desk/0001".to_owned(),)]);
    }

    async fn what_another_history_needs_is_not_taken_back(url: &str) {
        let db = open(url).await;
        book(&db).upgrade(&Target::Head).await.unwrap();
        desk(&db).upgrade(&Target::Head).await.unwrap();
        let error = message(book(&db).force(true).downgrade(&Target::Base)).await;
        assert!(error.contains("revision 0001 (books) can't be taken back: the history desk needs it for 0001"), "{error}");
        assert_eq!(book(&db).current().await.unwrap(), Some("0002"), "nothing was changed");
        book(&db).downgrade(&Target::Steps(-1)).await.unwrap();
        desk(&db).downgrade(&Target::Base).await.unwrap();
        book(&db).downgrade(&Target::Base).await.unwrap();
        assert_eq!(tables(&db).await, [""; 0]);
    }

    async fn a_revision_waits_for_what_it_needs(url: &str) {
        let db = open(url).await;
        for error in [message(desk(&db).upgrade(&Target::Head)).await, message(desk(&db).plan(&Target::Head)).await] {
            assert!(error.contains("needs revision 0001 of the history main, which is not applied"), "{error}");
            assert!(error.contains("tallybook migrate upgrade 0001"), "{error}");
        }
        assert_eq!(tables(&db).await, [""; 0]);
        book(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(desk(&db).upgrade(&Target::Head).await.unwrap().len(), 2);
    }

    async fn a_table_that_another_history_made_is_not_taken_over(url: &str) {
        const TWICE: &[Revision] = &[Revision::new("0001", "books too", &[Step::table("books", BOOKS)])];
        let db = open(url).await;
        book(&db).upgrade(&Target::Head).await.unwrap();
        let twice = Migrator::named(&db, "shelf", TWICE);
        let error = message(twice.upgrade(&Target::Head)).await;
        assert!(error.contains("the table books is there already"), "{error}");
        assert!(error.contains("Revision 0001 of the history main created books"), "{error}");
        assert_eq!(twice.current().await.unwrap(), None);
        assert_eq!(twice.unrecorded().await.unwrap(), ["books"]);
    }

    async fn a_table_that_nobody_recorded_is_not_taken_over_and_nothing_is_left_behind(url: &str) {
        let db = open(url).await;
        write(&db, "CREATE TABLE books (id integer NOT NULL PRIMARY KEY, title varchar(80))").await;
        write(&db, "INSERT INTO books (id, title) VALUES (1, 'one')").await;
        for error in [message(book(&db).upgrade(&Target::Head)).await, message(book(&db).plan(&Target::Head)).await] {
            assert!(error.contains("the table books is there already, but no record says that revision 0001"), "{error}");
            assert!(error.contains("`tallybook migrate adopt`"), "{error}");
        }
        let error = message(book(&db).check()).await;
        assert!(error.starts_with("nothing was checked: no revision is recorded"), "{error}");
        assert!(error.contains("next: tallybook migrate adopt --dry-run"), "{error}");
        let left = Statement::per_dialect(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'tallybook_%'",
            "SELECT count(*) FROM sqlite_master WHERE name LIKE 'tallybook_%'",
        );
        assert_eq!(read::<(i64,)>(&db, left).await, [(0,)]);
        assert_eq!(read::<(i64,)>(&db, "SELECT id FROM books").await, [(1,)]);
    }

    async fn a_check_of_an_empty_database_says_that_it_checked_nothing(url: &str) {
        let db = open(url).await;
        let error = message(book(&db).check()).await;
        assert_eq!(error, "nothing was checked: no revision is recorded in this database; next: tallybook migrate upgrade");
    }

    async fn a_table_that_is_dropped_and_created_again_by_later_revisions_is_no_strangers(url: &str) {
        const AGAIN: &[Revision] = &[
            BOOK,
            Revision::new("0002", "no books", &[Step::table("books", BOOKS).dropped()]),
            Revision::new("0003", "books again", &[Step::table("books", BOOKS)]),
        ];
        let db = open(url).await;
        let migrator = Migrator::new(&db, AGAIN);
        for target in ["0001", "0003"] {
            migrator.upgrade(&target.parse().unwrap()).await.unwrap();
            assert_eq!(tables(&db).await, ["books"]);
        }
    }

    async fn revisions_of_ones_own_behind_the_books_are_carried_over(url: &str) {
        const BEHIND: Revision = Revision::new("0003", "desks", &[Step::table("desks", DESKS)]);
        let db = open(url).await;
        Migrator::new(&db, &[BOOK, TITLES, BEHIND]).upgrade(&Target::Head).await.unwrap();
        write(&db, "INSERT INTO books (id) VALUES (1)").await;
        write(&db, "INSERT INTO desks (id, book_id) VALUES (7, 1)").await;
        let error = message(book(&db).current()).await;
        assert!(error.contains("revision \"0003\"") && error.contains("Migrator::carry_over"), "{error}");

        const MOVED: &[Revision] = &[BEHIND.needs(&[(DEFAULT_HISTORY, "0001")])];
        let moved = Migrator::named(&db, "desk", MOVED);
        let error = message(moved.upgrade(&Target::Head)).await;
        assert!(error.contains("Revision 0003 of the history main created desks"), "{error}");
        assert_eq!(moved.carry_over().await.unwrap(), ["0003"]);
        assert_eq!(moved.carry_over().await.unwrap(), [""; 0]);
        assert_eq!(moved.upgrade(&Target::Head).await.unwrap(), []);
        assert_eq!(book(&db).current().await.unwrap(), Some("0002"));
        assert_eq!(names(&book(&db).others().await.unwrap()), [("desk", 1, Some("0003"))]);
        assert_eq!(moved.check().await.unwrap(), []);
        assert_eq!(read::<(i64,)>(&db, "SELECT id FROM desks").await, [(7,)]);
        let error = message(book(&db).force(true).downgrade(&Target::Base)).await;
        assert!(error.contains("the history desk needs it for 0003"), "{error}");
    }

    async fn a_database_that_was_ones_own_can_get_the_book(url: &str) {
        const ALONE: &[Revision] = &[Revision::new("0001", "own", &[Step::table("own", BOOKS)]), LAMP];
        let db = open(url).await;
        Migrator::new(&db, ALONE).upgrade(&Target::Head).await.unwrap();
        message(book(&db).upgrade(&Target::Head)).await;
        assert_eq!(Migrator::named(&db, "own", ALONE).carry_over().await.unwrap(), ["0001", "0002"]);
        book(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(tables(&db).await, ["books", "lamps", "own"]);
        assert_eq!(Migrator::named(&db, "own", ALONE).current().await.unwrap(), Some("0002"));
    }

    async fn another_text_or_name_is_not_carried_over(url: &str) {
        const OTHER: &[Revision] = &[Revision::new("0001", "books", &[Step::table("books", DESKS)])];
        const RENAMED: &[Revision] = &[Revision::new("0001", "shelves", &[Step::table("books", BOOKS)])];
        let db = open(url).await;
        book(&db).upgrade(&Target::Head).await.unwrap();
        for revisions in [OTHER, RENAMED] {
            assert_eq!(Migrator::named(&db, "desk", revisions).carry_over().await.unwrap(), [""; 0]);
        }
        // Removing one from the middle would leave a gap.
        let error = message(Migrator::named(&db, "desk", &[DESK, TITLES]).carry_over()).await;
        assert!(error.contains("\"0002\" is applied but \"0001\" before it is not"), "{error}");
        assert_eq!(book(&db).current().await.unwrap(), Some("0002"));
    }

    async fn a_name_or_identifier_that_can_not_be_stored_is_refused(url: &str) {
        let db = open(url).await;
        for name in ["", "Desk", "a/b", "a b", "é"] {
            let error = message(Migrator::named(&db, name, OWN).current()).await;
            assert!(error.contains("is not a valid name of a history"), "{error}");
        }
        let long = Box::leak("9".repeat(60).into_boxed_str());
        let named = |id: &'static str| [Revision::new(id, "x", &[])];
        for (revisions, problem) in [
            (named(""), "is empty"),
            (named("2024/01"), "contains a slash"),
            (named(long), "is longer than 64 characters"),
        ] {
            let error = message(Migrator::named(&db, "desk", &revisions).upgrade(&Target::Head)).await;
            assert!(error.contains(problem), "{error}");
        }
        Migrator::new(&db, &named(long)).upgrade(&Target::Head).await.unwrap();
        let error = message(Migrator::new(&db, &[BOOK, BOOK]).current()).await;
        assert!(error.contains("\"0001\" occurs twice"), "{error}");
    }
}
