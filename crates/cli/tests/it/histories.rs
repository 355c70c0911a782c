//! A book that is not adopted, and revisions of others beside the book's.

use tallybook::migrate::{Column, DEFAULT_HISTORY, Migrator, Revision, Step, Target, Type};
use tallybook::{Database, Settings};
use tallybook::{execute, params};
use tallybook_testkit::both_dialects;

use crate::support::Program;

const LIMITS: &[Revision] = &[Revision::new(
    "0001",
    "limits",
    &[Step::table(
        "limits",
        &[Column::new("id", Type::Id), Column::new("portfolio_id", Type::Integer).references("portfolios")],
    )],
)
.needs(&[(DEFAULT_HISTORY, "0002")])];

async fn open(url: &str) -> Database {
    Database::open(Settings::new(url).unwrap()).await.unwrap()
}

/// Tables as another tool made them: not adopted.
async fn not_adopted(url: &str) {
    let db = open(url).await;
    for text in [
        "CREATE TABLE portfolios (id integer NOT NULL PRIMARY KEY, name varchar(255) NOT NULL)",
        "INSERT INTO portfolios (id, name) VALUES (1, 'one')",
    ] {
        let statement = execute(text, params![]);
        db.write(async |session| -> tallybook::Result<u64> { session.run(statement).await }).await.unwrap();
    }
    db.close().await;
}

both_dialects! {
    async fn a_book_that_is_not_adopted_is_neither_taken_over_nor_called_well(url: &str) {
        not_adopted(url).await;
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        for words in ["migrate upgrade", "migrate upgrade +1", "migrate plan", "migrate check", "export trades", "seed"] {
            let error = run(words).fails(1);
            assert!(error.contains("tallybook migrate adopt --dry-run"), "{words}: {error}");
            assert!(!error.contains("next: tallybook migrate upgrade"), "{words}: {error}");
        }
        let found = run("migrate check --json");
        let told: serde_json::Value = serde_json::from_str(&found.out).unwrap();
        assert_eq!((found.code, &told["ok"]), (1, &serde_json::json!(false)));
        assert!(told["reason"].as_str().unwrap().starts_with("nothing was checked"), "{told}");
        assert!(run("migrate current").ok().contains("next: tallybook migrate adopt --dry-run"));
        assert_eq!(run("migrate current --json").json()["unrecorded"][0], "portfolios");
        let history = run("migrate history").ok();
        assert!(history.contains("there without a record: portfolios"), "{history}");
    }

    async fn revisions_of_others_beside_the_books_are_reported_and_in_nobodys_way(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("migrate upgrade").ok();
        let db = open(url).await;
        Migrator::named(&db, "desk", LIMITS).upgrade(&Target::Head).await.unwrap();
        tallybook::book::upgrade(&db).await.unwrap();
        db.close().await;

        assert!(run("migrate upgrade").ok().contains("nothing to do"));
        assert!(run("migrate plan").ok().contains("nothing to do"));
        assert_eq!(run("migrate current").ok(), "0003\n");
        assert_eq!(run("migrate current --json").json()["others"][0]["name"], "desk");
        let check = run("migrate check").ok();
        assert!(check.contains("is what its revisions say"), "{check}");
        assert!(check.contains("not checked: the history desk: 1 applied, the latest is 0001"), "{check}");
        let history = run("migrate history").ok();
        assert!(history.contains("of other programs: the history desk: 1 applied"), "{history}");
        run("seed --portfolios 2 --trades 20").ok();
        assert_eq!(run("export trades").ok().lines().count(), 21);
        let doctor = run("doctor").out;
        assert!(doctor.contains("1 history of other programs: desk: 1 applied, the latest is 0001"), "{doctor}");
        assert!(!doctor.contains("does not know"), "{doctor}");

        let error = run("migrate downgrade base --force").fails(1);
        assert!(error.contains("the history desk needs it for 0001"), "{error}");
        assert_eq!(run("migrate current").ok(), "0003\n");
    }

    async fn a_check_says_what_it_did_not_look_at(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("migrate upgrade 0001").ok();
        let check = run("migrate check").ok();
        assert!(check.contains("is what its revisions say") && check.contains("not applied, so not checked: 0002, 0003"), "{check}");
        assert_eq!(run("migrate check --json").json()["not_applied"][0], "0002");
        run("migrate downgrade base").ok();
        let error = run("migrate check").fails(1);
        assert!(error.contains("nothing was checked") && error.contains("next: tallybook migrate upgrade"), "{error}");
    }
}
