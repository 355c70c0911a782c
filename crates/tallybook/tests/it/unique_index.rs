//! An index becomes unique where the rows allow it, and says which rows forbid it where not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tallybook::migrate::{Change, Column, Migrator, Progress, Revision, Step, Target, Type};
use tallybook::{Database, Dialect, Statement, execute, params};
use tallybook_testkit::{both_dialects, postgres};

use crate::support::{differences, eventually, open, read, try_write, write};

const INDEX: &str = "ix_notes_owner_title";
const KEYS: &[&str] = &["owner", "title"];
const NOTES: Revision = Revision::new(
    "0001",
    "notes",
    &[
        Step::table(
            "notes",
            &[
                Column::new("id", Type::Id),
                Column::new("owner", Type::Integer),
                Column::new("title", Type::Varchar(40)).null(),
            ],
        ),
        Step::index(INDEX, "notes", KEYS),
    ],
);
const UNIQUE: Revision =
    Revision::new("0002", "one title each", &[Step::unique_where_rows_allow(INDEX, "notes", KEYS)]);
const ALL: &[Revision] = &[NOTES, UNIQUE];

/// Creates the table with rows, each an owner and a title in SQL; they are numbered from 1.
async fn notes(url: &str, rows: &[(i64, &str)]) -> Database {
    let db = open(url).await;
    Migrator::new(&db, ALL).upgrade(&Target::Steps(1)).await.unwrap();
    for (id, (owner, title)) in (1..).zip(rows) {
        let insert = format!("INSERT INTO notes (id, owner, title) VALUES ({id}, {owner}, {title})");
        write(&db, Statement::from(insert)).await;
    }
    db
}

async fn upgrade(db: &Database) -> Vec<Change> {
    Migrator::new(db, ALL).upgrade(&Target::Head).await.unwrap()
}

async fn downgrade(db: &Database) {
    Migrator::new(db, ALL).downgrade(&Target::Steps(-1)).await.unwrap();
}

/// Returns the indexes of the table, as their definitions begin.
async fn indexes(db: &Database) -> Vec<String> {
    let query = Statement::per_dialect(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'notes' AND indexname <> 'notes_pkey' ORDER BY 1",
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'notes' ORDER BY 1",
    );
    let found = read::<(String,)>(db, query).await;
    found.into_iter().map(|(sql,)| sql.split(" ON ").next().unwrap_or_default().to_owned()).collect()
}

const PLAIN_INDEX: &str = "CREATE INDEX ix_notes_owner_title";
const UNIQUE_INDEX: &str = "CREATE UNIQUE INDEX ix_notes_owner_title";
const SAME: Statement = Statement::new("INSERT INTO notes (id, owner, title) VALUES (99, 1, 'a')");

/// Returns the groups that a change names, and the number of others.
fn named(changes: &[Change]) -> (Vec<String>, u64) {
    let [Change { not_unique, .. }] = changes else { panic!("{changes:?}") };
    let [rows] = &**not_unique else { panic!("{not_unique:?}") };
    (rows.groups.iter().map(ToString::to_string).collect(), rows.more)
}

both_dialects! {
    async fn an_index_becomes_unique_where_the_rows_allow_it(url: &str) {
        let db = notes(url, &[(1, "'a'"), (1, "'b'"), (2, "'a'"), (1, "NULL"), (1, "NULL")]).await;
        assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
        let changes = upgrade(&db).await;
        assert_eq!(changes[0].not_unique, []);
        assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
        assert!(try_write(&db, SAME).await.unwrap_err().is_unique_violation());
        assert_eq!(differences(&db, ALL).await, [""; 0]);
    }

    async fn rows_that_forbid_it_are_named_and_the_upgrade_goes_on(url: &str) {
        let db = notes(url, &[(1, "'a'"), (2, "'b'"), (1, "'a'"), (2, "'b'"), (2, "'c'"), (1, "'a'")]).await;
        let changes = upgrade(&db).await;
        assert_eq!(named(&changes), (vec!["1, 3, 6".to_owned(), "2, 4".to_owned()], 0));
        let rows = &changes[0].not_unique[0];
        assert_eq!((rows.index, rows.table, rows.columns), (INDEX, "notes", KEYS));
        let sql = match db.dialect() {
            Dialect::Postgres => {
                "\n  CREATE UNIQUE INDEX CONCURRENTLY ix_notes_owner_title_new ON notes (owner, title);\n  BEGIN;\n  \
                 DROP INDEX IF EXISTS ix_notes_owner_title;\n  \
                 ALTER INDEX ix_notes_owner_title_new RENAME TO ix_notes_owner_title;\n  COMMIT;"
            }
            Dialect::Sqlite => {
                "\n  DROP INDEX IF EXISTS ix_notes_owner_title;\n  \
                 CREATE UNIQUE INDEX ix_notes_owner_title ON notes (owner, title);"
            }
        };
        let text = "ix_notes_owner_title is not unique: rows of notes have the same owner, title. Their ids:\n  1, 3, 6\n  \
                    2, 4\nmerge the rows of each line into one, then make the index unique:";
        assert_eq!(rows.to_string(), format!("{text}{sql}"));
        assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
        assert_eq!(Migrator::new(&db, ALL).current().await.unwrap(), Some("0002"));
        assert_eq!(upgrade(&db).await, [], "it is not tried again");

        write(&db, "DELETE FROM notes WHERE id IN (3, 4, 6)").await;
        for sql in &rows.sql {
            if sql != "BEGIN" && sql != "COMMIT" {
                outside_of_a_transaction(&db, url, sql).await;
            }
        }
        assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
        assert_eq!(differences(&db, ALL).await, [""; 0]);
    }

    async fn a_check_notes_an_index_that_rows_did_not_allow_to_be_unique(url: &str) {
        let db = notes(url, &[(1, "'a'"), (1, "'a'")]).await;
        assert_eq!(differences(&db, ALL).await, [""; 0], "before the upgrade it is as it should be");
        upgrade(&db).await;
        let table = if db.dialect() == Dialect::Postgres { "public.notes USING btree" } else { "notes" };
        assert_eq!(
            differences(&db, ALL).await,
            [format!(
                "benign: notes, index ix_notes_owner_title: expected CREATE UNIQUE INDEX ix_notes_owner_title ON notes \
                 (owner, title), found CREATE INDEX ix_notes_owner_title ON {table} (owner, title) (not unique: rows \
                 forbid it, or did; merge them, then replace this index by the expected one)"
            )]
        );
        write(&db, "DROP INDEX ix_notes_owner_title").await;
        let found = differences(&db, ALL).await;
        assert!(found.len() == 1 && found[0].starts_with("blocks: notes, index ix_notes_owner_title"), "{found:?}");
    }

    async fn ten_groups_of_ten_rows_are_named_and_the_others_are_counted(url: &str) {
        let rows: Vec<_> = (0..24).map(|number| (number / 2, "'a'")).chain([(0, "'a'"); 12]).collect();
        let db = notes(url, &rows).await;
        let (groups, more) = named(&upgrade(&db).await);
        assert_eq!(groups[0], "1, 2, 25, 26, 27, 28, 29, 30, 31, 32 and 4 more");
        assert_eq!(groups[1..], (1..10).map(|group| format!("{}, {}", 2 * group + 1, 2 * group + 2)).collect::<Vec<_>>());
        assert_eq!(more, 2);
    }

    async fn the_way_back_is_the_plain_index_again(url: &str) {
        let db = notes(url, &[(1, "'a'")]).await;
        upgrade(&db).await;
        downgrade(&db).await;
        assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
        assert_eq!(differences(&db, ALL).await, [""; 0]);
        write(&db, SAME).await;
        assert_eq!(named(&upgrade(&db).await).0, ["1, 99"]);
        downgrade(&db).await;
        assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
        write(&db, "DELETE FROM notes WHERE id = 99").await;
        assert_eq!(upgrade(&db).await[0].not_unique, []);
        assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
    }

    async fn an_index_that_somebody_dropped_is_made_in_the_form_that_the_rows_allow(url: &str) {
        let db = notes(url, &[(1, "'a'"), (1, "'a'")]).await;
        write(&db, "DROP INDEX ix_notes_owner_title").await;
        assert_eq!(named(&upgrade(&db).await).0, ["1, 2"]);
        assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
        downgrade(&db).await;
        write(&db, "DELETE FROM notes WHERE id = 2").await;
        write(&db, "DROP INDEX ix_notes_owner_title").await;
        upgrade(&db).await;
        assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
    }

    async fn an_index_of_that_name_and_another_definition_is_left_alone(url: &str) {
        let db = notes(url, &[]).await;
        write(&db, "DROP INDEX ix_notes_owner_title").await;
        write(&db, "CREATE INDEX ix_notes_owner_title ON notes (title)").await;
        let error = Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap_err().to_string();
        assert!(error.contains("\"make unique ix_notes_owner_title\" found something else in its place"), "{error}");
        assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
    }

    async fn an_index_that_is_unique_already_is_left_alone(url: &str) {
        let db = notes(url, &[(1, "'a'")]).await;
        write(&db, "DROP INDEX ix_notes_owner_title").await;
        write(&db, "CREATE UNIQUE INDEX ix_notes_owner_title ON notes (owner, title)").await;
        let found = differences(&db, ALL).await;
        assert!(found.len() == 1 && found[0].starts_with("benign: notes, index ix_notes_owner_title"), "{found:?}");
        assert!(Migrator::new(&db, ALL).plan(&Target::Head).await.unwrap()[0].steps[0].done);
        upgrade(&db).await;
        assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
    }

    async fn a_plan_shows_both_ways(url: &str) {
        let db = notes(url, &[(1, "'a'"), (1, "'a'")]).await;
        let plan = Migrator::new(&db, ALL).plan(&Target::Head).await.unwrap();
        let step = &plan[0].steps[0];
        assert_eq!((&*step.what, step.done, step.up.scans), ("make unique ix_notes_owner_title", false, true));
        let swap = [
            "BEGIN",
            "DROP INDEX IF EXISTS ix_notes_owner_title",
            "ALTER INDEX ix_notes_owner_title_new RENAME TO ix_notes_owner_title",
            "COMMIT",
        ];
        let (up, back) = match db.dialect() {
            Dialect::Postgres => (
                [&["CREATE UNIQUE INDEX CONCURRENTLY ix_notes_owner_title_new ON notes (owner, title)"], &swap[..]].concat(),
                [&["CREATE INDEX CONCURRENTLY ix_notes_owner_title_new ON notes (owner, title)"], &swap[..]].concat(),
            ),
            Dialect::Sqlite => (
                vec![swap[1], "CREATE UNIQUE INDEX ix_notes_owner_title ON notes (owner, title)"],
                vec![swap[1], "CREATE INDEX ix_notes_owner_title ON notes (owner, title)"],
            ),
        };
        assert_eq!((&step.up.sql[..], &step.back.sql[..]), (&strings(&up)[..], &strings(&back)[..]));
        assert_eq!(step.up.loses, None);
    }

    async fn progress_names_the_rows_before_the_step_is_done(url: &str) {
        let db = notes(url, &[(1, "'a'"), (1, "'a'")]).await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = heard.clone();
        let migrator = Migrator::new(&db, ALL).on_progress(move |progress| {
            listener.lock().unwrap().push(match progress {
                Progress::Started(_) => "started".to_owned(),
                Progress::NotUnique { place, rows, .. } => format!("{} {}: {}", place.revision, place.step, rows.groups[0]),
                Progress::Done { already, .. } => format!("done, {already}"),
                Progress::Ended { changes } => format!("ended, {}", changes[0].not_unique.len()),
                other => format!("{other:?}"),
            });
        });
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(*heard.lock().unwrap(), ["started", "0002 1: 1, 2", "done, false", "ended, 1"]);
    }

    async fn a_partial_index_looks_only_at_its_rows(url: &str) {
        const FILTERED: &[Revision] = &[
            Revision::new("0001", "notes", &[
                Step::table("notes", &[Column::new("id", Type::Id), Column::new("owner", Type::Integer), Column::new("title", Type::Text)]),
                Step::index(INDEX, "notes", KEYS).filter("owner > 1"),
            ]),
            Revision::new("0002", "unique", &[Step::unique_where_rows_allow(INDEX, "notes", KEYS).filter("owner > 1")]),
        ];
        let db = open(url).await;
        let migrator = Migrator::new(&db, FILTERED);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        write(&db, "INSERT INTO notes (id, owner, title) VALUES (1, 1, 'a'), (2, 1, 'a'), (3, 2, 'a')").await;
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap()[0].not_unique, []);
        assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
        assert_eq!(migrator.check().await.unwrap(), []);
        migrator.downgrade(&Target::Steps(-1)).await.unwrap();
        write(&db, "INSERT INTO notes (id, owner, title) VALUES (4, 2, 'a')").await;
        assert_eq!(named(&migrator.upgrade(&Target::Head).await.unwrap()).0, ["3, 4"]);
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Runs a statement as a shell of the database does.
async fn outside_of_a_transaction(db: &Database, url: &str, sql: &str) {
    match db.dialect() {
        Dialect::Sqlite => drop(write(db, Statement::from(sql.to_owned())).await),
        Dialect::Postgres => {
            let shell = std::process::Command::new("psql").args([url, "-qc", sql]).status();
            assert!(shell.expect("psql is installed").success(), "{sql}");
        }
    }
}

const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
const LEFT: Statement =
    Statement::new("CREATE UNIQUE INDEX ix_notes_owner_title_new ON notes (owner, title)");
const HALF_BUILT: Statement = Statement::new(
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_notes_owner_title_new'::regclass",
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_that_is_written_during_the_build_forbids_it_and_leaves_no_index() {
    let database = postgres().await.database("written_during_the_build").await;
    let db = notes(database.url(), &[(1, "'a'")]).await;
    let mut writer = db.begin().await.unwrap();
    writer.run(execute(SAME, params![])).await.unwrap();
    let task = db.clone();
    let run = tokio::spawn(async move { upgrade(&task).await });
    // The rows allowed it when the build began. It waits for the writer.
    eventually("the build waits", async || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE INDEX CONCURRENTLY%' \
                     AND wait_event_type = 'Lock'";
        read::<(i64,)>(&db, waits).await == [(1,)]
    })
    .await;
    writer.commit().await.unwrap();
    assert_eq!(named(&run.await.unwrap()).0, ["1, 99"]);
    assert_eq!(indexes(&db).await, [PLAIN_INDEX]);
    assert_eq!(read::<(i64,)>(&db, INVALID).await, [(0,)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_an_interrupted_run_left_is_used_or_dropped() {
    let database = postgres().await.database("left_by_an_interrupted_run").await;
    let db = notes(database.url(), &[(1, "'a'")]).await;
    write(&db, LEFT).await;
    upgrade(&db).await;
    assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);

    write(&db, LEFT).await;
    downgrade(&db).await;
    assert_eq!(indexes(&db).await, [PLAIN_INDEX], "going back drops it too");

    write(&db, LEFT).await;
    write(&db, HALF_BUILT).await;
    upgrade(&db).await;
    assert_eq!(
        (indexes(&db).await, read::<(i64,)>(&db, INVALID).await),
        (vec![UNIQUE_INDEX.to_owned()], vec![(0,)])
    );

    downgrade(&db).await;
    write(&db, LEFT).await;
    write(&db, HALF_BUILT).await;
    write(&db, "DROP INDEX ix_notes_owner_title").await;
    write(
        &db,
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'ix_notes_owner_title_new'::regclass",
    )
    .await;
    write(&db, SAME).await;
    assert_eq!(named(&upgrade(&db).await).0, ["1, 99"]);
    assert_eq!(indexes(&db).await, [PLAIN_INDEX]);

    write(&db, "CREATE INDEX ix_notes_owner_title_new ON notes (title)").await;
    downgrade(&db).await;
    let error = Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap_err().to_string();
    assert!(error.contains("found something else in its place"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_up_the_replacement_is_named_and_the_next_run_goes_on_from_there() {
    let database = postgres().await.database("holds_up_the_replacement").await;
    let db = notes(database.url(), &[(1, "'a'")]).await;
    write(&db, LEFT).await;
    let mut reader = db.snapshot().await.unwrap();
    let rows = tallybook::all::<(i64,)>("SELECT id FROM notes", params![]);
    reader.run(rows).await.unwrap();
    let hurried = Migrator::new(&db, ALL).within(Duration::from_secs(2));
    let error = hurried.upgrade(&Target::Head).await.unwrap_err().to_string();
    assert!(error.contains("the deadline came") && error.contains("pid"), "{error}");
    assert_eq!(indexes(&db).await.len(), 2);
    drop(reader);
    upgrade(&db).await;
    assert_eq!(indexes(&db).await, [UNIQUE_INDEX]);
}
