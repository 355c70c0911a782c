//! Running the program.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program in an empty environment and a directory of its own, so that nothing outside decides a test.
pub(crate) struct Program {
    directory: tempfile::TempDir,
}

/// What the program printed and how it ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs it with words separated by spaces.
    pub(crate) fn run(&self, words: &str) -> Run {
        self.run_with(words, &[], "")
    }

    /// The command that runs it.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallybook"));
        command.args(words.split_whitespace()).env_clear().current_dir(self.directory());
        command
    }

    /// Runs it with variables and standard input.
    pub(crate) fn run_with(&self, words: &str, variables: &[(&str, &str)], input: &str) -> Run {
        let mut child = self
            .command(words)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses early does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    pub(crate) fn write(&self, file: &str, content: &str) {
        std::fs::write(self.directory().join(file), content).unwrap();
    }

    /// Runs SQL on the SQLite file that commands use by default, as another program would.
    pub(crate) fn sqlite(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.directory().join("tallybook.db")).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory().join(file)).unwrap()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// The standard output of a run that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// The standard error of a run that failed with this exit code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.err
    }

    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

/// What Ctrl-C sends.
pub(crate) fn interrupt(child: &std::process::Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}
