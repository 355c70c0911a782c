//! Processes that use the testkit and can be killed.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const VARIABLE: &str = "TALLYBOOK_TESTKIT_ROLE";

/// This program again, running one ignored test as a process that the starting test can kill.
pub(crate) struct Process {
    child: Child,
    /// The text that it printed.
    pub(crate) told: String,
}

impl Process {
    /// Starts the process that runs the test `role`, with its temporary files in `directory`, and waits for the
    /// text it prints.
    pub(crate) fn start(role: &str, directory: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", role, "--ignored", "--nocapture"])
            .env(VARIABLE, role)
            .env("TMPDIR", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let told = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("told: ")?.1.to_owned()))
            .expect("the process tells something");
        Self { child, told }
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// In the process: prints a text for the starting test, and waits to be killed.
#[expect(clippy::print_stdout, reason = "this is how processes talk")]
pub(crate) fn tell(text: &str) {
    println!("told: {text}");
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

/// Returns whether a test started this process, rather than a person who runs ignored tests.
pub(crate) fn is_started_by_a_test() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Waits until the condition is true.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "not {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns whether any process was started with `directory`: a server or its reaper.
pub(crate) fn is_in_use(directory: &Path) -> bool {
    let directory = directory.to_str().unwrap();
    let commands = fs::read_dir("/proc").unwrap().flatten();
    commands
        .filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok())
        .any(|command| command.contains(directory))
}
