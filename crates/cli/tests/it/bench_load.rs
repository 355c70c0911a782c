//! `tallybook bench load`.

use tallybook::{Database, Settings, execute, params};
use tallybook_testkit::both_dialects;

use crate::support::Program;

const TABLES: [&str; 5] = ["portfolios", "positions", "trades", "executions", "trading_sessions"];
const READS: [&str; 4] =
    ["position by symbol", "newest trades", "trades of a session", "portfolio with all relations"];
const WRITE: &str = "new trade with two executions";

fn seeded(program: &Program, url: &str) {
    program.run(&format!("migrate upgrade --database {url}")).ok();
    program.run(&format!("seed --portfolios 20 --trades 2000 --database {url}")).ok();
}

fn book(program: &Program, url: &str) -> String {
    TABLES.map(|table| program.run(&format!("export {table} --database {url}")).ok()).concat()
}

#[test]
fn without_a_database_it_fills_a_scratch_file_and_removes_it() {
    let program = Program::new();
    let directory = program.directory().to_str().unwrap().to_owned();
    let variables =
        [("DATABASE_URL", "postgresql://ada@127.0.0.1:1/production"), ("TMPDIR", directory.as_str())];
    let words = "bench load --seconds 1 --tasks 2 --writes 50 --portfolios 20 --trades 2000";
    let out = program.run_with(words, &variables, "").ok();
    assert!(out.contains("closed loop, 2 tasks; latencies hide stalls"), "{out}");
    assert!(out.contains("position by symbol") && out.contains(WRITE), "{out}");
    assert_eq!(std::fs::read_dir(program.directory()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn several_rates_are_measured_one_after_the_other_and_drawn() {
    let program = Program::new();
    let words = "bench load --seconds 1 --rate 20,40 --portfolios 20 --trades 2000 --html load.html --json";
    let out = program.run(words).ok();
    let rates: Vec<_> = serde_json::Deserializer::from_str(&out)
        .into_iter::<serde_json::Value>()
        .map(|load| load.unwrap()["rate"].clone())
        .collect();
    assert_eq!(rates, [20, 40]);
    let html = std::fs::read_to_string(program.directory().join("load.html")).unwrap();
    for text in ["<svg", "open loop, 20 operations a second due", "open loop, 40 operations a second due"] {
        assert!(html.contains(text), "{text}: {html}");
    }
}

#[test]
fn a_pace_that_is_none_is_refused() {
    for words in ["--rate 0", "--rate fast", "--rate 0/s", "--seconds 0", "--tasks 0", "--writes 101"] {
        let error = Program::new().run(&format!("bench load {words}")).fails(2);
        let option = words.split(' ').next().unwrap();
        assert!(error.contains(option), "{words}: {error}");
    }
    let error = Program::new().run("bench load --rate 0").fails(2);
    assert!(error.contains("operations a second, from 1"), "{error}");
}

both_dialects! {
    async fn reads_leave_the_book_as_it_is_and_are_counted(url: &str) {
        let program = Program::new();
        seeded(&program, url);
        let before = book(&program, url);
        let json = program.run(&format!("bench load --seconds 1 --tasks 4 --json --database {url}")).json();
        assert_eq!((&json["loop"], &json["errors"]), (&"closed".into(), &0.into()));
        let kinds = json["kinds"].as_array().unwrap();
        let names: Vec<_> = kinds.iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
        assert_eq!(names, READS);
        let sum = |name: &str| kinds.iter().map(|kind| kind[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!(json["operations"], sum("count"), "{json}");
        let seconds = json["seconds"].as_f64().unwrap();
        assert!((1.0..30.0).contains(&seconds), "it lasts a second, on a busy machine somewhat longer: {json}");
        for kind in kinds {
            let number = |name: &str| kind[name].as_f64().unwrap();
            let per_second = number("count") / seconds;
            assert!((number("per_second") - per_second).abs() < 1e-6 * per_second, "{per_second} is not {kind}");
            assert!(number("count") >= 1.0 && number("p50_us") > 1.0 && number("p50_us") <= number("p95_us"), "{kind}");
            assert!(number("p99_us") <= number("p999_us") && number("p999_us") <= number("max_us"), "{kind}");
            let statements = if kind["kind"] == "portfolio with all relations" { 4.0 } else { 1.0 };
            assert_eq!(number("statements"), statements * number("count"), "{kind}");
            assert_eq!(number("round_trips"), number("count"), "{kind}");
        }
        assert!(book(&program, url) == before, "the book is as it was");
    }

    async fn what_is_written_is_removed(url: &str) {
        let program = Program::new();
        seeded(&program, url);
        let before = book(&program, url);
        let words = format!("bench load --seconds 1 --tasks 4 --writes 100 --json --database {url}");
        let json = program.run(&words).json();
        let [writes] = &json["kinds"].as_array().unwrap()[..] else { panic!("{json}") };
        assert_eq!(writes["kind"], WRITE);
        assert_eq!(writes["statements"].as_u64().unwrap(), 3 * writes["count"].as_u64().unwrap());
        assert_eq!(writes["round_trips"].as_u64().unwrap(), 3 * writes["count"].as_u64().unwrap());
        assert!(book(&program, url) == before, "the book is as it was");
    }

    async fn ctrl_c_removes_what_was_written(url: &str) {
        let program = Program::new();
        seeded(&program, url);
        let before = book(&program, url);
        let mut child = program
            .command(&format!("bench load --seconds 600 --writes 100 --database {url}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !program.run(&format!("export trades --database {url}")).ok().contains("LOAD") {
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
        }
        crate::support::interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(book(&program, url) == before, "the book is as it was");
    }

    async fn an_open_loop_begins_what_is_due_and_no_more(url: &str) {
        let program = Program::new();
        seeded(&program, url);
        let words = format!("bench load --seconds 2 --rate 20/s --json --database {url}");
        let json = program.run(&words).json();
        assert_eq!((&json["loop"], &json["rate"]), (&"open".into(), &20.into()));
        let done = json["operations"].as_u64().unwrap();
        assert_eq!(done + json["not_begun"].as_u64().unwrap(), 40, "{json}");
    }

    async fn what_an_open_loop_could_not_begin_is_said(url: &str) {
        let program = Program::new();
        seeded(&program, url);
        let words = format!("bench load --seconds 1 --rate 1000000 --tasks 1 --database {url}");
        let out = program.run(&words).ok();
        assert!(out.contains("were due and not begun: the database did not keep up"), "{out}");
    }

    async fn a_database_without_a_book_is_refused(url: &str) {
        let program = Program::new();
        if let Some(path) = url.strip_prefix("sqlite:///") {
            std::fs::File::create(path).unwrap();
        }
        let error = program.run(&format!("bench load --database {url}")).fails(1);
        assert!(error.contains("holds no book yet") && error.contains("next: tallybook migrate upgrade"), "{error}");
        program.run(&format!("migrate upgrade --database {url}")).ok();
        let error = program.run(&format!("bench load --database {url}")).fails(1);
        assert!(error.contains("no trades to read") && error.contains("next: tallybook seed"), "{error}");
    }

    async fn operations_that_fail_are_counted_and_fail_the_command(url: &str) {
        let program = Program::new();
        seeded(&program, url);
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        // The samples are still found; the read of positions by symbol is not answered any more.
        let rename = "ALTER TABLE positions RENAME COLUMN quantity TO amount";
        db.write(async |session| session.run(execute(rename, params![])).await).await.unwrap();
        let run = program.run(&format!("bench load --seconds 1 --tasks 2 --database {url}"));
        assert_eq!(run.code, 1, "{}", run.err);
        assert!(run.out.contains("position by symbol"), "{}", run.out);
        assert!(run.err.contains("operations failed; one of them:") && run.err.contains("quantity"), "{}", run.err);
    }
}
