//! `tallybook migrate adopt` and `release` on databases that Alembic and SQLAlchemy made.

use std::process::Stdio;

use tallybook_testkit::{ALEMBIC_VERSIONS, SqliteFile, alembic, both_dialects, run_script};

use crate::support::{Program, Run};

/// What a walk through all commands ends with: the line of `release`, or a part of why it refuses.
fn end_of(state: &str) -> Result<&'static str, &'static str> {
    match state {
        "ac7a9a8391bc" | "plugin_agent_fields" => {
            Err("`tallybook migrate downgrade 0001`), drop trading_sessions")
        }
        "add_trading_session_risk" | "add_auth_tables" => Err("`alembic upgrade c1e38cfe113f`"),
        "create-all" | "create-all-early" => Ok("Alembic has no version of this database"),
        _ => Ok("handed back: alembic_version holds 5951c803aff7"),
    }
}

both_dialects! {
    async fn all_that_alembic_and_create_all_make_goes_through_every_command(url: &str) {
        let server = tallybook_testkit::postgres().await;
        let is_sqlite = url.starts_with("sqlite:");
        let states = ALEMBIC_VERSIONS.into_iter().chain(["create-all", "create-all-early"]);
        for state in states.chain(is_sqlite.then_some("half")) {
            let (file, database) = (SqliteFile::new(state), server.database(state).await);
            let url = if is_sqlite { file.url() } else { database.url().to_owned() };
            alembic(&url, state).await;
            let program = Program::new();
            let run = |words: &str| program.run_with(words, &[("DATABASE_URL", &*url)], "");
            let looked = run("migrate adopt --dry-run").ok();
            assert!(looked.contains("nothing was changed\nback to Alembic: tallybook migrate release"), "{state}: {looked}");
            let adopted = run("migrate adopt").ok();
            assert!(adopted.contains("next: tallybook migrate upgrade"), "{state}: {adopted}");
            let upgraded = run("migrate upgrade").ok();
            let named = "ix_positions_portfolio_symbol is not unique: rows of positions have the same portfolio_id, symbol. Their \
                         ids:\n  1, 3\nmerge the rows of each line into one, then make the index unique:\n  ";
            assert!(upgraded.contains(named), "{state}: {upgraded}");
            let check = run("migrate check").ok();
            assert!(check.contains("benign: positions, index ix_positions_portfolio_symbol: expected CREATE UNIQUE"), "{state}: {check}");
            for (table, rows) in [("portfolios", 3), ("positions", 3), ("trades", 3), ("executions", 3)] {
                let told = run(&format!("export {table} {table}.csv --json")).json();
                assert_eq!(told["rows"], rows, "{state}, {table}");
            }
            if !state.starts_with("create-all") {
                let error = run("migrate release").fails(1);
                assert!(error.contains("`tallybook migrate downgrade 0002`"), "{state}: {error}");
                run("migrate downgrade 0002").ok();
            }
            let release = run("migrate release");
            match end_of(state) {
                Ok(told) => assert!(release.out.contains(told) && release.code == 0, "{state}: {}", release.out),
                Err(told) => {
                    let error = release.fails(1);
                    assert!(error.contains(told), "{state}: {error}");
                }
            }
        }
    }

    async fn the_way_back_is_said_before_anything_is_done(url: &str) {
        alembic(url, "plugin_agent_fields").await;
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        let way = "back to Alembic: tallybook migrate release hands back plugin_agent_fields before an upgrade, and nothing after \
                   it unless `alembic upgrade c1e38cfe113f` was run before it; after an upgrade, run `tallybook migrate downgrade \
                   0002` first\n";
        let told = run("migrate adopt --dry-run").ok();
        assert!(told.contains(way), "{told}");
        let told = run("migrate adopt --dry-run --json").json();
        assert_eq!(told["way_back"]["adopted"], "plugin_agent_fields");
        assert_eq!(told["way_back"]["alembic_first"], "alembic upgrade c1e38cfe113f");
        assert!(run("migrate adopt").ok().contains(way));
        assert!(run("migrate adopt").ok().starts_with("adopted already, and at revision base"));
        assert_eq!(run("migrate release").ok().lines().next(), Some("handed back: alembic_version holds plugin_agent_fields"));
    }

    async fn of_four_programs_that_adopt_at_once_one_says_adopted(url: &str) {
        alembic(url, "c1e38cfe113f").await;
        let program = Program::new();
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = program.command("migrate adopt");
                command.env("DATABASE_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let outs: Vec<_> =
            children.into_iter().map(|child| Run::from(child.wait_with_output().unwrap()).ok()).collect();
        let with = |text: &str| outs.iter().filter(|out| out.contains(text)).count();
        assert_eq!((with("adopted: "), with("adopted already")), (1, 3), "{outs:?}");
    }

    async fn the_doctor_sees_whose_tables_they_are(url: &str) {
        alembic(url, "create-all").await;
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        let told = run("doctor").out;
        assert!(told.contains("made by another program, such as SQLAlchemy's create_all"), "{told}");
        assert!(told.contains("13 tables of others") && told.contains("tallybook migrate adopt --dry-run"), "{told}");
        run("migrate adopt").ok();
        let told = run("doctor").out;
        assert!(!told.contains("character varying") && !told.contains("VARCHAR"), "{told}");
    }

    async fn the_doctor_sees_that_an_adopted_book_is_not_whole(url: &str) {
        alembic(url, "ac7a9a8391bc").await;
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("migrate adopt").ok();
        let told = run("doctor").out;
        assert!(told.contains("adopted, and an upgrade has to complete its first revision"), "{told}");
    }
}

/// The journal mode that the header of a file says: 2 is a write-ahead log.
fn mode_of(file: &SqliteFile) -> u8 {
    std::fs::read(file.path()).unwrap()[18]
}

#[tokio::test]
async fn the_journal_mode_is_alembics_again_after_a_release() {
    let file = SqliteFile::new("journal_mode");
    alembic(&file.url(), "c1e38cfe113f").await;
    let program = Program::new();
    let run = |words: &str| program.run(&format!("{words} --database {}", file.url()));
    assert_eq!(mode_of(&file), 1);
    run("migrate adopt").ok();
    assert_eq!(mode_of(&file), 1, "an adoption leaves it as it is");
    run("migrate upgrade").ok();
    assert_eq!(mode_of(&file), 2);
    run("migrate downgrade 0002").ok();
    let told = run("migrate release").ok();
    assert!(told.contains("the file has the journal mode it had before: delete"), "{told}");
    assert_eq!(mode_of(&file), 1);
    assert!(!file.path().with_extension("db-wal").exists());
}

#[tokio::test]
async fn a_journal_mode_of_ones_own_choice_is_kept() {
    let file = SqliteFile::new("own_log");
    alembic(&file.url(), "c1e38cfe113f").await;
    run_script(&file.url(), "PRAGMA journal_mode = WAL").await;
    let program = Program::new();
    for words in ["migrate adopt", "migrate upgrade", "migrate downgrade 0002", "migrate release"] {
        program.run(&format!("{words} --database {}", file.url())).ok();
    }
    assert_eq!(mode_of(&file), 2);
}

both_dialects! {
    async fn what_is_killed_anywhere_is_simply_run_again(url: &str) {
        alembic(url, "c1e38cfe113f").await;
        let program = Program::new();
        let killed = |words: &str, milliseconds: u64| {
            let mut child = program
                .command(words)
                .env("DATABASE_URL", url)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            child.kill().unwrap();
            child.wait().unwrap();
            program.run_with(words, &[("DATABASE_URL", url)], "").ok()
        };
        for milliseconds in [2, 8, 15, 25, 40, 60, 90] {
            assert!(killed("migrate adopt", milliseconds).starts_with("adopted"));
            let told = killed("migrate release", milliseconds);
            assert!(told.starts_with("handed back") && told.contains("alembic_version holds c1e38cfe113f"), "{told}");
        }
        // Each adoption was recorded once.
        let db = tallybook::Database::open(tallybook::Settings::new(url).unwrap()).await.unwrap();
        let counts = tallybook::all::<(String, i64)>(
            "SELECT kind, count(*) FROM tallybook_events GROUP BY kind ORDER BY kind",
            tallybook::params![],
        );
        let counts = db.read().await.unwrap().run(counts).await.unwrap();
        assert_eq!(counts, [("adopt".to_owned(), 7), ("release".to_owned(), 7)]);
    }
}
