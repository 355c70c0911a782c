//! Applying and reverting revisions.

use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::{AcquireStep as Waits, Database, Statement};
use tallybook_testkit::{Mode, Proxy};

use crate::support::{open, open_with, read, write};

const NOTES: Revision = Revision::new(
    "0001",
    "notes",
    &[Step::sql("create notes", "CREATE TABLE notes (id integer PRIMARY KEY)", "DROP TABLE notes")],
);

const TITLES: Revision = Revision::new(
    "0002",
    "titles",
    &[
        Step::column("notes", Column::new("title", Type::Varchar(80)).null()),
        Step::index("ix_notes_title", "notes", &["title"]),
    ],
);

const TAGS: Revision = Revision::new(
    "0003",
    "tags",
    &[Step::sql("create tags", "CREATE TABLE tags (note integer REFERENCES notes)", "DROP TABLE tags")],
);

const BROKEN: Revision = Revision::new(
    "0002",
    "broken",
    &[
        Step::one_way("create stars", "CREATE TABLE stars (note integer)"),
        Step::one_way("fill stars", "INSERT INTO stars SELECT id FROM nowhere"),
    ],
);

const ALL: &[Revision] = &[NOTES, TITLES, TAGS];

/// Returns the existing tables and indexes.
async fn schema(db: &Database) -> Vec<String> {
    let rows = read::<(String,)>(
        db,
        Statement::per_dialect(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
             AND relname NOT LIKE '%_pkey' AND relname NOT LIKE 'tallybook_%' ORDER BY 1",
            "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' \
             AND name NOT LIKE 'tallybook_%' ORDER BY 1",
        ),
    )
    .await;
    rows.into_iter().map(|(name,)| name).collect()
}

fn ids(changes: &[tallybook::migrate::Change]) -> Vec<&str> {
    changes.iter().map(|change| change.id).collect()
}

tallybook_testkit::both_dialects! {
    async fn an_upgrade_applies_all_and_a_second_one_nothing(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        assert_eq!(migrator.current().await.unwrap(), None);
        assert_eq!(ids(&migrator.upgrade(&Target::Head).await.unwrap()), ["0001", "0002", "0003"]);
        assert_eq!(migrator.current().await.unwrap(), Some("0003"));
        assert_eq!(schema(&db).await, ["ix_notes_title", "notes", "tags"]);
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap(), []);
    }

    async fn down_and_up_again_leads_to_the_same_schema_and_keeps_the_rows(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&Target::Head).await.unwrap();
        let before = schema(&db).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        assert_eq!(ids(&migrator.clone().force(true).downgrade(&"0001".parse().unwrap()).await.unwrap()), ["0003", "0002"]);
        assert_eq!(schema(&db).await, ["notes"]);
        assert_eq!(ids(&migrator.upgrade(&Target::Head).await.unwrap()), ["0002", "0003"]);
        assert_eq!(schema(&db).await, before);
        assert_eq!(read::<(i64, Option<String>)>(&db, "SELECT id, title FROM notes").await, [(1, None)]);
    }

    async fn goals_lead_where_they_say(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        let target = |text: &str| text.parse::<Target>().unwrap();
        assert_eq!(ids(&migrator.upgrade(&target("+1")).await.unwrap()), ["0001"]);
        assert_eq!(ids(&migrator.upgrade(&target("+2")).await.unwrap()), ["0002", "0003"]);
        assert_eq!(ids(&migrator.downgrade(&target("-1")).await.unwrap()), ["0003"], "-1 is one step");
        assert_eq!(migrator.current().await.unwrap(), Some("0002"));
        assert_eq!(migrator.upgrade(&target("0002")).await.unwrap(), [], "it is there already");
        assert_eq!(ids(&migrator.downgrade(&target("base")).await.unwrap()), ["0002", "0001"]);
        assert_eq!(migrator.current().await.unwrap(), None);
        assert_eq!(ids(&migrator.upgrade(&target("0002")).await.unwrap()), ["0001", "0002"]);
        assert_eq!(ids(&migrator.upgrade(&target("head")).await.unwrap()), ["0003"]);
    }

    async fn a_goal_that_is_not_ahead_is_an_error_and_changes_nothing(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&"0002".parse().unwrap()).await.unwrap();
        let message = async |outcome: Result<_, tallybook::Error>| -> String {
            let error = outcome.map(|_: Vec<tallybook::migrate::Change>| ()).unwrap_err();
            assert!(error.is_revision(), "{error}");
            error.to_string()
        };
        let text = message(migrator.upgrade(&"0009".parse().unwrap()).await).await;
        assert_eq!(text, "there is no revision \"0009\"; there are 0001, 0002, 0003");
        let text = message(migrator.upgrade(&"+2".parse().unwrap()).await).await;
        assert_eq!(text, "cannot go +2 from here: 2 of 3 revisions are applied");
        let text = message(migrator.downgrade(&"-3".parse().unwrap()).await).await;
        assert_eq!(text, "cannot go -3 from here: 2 of 3 revisions are applied");
        let text = message(migrator.upgrade(&"0001".parse().unwrap()).await).await;
        assert!(text.contains("use downgrade"), "{text}");
        let text = message(migrator.downgrade(&"head".parse().unwrap()).await).await;
        assert!(text.contains("use upgrade"), "{text}");
        assert_eq!(migrator.current().await.unwrap(), Some("0002"));
    }

    async fn the_history_shows_what_was_applied_when(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        assert!(migrator.history().await.unwrap().iter().all(|entry| entry.applied_at.is_none()));
        assert_eq!(schema(&db).await, [""; 0], "looking changes nothing");
        let before = tallybook::now();
        migrator.upgrade(&"0002".parse().unwrap()).await.unwrap();
        let history = migrator.history().await.unwrap();
        assert_eq!(history.iter().map(|entry| entry.name).collect::<Vec<_>>(), ["notes", "titles", "tags"]);
        let applied: Vec<_> = history.iter().map(|entry| entry.applied_at).collect();
        assert!(applied[0] >= Some(before) && applied[1] >= applied[0], "{applied:?}");
        assert_eq!(applied[2], None);
    }

    async fn a_step_that_fails_is_named_and_only_its_revision_is_undone(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, &[NOTES, BROKEN, TAGS]);
        let error = migrator.upgrade(&Target::Head).await.unwrap_err();
        assert!(error.is_revision(), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("revision 0002 (broken) stopped at the step \"fill stars\" and was rolled back: "), "{text}");
        assert!(text.contains("nowhere"), "{text}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(migrator.current().await.unwrap(), Some("0001"));
        assert_eq!(schema(&db).await, ["notes"]);
        // Once the revision is repaired, the run continues there.
        assert_eq!(ids(&Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap()), ["0002", "0003"]);
    }

    async fn a_revision_that_this_program_does_not_know_stops_everything(url: &str) {
        let db = open(url).await;
        Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap();
        let older = Migrator::new(&db, &ALL[..2]);
        for error in [
            older.current().await.unwrap_err(),
            older.history().await.unwrap_err(),
            older.upgrade(&Target::Head).await.unwrap_err(),
            older.downgrade(&Target::Base).await.unwrap_err(),
        ] {
            assert!(error.is_revision() && error.to_string().contains("revision \"0003\""), "{error}");
        }
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM tallybook_revisions").await, [(3,)]);
    }

    async fn a_gap_in_what_is_applied_stops_everything(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&Target::Head).await.unwrap();
        write(&db, "DELETE FROM tallybook_revisions WHERE id = '0002'").await;
        let error = migrator.upgrade(&Target::Head).await.unwrap_err();
        assert!(error.to_string().contains("\"0003\" is applied but \"0002\" before it is not"), "{error}");
    }

    async fn four_runners_at_once_apply_each_revision_once(url: &str) {
        // Each is a process of its own, as far as the database can tell.
        let runners: Vec<_> = (0..4)
            .map(|_| {
                let url = url.to_owned();
                tokio::spawn(async move {
                    let db = open(&url).await;
                    let changes = Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap();
                    changes.into_iter().map(|change| change.id).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut applied = Vec::new();
        for runner in runners {
            applied.extend(runner.await.unwrap());
        }
        applied.sort_unstable();
        assert_eq!(applied, ["0001", "0002", "0003"]);
        let db = open(url).await;
        assert_eq!(Migrator::new(&db, ALL).current().await.unwrap(), Some("0003"));
    }

    async fn a_runner_does_not_need_the_pool(url: &str) {
        let db = open_with(url, |settings| {
            settings.pool.size = 1;
            settings.pool.max_overflow = 0;
        })
        .await;
        let all_there_are = db.read().await.unwrap();
        Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap();
        drop(all_there_are);
        assert_eq!(read::<(i64,)>(&db, "SELECT id FROM notes").await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_gives_up_on_a_server_that_fell_silent() {
    let database = tallybook_testkit::postgres().await.database("a_runner_gives_up").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| {
        settings.pool.timeout = std::time::Duration::from_secs(1);
    })
    .await;
    proxy.set(Mode::Silent).await;
    let error = Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap_err();
    assert_eq!(error.timed_out_step(), Some(Waits::Connecting), "{error}");
}
