//! `tallybook demo`.

use tallybook_testkit::both_dialects;

use crate::support::Program;

const SMALL: &str = "--portfolios 20 --trades 2000 --runs 5 --fills 400";

#[test]
fn without_a_database_the_demo_makes_an_sqlite_file() {
    let program = Program::new();
    // DATABASE_URL may point to production: the demo must not touch it.
    let variables = [("DATABASE_URL", "postgresql://ada@127.0.0.1:1/production")];
    let out = program.run_with(&format!("demo {SMALL}"), &variables, "").ok();
    assert!(out.contains("tallybook-demo.db"), "{out}");
    assert!(program.directory().join("tallybook-demo.db").exists());
    assert!(
        !program.directory().join("tallybook-demo.db-wal").exists(),
        "the file is whole when the demo ends"
    );
}

both_dialects! {
    async fn the_demo_works_twice(url: &str) {
        let program = Program::new();
        let first = program.run(&format!("demo {SMALL} --database {url}")).ok();
        assert!(first.contains("seeded 20 portfolios"), "{first}");
        assert!(!first.contains("\\n"), "no line end is shown as a text: {first}");
        let second = program.run(&format!("demo {SMALL} --database {url}")).ok();
        assert!(!second.contains("seeded"), "{second}");
    }

    async fn the_demos_json_has_every_read_with_its_counts(url: &str) {
        let json = Program::new().run(&format!("demo {SMALL} --json --database {url}")).json();
        assert_eq!(json["dialect"], if url.starts_with("sqlite") { "sqlite" } else { "postgresql" });
        let reads = json["reads"].as_array().unwrap();
        assert_eq!(reads.len(), 10);
        for read in reads {
            assert_eq!(read["round_trips"], 1, "{read}");
            assert!(read["statements"].as_u64().unwrap() >= 1, "{read}");
            assert!(read["rows"].is_u64() && read["index"].is_string(), "{read}");
            assert!(read["p50_us"].as_u64().unwrap() <= read["p99_us"].as_u64().unwrap(), "{read}");
        }
        let (naive, eager) = (&json["n_plus_one"]["naive"], &json["n_plus_one"]["eager"]);
        assert_eq!(naive["rows"], eager["rows"], "both ways read the same");
        assert_eq!((&eager["statements"], &eager["round_trips"]), (&2.into(), &1.into()));
        assert_eq!(naive["statements"], naive["round_trips"]);
        assert!(naive["statements"].as_u64().unwrap() > 10, "{naive}");
        let [finding] = &json["n_plus_one"]["findings"].as_array().unwrap()[..] else { panic!("{json}") };
        assert_eq!(finding["confidence"], "confirmed", "{finding}");
        assert_eq!(finding["source"]["column"], "id", "{finding}");
    }

    async fn the_demo_prints_what_the_monitor_says_of_the_naive_way(url: &str) {
        let run = Program::new().run(&format!("demo {SMALL} --database {url}"));
        assert_eq!(run.code, 0, "{}", run.err);
        let (out, log) = (run.out, run.err);
        assert!(out.contains("N+1, confirmed"), "{out}");
        assert!(out.contains("n_plus_one.rs:"), "the line of the loop: {out}");
        assert!(out.contains("Trades::get_many_with_executions(&ids)"), "what to call instead: {out}");
        assert!(!log.contains("N+1"), "it is said once: {log}");
    }

    async fn the_demo_ends_with_fills_that_balance(url: &str) {
        let program = Program::new();
        let out = program.run(&format!("demo {SMALL} --database {url}")).ok();
        assert!(out.contains("Recorded 400 fills in "), "{out}");
        assert!(out.contains("40 came again and changed nothing."), "{out}");
        assert!(out.contains("They balance to the last digit."), "{out}");

        // The portfolios of the first run are left alone.
        let json = program.run(&format!("demo {SMALL} --json --database {url}")).json();
        let recording = &json["recording"];
        assert_eq!((&recording["fills"], &recording["repeats"]), (&400.into(), &40.into()));
        assert_eq!(recording["check"]["discrepancies"], 0);
        assert_eq!(recording["differences_before"], 0);
        assert_eq!(recording["portfolios"], serde_json::json!([24, 25, 26]));
    }

    async fn the_demo_leaves_a_database_that_is_no_book_as_it_is(url: &str) {
        use tallybook::{Database, Settings, all, execute, params};

        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let create = "CREATE TABLE invoices (id integer)";
        db.write(async |session| session.run(execute(create, params![])).await).await.unwrap().into_value();

        let error = Program::new().run(&format!("demo {SMALL} --database {url}")).fails(1);
        assert!(error.contains("invoices") && error.contains("left as it is"), "{error}");
        let tables = match url.starts_with("sqlite") {
            true => "SELECT name FROM sqlite_master",
            false => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        };
        let names = db.read().await.unwrap().run(all::<(String,)>(tables, params![])).await.unwrap();
        assert_eq!(names, [("invoices".to_owned(),)]);
    }
}
