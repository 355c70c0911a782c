//! Validates metrics with Prometheus' own tool.

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `promtool check metrics` and returns its exit code and output.
///
/// # Panics
///
/// If it does not run. `scripts/install-needs` installs it.
pub fn promtool(text: &str) -> (Option<i32>, String) {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs; scripts/install-needs installs it");
    tool.stdin.take().expect("its input is piped").write_all(text.as_bytes()).expect("it reads its input");
    let output = tool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("it prints UTF-8"))
}
