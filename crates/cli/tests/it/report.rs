//! `tallybook report`.

use crate::support::Program;
use crate::watched::Watched;

/// Records the figures as they are.
fn record(program: &Program, watched: &Watched) {
    program.run(&watched.words("watch --once --record figures.jsonl")).ok();
}

/// The calls of each statement that ran, by a part of its text.
fn calls(report: &serde_json::Value, part: &str) -> u64 {
    let statements = report["statements"].as_array().unwrap().iter();
    let named = statements.filter(|statement| statement["statement"].as_str().unwrap().contains(part));
    named.map(|statement| statement["calls"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_tells_what_happened_while_it_was_made() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    watched.read(5).await;
    record(&program, &watched);
    watched.read(30).await;
    record(&program, &watched);
    let report = program.run("report figures.jsonl --json").json();
    assert_eq!((calls(&report, "title from"), calls(&report, "create table")), (30, 0));
    let text = program.run("report figures.jsonl").ok();
    assert!(text.contains("what happened between the first and the last of 2 reports"), "{text}");
    assert!(text.contains("p99") && !text.contains("p99*"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_a_recording_over_time_and_needs_no_other_file() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    record(&program, &watched);
    watched.read(30).await;
    record(&program, &watched);
    assert_eq!(program.run("report figures.jsonl --html figures.html").ok(), "");
    let html = std::fs::read_to_string(program.directory().join("figures.html")).unwrap();
    assert_eq!(html.matches("<svg").count(), 3, "throughput, latency, connections");
    assert!(html.contains("title from"), "{html}");
    assert!(!html.contains("src=") && !html.contains("href="), "{html}");
    let error = program.run("report figures.jsonl --html no/such/directory.html").fails(1);
    assert!(error.contains("cannot write no/such/directory.html"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_those_of_the_last_report() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    record(&program, &watched);
    watched.read(5).await;
    record(&program, &watched);
    let report = program.run("report figures.jsonl --totals --json").json();
    assert_eq!((calls(&report, "title from"), calls(&report, "create table")), (5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_report_the_totals_are_told() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    watched.read(5).await;
    record(&program, &watched);
    let text = program.run("report figures.jsonl").ok();
    assert!(text.contains("totals") && text.contains("1 report\n") && !text.contains("p99*"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_a_recording_is_said_and_only_the_last_run_is_told() {
    let program = Program::new();
    let first = Watched::open(program.directory()).await;
    first.read(50).await;
    record(&program, &first);
    first.db.close().await;
    let second = Watched::open(program.directory()).await;
    second.read(4).await;
    record(&program, &second);
    second.read(3).await;
    record(&program, &second);
    assert_eq!(calls(&program.run("report figures.jsonl --json").json(), "title from"), 3);
    let text = program.run("report figures.jsonl").ok();
    assert!(text.contains("restarted once"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_no_report_is_named_by_its_number() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    record(&program, &watched);
    let recorded = program.read("figures.jsonl");
    program.write("figures.jsonl", &format!("{recorded}dear diary\n"));
    let error = program.run("report figures.jsonl").fails(1);
    assert!(error.contains("figures.jsonl, line 2: not a report"), "{error}");
}

#[test]
fn a_recording_that_is_empty_or_not_there_is_named() {
    let program = Program::new();
    assert!(program.run("report nowhere.jsonl").fails(1).contains("cannot read nowhere.jsonl"));
    program.write("empty.jsonl", "\n");
    let error = program.run("report empty.jsonl").fails(1);
    assert!(error.contains("empty.jsonl holds no report") && error.contains("--record"), "{error}");
}
