//! `tallybook watch`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Program;
use crate::watched::Watched;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The calls of the statement that reads titles.
fn calls(report: &serde_json::Value) -> u64 {
    let statements = report["statements"].as_array().unwrap().iter();
    let reads =
        statements.filter(|statement| statement["statement"].as_str().unwrap().contains("title from"));
    reads.map(|statement| statement["calls"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_no_terminal_the_figures_are_printed_once_as_text() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    watched.read(7).await;
    let out = program.run(&watched.words("watch")).ok();
    for part in
        ["statements/s", "Pools", "readers", "Statements by total time", "title from notes", "watched.rs:"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(out.contains("nothing was slow or failed") && out.contains("Findings"), "{out}");
    let widest = out.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns: {out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_as_json_is_one_report() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    watched.read(7).await;
    assert_eq!(calls(&program.run(&watched.words("watch --once --json")).json()), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_may_be_that_of_the_environment() {
    let program = Program::new();
    let _watched = Watched::open(program.directory()).await;
    let out = program.run_with("watch --once", &[("DB_MONITOR_SOCKET", "figures.sock")], "").ok();
    assert!(out.contains("sqlite"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_there_is_a_report_each_interval_and_again_when_the_program_returns() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    let mut watch = Watch(
        program
            .command(&watched.words("watch --json --interval 0.1"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let since = next()["since"].clone();
    watched.read(3).await;
    assert!((0..100).any(|_| calls(&next()) == 3));
    watched.db.close().await;
    let _again = Watched::open(program.directory()).await;
    assert!((0..100).any(|_| next()["since"] != since), "it is found again");
}

#[test]
fn without_a_socket_it_says_what_to_set_and_where() {
    let program = Program::new();
    let error = program.run("watch --record figures.jsonl").fails(1);
    assert!(error.contains("DB_MONITOR_SOCKET=/path/to.sock in the program to watch"), "{error}");
    let error = program.run("watch nowhere.sock --record figures.jsonl").fails(1);
    assert!(error.contains("no program serves nowhere.sock") && error.contains("next:"), "{error}");
    assert!(!program.directory().join("figures.jsonl").exists(), "nothing was recorded");
}

#[test]
fn the_socket_of_a_program_that_was_killed_is_called_so() {
    let program = Program::new();
    drop(UnixListener::bind(program.directory().join("stale.sock")).unwrap());
    let error = program.run("watch stale.sock").fails(1);
    assert!(error.contains("no program serves stale.sock any more"), "{error}");
}

#[test]
fn a_socket_that_something_else_serves_is_named() {
    let program = Program::new();
    let listener = UnixListener::bind(program.directory().join("other.sock")).unwrap();
    let server = std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.write_all(b"220 mail.example\n").unwrap();
        // It waits for the client, which has to leave by itself.
        client.read_to_end(&mut Vec::new()).unwrap();
    });
    let error = program.run("watch other.sock").fails(1);
    assert!(error.contains("other.sock is served by something else"), "{error}");
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn q_gives_the_terminal_back() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    watched.read(7).await;
    let mut terminal = Terminal::open(&program, &watched.words("watch"));
    terminal.wait_for("title from notes");
    terminal.write("q");
    assert!(terminal.end().ends_with_terminal_restored());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal_a_closed_program_is_waited_for() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    let mut terminal = Terminal::open(&program, &watched.words("watch --interval 0.1"));
    terminal.wait_for("statements/s");
    watched.db.close().await;
    terminal.wait_for("waiting for it to return");
    // Ctrl-C.
    terminal.write("\u{3}");
    assert!(terminal.end().ends_with_terminal_restored());
}

/// A watch that ends with its test.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program on a terminal: `script` makes one.
struct Terminal {
    script: Watch,
    seen: String,
}

impl Terminal {
    fn open(program: &Program, words: &str) -> Self {
        let command = format!("stty rows 24 cols 100; {} {words}", env!("CARGO_BIN_EXE_tallybook"));
        let script = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .current_dir(program.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { script: Watch(script), seen: String::new() }
    }

    fn write(&mut self, keys: &str) {
        self.script.0.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        // A screen is drawn in parts; what is the same stays. Spaces are jumped over.
        let squeezed = |text: &str| text.replace(' ', "");
        while !squeezed(&visible(&self.seen)).contains(&squeezed(text)) {
            assert!(Instant::now() < deadline, "{text}: {}", self.seen);
            let mut part = [0; 4_096];
            let length = self.script.0.stdout.as_mut().unwrap().read(&mut part).unwrap();
            assert!(length > 0, "it ended: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&part[..length]));
        }
    }

    fn end(mut self) -> Ended {
        let mut rest = Vec::new();
        self.script.0.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        let status = self.script.0.wait().unwrap();
        Ended { is_ok: status.success(), text: String::from_utf8_lossy(&rest).into_owned() }
    }
}

struct Ended {
    is_ok: bool,
    text: String,
}

impl Ended {
    fn ends_with_terminal_restored(&self) -> bool {
        const LEAVE_ALTERNATE_SCREEN: &str = "\u{1b}[?1049l";
        const SHOW_CURSOR: &str = "\u{1b}[?25h";
        self.is_ok && self.text.contains(LEAVE_ALTERNATE_SCREEN) && self.text.contains(SHOW_CURSOR)
    }
}

/// What is written to a terminal, without its control sequences.
fn visible(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut visible, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1);
        visible.push_str(&part[end..]);
        visible
    })
}
