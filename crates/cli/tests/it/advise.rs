//! `tallybook advise`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use tallybook::{Database, Settings, all, execute, params};

use crate::support::Program;

/// A running program that misses an index, with its socket.
struct Running {
    db: Database,
    url: String,
    socket: PathBuf,
}

impl Running {
    async fn start(url: &str, program: &Program) -> Self {
        let mut settings = Settings::new(url).unwrap();
        let db = Database::open(settings.clone()).await.unwrap();
        for sql in [
            "CREATE TABLE ticks (id integer PRIMARY KEY, symbol text, price integer)",
            "CREATE INDEX ix_ticks_price ON ticks (price)",
            "INSERT INTO ticks WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
             SELECT i, 'SECRET' || (i % 500), i % 10 FROM n",
        ] {
            write(&db, sql).await;
        }
        // PostgreSQL counts the changes of a connection when it ends, at the latest.
        db.close().await;
        let db = Database::open(settings.clone()).await.unwrap();
        write(&db, "ANALYZE").await;
        db.close().await;
        let socket = program.directory().join("figures.sock");
        settings.monitor.socket = Some(socket.clone());
        let running = Self { db: Database::open(settings).await.unwrap(), url: url.to_owned(), socket };
        running.work().await;
        running
    }

    /// Reads as the program does.
    async fn work(&self) {
        for number in 0..20 {
            let query = all::<(i64,)>(
                "SELECT price FROM ticks WHERE symbol = $1",
                params![format!("SECRET{number}")],
            );
            self.db.read().await.unwrap().run(query).await.unwrap();
        }
    }

    fn words(&self, words: &str) -> String {
        format!("advise --database {} --socket {} {words}", self.url, self.socket.display())
    }
}

async fn write(db: &Database, sql: &str) {
    db.write(async |session| session.run(execute(sql.to_owned(), params![])).await).await.unwrap();
}

tallybook_testkit::both_dialects! {
    async fn a_running_program_is_advised_and_the_gain_stands_beside_the_promise(url: &str) {
        let program = Program::new();
        let running = Running::start(url, &program).await;

        let run = program.run(&running.words(""));
        assert_eq!(run.code, 3, "{}", run.err);
        assert!(run.out.contains("ix_ticks_symbol") && run.out.contains("select price from ticks where symbol = ?"), "{}", run.out);
        assert!(run.out.contains("ix_ticks_price on ticks: unused"), "{}", run.out);
        assert!(run.out.contains("4 parameter sets"), "{}", run.out);
        assert!(!run.out.contains("SECRET"), "{}", run.out);

        let run = program.run(&running.words("--json"));
        assert_eq!(run.code, 3, "{}", run.err);
        assert!(!run.out.contains("SECRET"), "{}", run.out);
        program.write("before.json", &run.out);
        let before: Value = serde_json::from_str(&run.out).unwrap();

        let revision = program.run(&running.words("--revision 0042")).out;
        assert!(revision.contains(r#"Revision::new("0042", "advised indexes", &["#), "{revision}");
        assert!(revision.contains(r#"Step::index("ix_ticks_symbol", "ticks", &["symbol"]),"#), "{revision}");
        assert!(revision.contains(r#"Step::index("ix_ticks_price", "ticks", &["price"]).dropped(),"#), "{revision}");

        for sql in before["revision"]["sql"].as_array().unwrap() {
            // In a transaction, which this test's sessions are.
            write(&running.db, &sql.as_str().unwrap().replace("CONCURRENTLY ", "")).await;
        }
        write(&running.db, "ANALYZE").await;
        running.work().await;
        let after = program.run(&running.words("--after before.json --json"));
        assert_eq!(after.code, 0, "{}{}", after.out, after.err);
        let after: Value = serde_json::from_str(&after.out).unwrap();
        let outcome = &after["outcomes"][0];
        assert_eq!((&outcome["index"], after["outcomes"].as_array().unwrap().len()), (&"ix_ticks_symbol".into(), 1));
        let figure = |name: &str| outcome[name].as_f64().unwrap();
        assert!(figure("before") > 3.0 * figure("promised"), "{outcome}");
        assert!((figure("now") - figure("promised")).abs() < 0.1 * figure("before"), "{outcome}");
        assert!(figure("time_now") > 0.0, "{outcome}");
        let text = program.run(&running.words("--after before.json")).ok();
        assert!(text.contains("Promise and gain") && text.contains("nothing to do"), "{text}");
        running.db.close().await;
    }

    async fn a_recording_is_for_its_owner_alone_and_advises_like_the_program(url: &str) {
        let program = Program::new();
        let running = Running::start(url, &program).await;
        program.write("recording.json", "an older file, which anyone may read");
        let run = program.run(&running.words("--record recording.json"));
        assert_eq!((run.code, run.out.as_str()), (0, ""), "{}", run.err);
        assert!(run.err.contains("with values of rows"), "{}", run.err);
        let mode = std::fs::metadata(program.directory().join("recording.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(program.read("recording.json").contains("SECRET"), "parameters are recorded");
        running.db.close().await;

        let run = program.run(&format!("advise --database {} --recording recording.json", running.url));
        assert_eq!(run.code, 3, "{}", run.err);
        assert!(run.out.contains("ix_ticks_symbol") && !run.out.contains("SECRET"), "{}", run.out);
    }
}

#[test]
fn a_file_of_another_kind_is_refused_without_its_text() {
    let program = Program::new();
    program.write("other.json", r#"{"secret": "SECRET"}"#);
    for words in ["--recording other.json", "--recording other.json --after other.json"] {
        let error = program.run(&format!("advise {words}")).fails(1);
        assert!(error.contains("other.json is no file of this kind") && !error.contains("SECRET"), "{error}");
    }
}

#[test]
fn without_a_source_it_says_where_to_find_one() {
    let error = Program::new().run("advise").fails(1);
    assert!(error.contains("DB_MONITOR_SOCKET"), "{error}");
}

#[test]
fn sources_exclude_each_other() {
    Program::new().run("advise --recording a.json --pg-stat-statements").fails(2);
    Program::new().run("advise --recording a.json --record b.json").fails(2);
}
