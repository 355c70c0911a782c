//! Typed steps and SQL files: what they refuse, keep and record.

use tallybook::migrate::{Column, Key, Migrator, Progress, Revision, Step, Target, Type};
use tallybook::{Database, Dialect};
use tallybook_testkit::{SqliteFile, both_dialects, postgres};

use crate::support::{open, read, write};

const NOTES: Revision = Revision::new(
    "0001",
    "notes",
    &[
        Step::table(
            "authors",
            &[Column::new("id", Type::Id), Column::new("name", Type::Varchar(40)).unique()],
        ),
        Step::table("notes", &[Column::new("id", Type::Id), Column::new("title", Type::Text).null()]),
        Step::index("ix_notes_title", "notes", &["title"]),
    ],
);

const AUTHOR: Column = Column::new("author", Type::Integer).null().key("fk_notes_author", "authors");

const AUTHORS: Revision = Revision::new(
    "0002",
    "authors of notes",
    &[
        Step::column("notes", AUTHOR),
        Step::validate("notes", "fk_notes_author"),
        Step::index("ix_notes_author", "notes", &["author"]),
    ],
);

const ALL: &[Revision] = &[NOTES, AUTHORS];

async fn upgraded(url: &str) -> Database {
    let db = open(url).await;
    Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap();
    db
}

async fn message<T: std::fmt::Debug>(outcome: impl Future<Output = tallybook::Result<T>>) -> String {
    outcome.await.unwrap_err().to_string()
}

both_dialects! {
    async fn going_back_refuses_to_lose_data_and_says_how_much(url: &str) {
        let db = upgraded(url).await;
        write(&db, "INSERT INTO authors (id, name) VALUES (1, 'ada')").await;
        write(&db, "INSERT INTO notes (id, author) VALUES (1, 1), (2, NULL), (3, 1)").await;
        let migrator = Migrator::new(&db, ALL);
        let error = message(migrator.downgrade(&Target::Steps(-1))).await;
        assert!(error.contains("column notes.author holds 2 values"), "{error}");
        let error = message(migrator.downgrade(&Target::Base)).await;
        assert!(error.contains("table notes holds 3 rows") && error.contains("table authors holds 1 row"), "{error}");
        assert_eq!(migrator.current().await.unwrap(), Some("0002"), "nothing was changed");
        migrator.clone().force(true).downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM notes").await, [(3,)]);
    }

    async fn a_column_without_values_goes_without_force(url: &str) {
        let db = upgraded(url).await;
        write(&db, "INSERT INTO notes (id) VALUES (1)").await;
        Migrator::new(&db, ALL).downgrade(&Target::Steps(-1)).await.unwrap();
    }

    async fn drift_is_reported_part_by_part(url: &str) {
        let db = upgraded(url).await;
        let migrator = Migrator::new(&db, ALL);
        assert_eq!(migrator.check().await.unwrap(), []);
        write(&db, "DROP INDEX ix_notes_author").await;
        write(&db, "ALTER TABLE notes ADD COLUMN colour text").await;
        let message: Vec<_> = migrator.check().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(message[0], "notes, index ix_notes_author: expected CREATE INDEX ix_notes_author ON notes (author), found nothing");
        assert!(message[1].starts_with("notes, column colour: expected nothing, found"), "{message:?}");
        let blocking = migrator.check().await.unwrap().iter().filter(|one| one.is_blocking()).count();
        assert_eq!(blocking, 1, "a column that may be empty harms nobody");
    }

    async fn a_plan_names_the_sql_and_the_locks_and_changes_nothing(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        let plan = migrator.plan(&Target::Head).await.unwrap();
        assert_eq!(plan.len(), 1);
        let index = plan[0].steps.last().unwrap();
        let (sql, lock) = match db.dialect() {
            Dialect::Postgres => ("CREATE INDEX CONCURRENTLY ix_notes_author ON notes (author)", "SHARE UPDATE EXCLUSIVE on notes"),
            Dialect::Sqlite => ("CREATE INDEX ix_notes_author ON notes (author)", "the file's write lock"),
        };
        assert_eq!(index.up.sql, [sql]);
        assert!(index.up.lock.starts_with(lock) && index.up.scans && !index.done, "{index:?}");
        assert_eq!(plan[0].steps[0].back.loses.as_deref(), Some("the values of notes.author"));
        assert_eq!(migrator.current().await.unwrap(), Some("0001"));
    }

    async fn a_plan_of_a_key_uses_the_sql_of_its_dialect(url: &str) {
        const NAMED: Key = Key::new("fk_notes_writer", "authors");
        const STEPS: &[Step] = &[
            Step::column("notes", Column::new("writer", Type::Integer).null()),
            Step::key("notes", "writer", NAMED),
        ];
        let all = [NOTES, Revision::new("0002", "writers", STEPS)];
        let db = open(url).await;
        let migrator = Migrator::new(&db, &all);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        write(&db, "ALTER TABLE notes ADD COLUMN writer integer").await;
        let plan = migrator.plan(&Target::Head).await.unwrap();
        let key = &plan[0].steps[1];
        match db.dialect() {
            Dialect::Postgres => {
                assert_eq!(key.up.sql, ["ALTER TABLE notes ADD CONSTRAINT fk_notes_writer FOREIGN KEY (writer) REFERENCES authors (id) NOT VALID"]);
                assert_eq!(key.back.sql, ["ALTER TABLE notes DROP CONSTRAINT fk_notes_writer"]);
            }
            Dialect::Sqlite => {
                let create = |key: &str| format!(
                    "CREATE TABLE tallybook_new_table (\n\tid INTEGER NOT NULL PRIMARY KEY,\n\ttitle TEXT,\n\twriter integer{key}\n) "
                );
                let others = [
                    "INSERT INTO tallybook_new_table (\"id\", \"title\", \"writer\") SELECT \"id\", \"title\", \"writer\" FROM notes",
                    "DROP TABLE notes",
                    "ALTER TABLE tallybook_new_table RENAME TO notes",
                    "CREATE INDEX ix_notes_title ON notes (title)",
                ];
                assert_eq!(key.up.sql[0], create(" CONSTRAINT fk_notes_writer REFERENCES authors (id)"));
                assert_eq!(key.back.sql[0], create(""));
                assert_eq!((&key.up.sql[1..], &key.back.sql[1..]), (&others.map(str::to_owned)[..], &others.map(str::to_owned)[..]));
            }
        }
        // The plan is what runs, and SQLite accepts it.
        let planned = key.up.sql.clone();
        migrator.upgrade(&Target::Head).await.unwrap();
        if db.dialect() == Dialect::Sqlite {
            let [(sql,)] = &read::<(String,)>(&db, "SELECT sql FROM sqlite_master WHERE name = 'notes'").await[..] else { panic!() };
            let items = |sql: &str| sql.split_once('(').unwrap().1.trim_end().to_owned();
            assert_eq!(items(sql), items(&planned[0]));
        }
    }

    async fn a_changed_downgrade_is_reported_and_can_be_accepted(url: &str) {
        let db = open(url).await;
        let step = |back| Revision::from_sql("0001_stars.up.sql", "CREATE TABLE stars (note integer)", back).unwrap();
        let first = [step(Some("DROP TABLE stars"))];
        Migrator::new(&db, &first).upgrade(&Target::Head).await.unwrap();
        assert_eq!(Migrator::new(&db, &[step(Some("DROP TABLE stars -- all of them"))]).upgrade(&Target::Head).await.unwrap(), []);
        for changed in [[step(Some("DROP TABLE moons"))], [step(None)]] {
            let error = message(Migrator::new(&db, &changed).upgrade(&Target::Head)).await;
            let way_back = "the downgrade of step 1 (\"stars\") was edited; its upgrade was not";
            assert!(error.contains(way_back) && error.contains("`migrate repair 0001`"), "{error}");
        }
        let changed = [step(Some("DROP TABLE IF EXISTS stars"))];
        assert_eq!(Migrator::new(&db, &changed).repair("0001").await.unwrap(), ["stars"]);
        assert_eq!(Migrator::new(&db, &changed).upgrade(&Target::Head).await.unwrap(), []);
        assert!(message(Migrator::new(&db, &first).upgrade(&Target::Head)).await.contains("the downgrade of step 1"));
        // A changed upgrade is reported, whatever happened to the downgrade.
        let other = [Revision::from_sql("0001_stars.up.sql", "CREATE TABLE stars (note bigint)", None).unwrap()];
        assert!(message(Migrator::new(&db, &other).upgrade(&Target::Head)).await.contains("step 1 (\"stars\") was edited"));
    }

    async fn what_was_recorded_before_the_way_back_counted_still_fits(url: &str) {
        let db = open(url).await;
        let step = |up, back| [Revision::from_sql("0001_stars.up.sql", up, Some(back)).unwrap()];
        let (up, back) = ("CREATE TABLE stars (note integer)", "DROP TABLE stars");
        Migrator::new(&db, &step(up, back)).upgrade(&Target::Head).await.unwrap();
        // As the previous version recorded it.
        write(&db, "UPDATE tallybook_steps SET checksum = 'e20f5e96fc569108'").await;
        assert_eq!(Migrator::new(&db, &step(up, back)).upgrade(&Target::Head).await.unwrap(), []);
        assert_eq!(Migrator::new(&db, &step(up, "DROP TABLE moons")).upgrade(&Target::Head).await.unwrap(), [], "it is not known");
        let other = step("CREATE TABLE stars (note bigint)", back);
        assert!(message(Migrator::new(&db, &other).upgrade(&Target::Head)).await.contains("was edited"));
    }

    async fn a_revision_from_files_goes_up_and_down_and_may_change_its_comments(url: &str) {
        let db = open(url).await;
        let down = Some("DROP TABLE stars;");
        let file = |up| Revision::from_sql("0001_the_stars.up.sql", up, down).unwrap();
        let first = [file("-- the stars\nCREATE TABLE stars (note integer);\nCREATE INDEX ix_stars ON stars (note);\n")];
        Migrator::new(&db, &first).upgrade(&Target::Head).await.unwrap();
        let same = [file("CREATE TABLE stars (note integer);\r\n\r\nCREATE INDEX ix_stars /* fast */ ON stars (note);")];
        assert_eq!(Migrator::new(&db, &same).upgrade(&Target::Head).await.unwrap(), []);

        let changed = [file("CREATE TABLE stars (note bigint); CREATE INDEX ix_stars ON stars (note);")];
        let migrator = Migrator::new(&db, &changed);
        let error = message(migrator.upgrade(&Target::Head)).await;
        assert!(error.contains("was changed after it was applied") && error.contains("migrate repair 0001"), "{error}");
        assert_eq!(migrator.repair("0001").await.unwrap(), ["the_stars"]);
        assert_eq!(read::<(String,)>(&db, "SELECT kind FROM tallybook_events").await, [("repair".to_owned(),)]);
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap(), []);
        migrator.downgrade(&Target::Base).await.unwrap();
    }

    async fn a_file_that_says_so_runs_outside_of_a_transaction(url: &str) {
        let db = upgraded(url).await;
        let up = match db.dialect() {
            Dialect::Postgres => "-- tallybook: no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS ix_a ON notes (id);\nVACUUM;",
            Dialect::Sqlite => "-- tallybook: no transaction\nCREATE INDEX IF NOT EXISTS ix_a ON notes (id);\nVACUUM;",
        };
        let down = "-- tallybook: no transaction\nDROP INDEX ix_a;";
        let all = [NOTES, AUTHORS, Revision::from_sql("0003_index.up.sql", up, Some(down)).unwrap()];
        Migrator::new(&db, &all).upgrade(&Target::Head).await.unwrap();
        Migrator::new(&db, &all).downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(Migrator::new(&db, &all).current().await.unwrap(), Some("0002"));
    }

    async fn what_has_no_way_back_says_so_before_anything_happens(url: &str) {
        let db = open(url).await;
        let all = [NOTES, Revision::from_sql("0002_x.up.sql", "CREATE TABLE x (id integer)", None).unwrap()];
        Migrator::new(&db, &all).upgrade(&Target::Head).await.unwrap();
        let error = message(Migrator::new(&db, &all).downgrade(&Target::Base)).await;
        assert!(error.contains("can't be taken back"), "{error}");
        assert_eq!(Migrator::new(&db, &all).current().await.unwrap(), Some("0002"));
    }

    async fn history_that_was_edited_by_hand_stops_everything(url: &str) {
        let db = upgraded(url).await;
        write(&db, "UPDATE tallybook_steps SET state = 'perhaps' WHERE revision = '0002' AND step = 1").await;
        let error = message(Migrator::new(&db, ALL).upgrade(&Target::Head)).await;
        assert!(error.contains("the state \"perhaps\""), "{error}");
        write(&db, "UPDATE tallybook_steps SET state = 'done', step = 9 WHERE revision = '0002' AND step = 1").await;
        let error = message(Migrator::new(&db, ALL).upgrade(&Target::Head)).await;
        assert!(error.contains("records step 9"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_table_keeps_everything_that_belongs_to_it() {
    let file = SqliteFile::new("made_anew");
    let db = open(&file.url()).await;
    Migrator::new(&db, ALL).upgrade(&Target::Steps(1)).await.unwrap();
    for sql in [
        "DROP TABLE notes",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, title TEXT, \"author\" INTEGER, colour TEXT, -- more\n \
         CONSTRAINT fk_notes_author FOREIGN KEY(author) REFERENCES authors (id))",
        "CREATE INDEX ix_notes_title ON notes (title)",
        "CREATE INDEX ix_notes_colour ON notes (colour) WHERE colour IS NOT NULL",
        "CREATE TABLE log (note integer REFERENCES notes (id) ON DELETE CASCADE)",
        "CREATE TRIGGER noted AFTER INSERT ON notes BEGIN INSERT INTO log VALUES (new.id); END",
        "CREATE VIEW titles AS SELECT id, title FROM notes",
        "INSERT INTO notes (id, title) VALUES (7, 'seven'), (9, 'nine')",
        "DELETE FROM notes WHERE id = 9",
    ] {
        write(&db, sql).await;
    }
    let migrator = Migrator::new(&db, ALL);
    migrator.upgrade(&Target::Head).await.unwrap();
    let rest = "SELECT type || ' ' || name FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY 1";
    migrator.downgrade(&Target::Steps(-1)).await.unwrap();
    let names: Vec<_> = read::<(String,)>(&db, rest).await.into_iter().map(|(name,)| name).collect();
    for kept in ["index ix_notes_title", "index ix_notes_colour", "trigger noted", "view titles"] {
        assert!(names.iter().any(|name| name == kept), "{kept} is gone: {names:?}");
    }
    assert_eq!(read::<(i64, String)>(&db, "SELECT id, title FROM titles").await, [(7, "seven".to_owned())]);
    assert_eq!(read::<(i64,)>(&db, "SELECT note FROM log").await, [(7,)], "no child was deleted");
    write(&db, "INSERT INTO notes (title) VALUES ('ten')").await;
    assert_eq!(
        read::<(i64,)>(&db, "SELECT max(id) FROM notes").await,
        [(10,)],
        "no identifier is given twice"
    );
    assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM pragma_foreign_key_check").await, [(0,)]);
    assert_eq!(read::<(String,)>(&db, "SELECT \"from\" FROM pragma_foreign_key_list('notes')").await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_view_of_others_does_not_stop_the_way_back() {
    let file = SqliteFile::new("broken_view");
    let db = upgraded(&file.url()).await;
    write(&db, "CREATE VIEW broken AS SELECT lost FROM nowhere").await;
    Migrator::new(&db, ALL).downgrade(&Target::Steps(-1)).await.unwrap();
    assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM pragma_table_info('notes')").await, [(2,)]);
    assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM sqlite_master WHERE name = 'broken'").await, [(1,)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_its_own_is_added_and_taken_back() {
    const KEY: &[Revision] = &[
        NOTES,
        Revision::new("0002", "bare", &[Step::column("notes", Column::new("author", Type::Integer).null())]),
        Revision::new("0003", "key", &[Step::key("notes", "author", Key::new("fk_notes_author", "authors"))]),
    ];
    let (file, database) = (SqliteFile::new("key"), postgres().await.database("key").await);
    for url in [file.url(), database.url().to_owned()] {
        let db = open(&url).await;
        let migrator = Migrator::new(&db, KEY);
        migrator.upgrade(&Target::Head).await.unwrap();
        let refused = "INSERT INTO notes (id, author) VALUES (1, 5)";
        assert!(crate::support::try_write(&db, refused).await.unwrap_err().is_foreign_key_violation());
        migrator.downgrade(&Target::Steps(-1)).await.unwrap();
        write(&db, refused).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partitioned_parent_is_refused_with_what_to_do() {
    let database = postgres().await.database("a_partitioned_parent").await;
    let db = open(database.url()).await;
    write(&db, "CREATE TABLE notes (id integer, author integer) PARTITION BY RANGE (id)").await;
    const ONLINE: &[Revision] =
        &[Revision::new("0001", "online", &[Step::index("ix_notes_author", "notes", &["author"])])];
    let error = message(Migrator::new(&db, ONLINE).upgrade(&Target::Head)).await;
    assert!(error.contains("notes is partitioned") && error.contains("ATTACH PARTITION"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_permission_changes_nothing() {
    let database = postgres().await.database("no_permission").await;
    let db = open(database.url()).await;
    write(&db, "DO $$ BEGIN CREATE ROLE reader_of_notes; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        .await;
    write(&db, "REVOKE CREATE ON SCHEMA public FROM public").await;
    let url = format!("{}?options=-crole%3Dreader_of_notes", database.url());
    let reader = open(&url).await;
    let error = message(Migrator::new(&reader, ALL).upgrade(&Target::Head)).await;
    assert!(error.contains("GRANT CREATE ON SCHEMA public TO reader_of_notes;"), "{error}");
    assert_eq!(
        read::<(i64,)>(&db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await,
        [(0,)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_became_read_only_is_left_as_it_is() {
    let file = SqliteFile::new("read_only");
    let db = upgraded(&file.url()).await;
    db.close().await;
    let mut permissions = std::fs::metadata(file.path()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(file.path(), permissions).unwrap();
    let settings = tallybook::Settings::new(&file.url()).unwrap();
    let error = Database::open(settings).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_reported_step_by_step() {
    let file = SqliteFile::new("progress");
    let db = open(&file.url()).await;
    let (send, heard) = std::sync::mpsc::channel();
    let migrator = Migrator::new(&db, ALL).on_progress(move |progress| {
        if let Progress::Done { place, already, .. } = progress {
            send.send((place.revision, place.step, place.of, *already)).unwrap();
        }
    });
    migrator.upgrade(&Target::Head).await.unwrap();
    drop(migrator);
    let heard: Vec<_> = heard.iter().collect();
    assert_eq!(
        heard,
        [
            ("0001", 1, 3, false),
            ("0001", 2, 3, false),
            ("0001", 3, 3, false),
            ("0002", 1, 3, false),
            ("0002", 2, 3, true),
            ("0002", 3, 3, false)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_distinguished_from_its_primary() {
    let cluster = tokio::task::spawn_blocking(|| {
        let cluster = tallybook_testkit::Cluster::start().unwrap();
        cluster.restart_as_standby().unwrap();
        cluster
    })
    .await
    .unwrap();
    let db = open(&cluster.url("postgres")).await;
    let error = Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap_err();
    assert!(error.is_read_only(), "{error}");
    assert_eq!(Migrator::new(&db, ALL).current().await.unwrap(), None);
}
