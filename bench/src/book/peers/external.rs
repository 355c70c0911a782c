//! A peer in a process of its own: it times its own loops, and is told what to do by a line of JSON on its standard
//! input, each answered by a line. `python/peer.py` describes the lines.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json};
use tokio::task::spawn_blocking;

use crate::book::checksum::Checksum;
use crate::book::contestant::{Contestant, Trial, Turn};
use crate::book::questions::Questions;
use crate::book::work::Work;

pub(super) struct External {
    name: &'static str,
    process: Arc<Process>,
}

/// It ends when it is dropped.
struct Process {
    child: Mutex<Child>,
    lines: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl External {
    /// SQLAlchemy on the database at `url`, which may hold a password, so it is no argument.
    pub(super) fn sqlalchemy(
        name: &'static str,
        python: &Path,
        url: &str,
        questions: &Questions,
    ) -> Result<Arc<dyn Contestant>> {
        let script = directory().join("peer.py");
        let mut command = Command::new(python);
        command.arg(script).env("BENCH_URL", url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", python.display()))?;
        let mut input = child.stdin.take().context("it has no input")?;
        let output = BufReader::new(child.stdout.take().context("it has no output")?);
        writeln!(input, "{}", serde_json::to_string(questions)?)?;
        let process = Process { child: Mutex::new(child), lines: Mutex::new((input, output)) };
        Ok(Arc::new(Self { name, process: Arc::new(process) }))
    }

    fn ask<T: DeserializeOwned + Send + 'static>(&self, command: Value) -> Trial<T> {
        let process = Arc::clone(&self.process);
        Box::pin(async move { spawn_blocking(move || process.ask(&command)).await? })
    }
}

/// Where the script is, and the Python that `install.sh` makes.
pub(super) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// The versions of a Python and its SQLAlchemy, in one line.
pub(in crate::book) fn versions(python: &Path) -> Result<String> {
    const PRINT: &str = "import platform as p; from importlib.metadata import version as v; print('Python', \
                         p.python_version() + ',', ', '.join(f'{n} {v(n)}' for n in ('SQLAlchemy', 'asyncpg', 'aiosqlite')))";
    let output = Command::new(python).args(["-c", PRINT]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Process {
    fn ask<T: DeserializeOwned>(&self, command: &Value) -> Result<T> {
        let (input, output) = &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(input, "{command}")?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).context("the process said nothing")?;
        if let Some(error) = answer.get("error") {
            bail!("{error}");
        }
        Ok(from_value(answer.take())?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Contestant for External {
    fn name(&self) -> &'static str {
        self.name
    }

    fn check(&self, work: Work) -> Trial<Option<Checksum>> {
        self.ask(json!({ "do": "check", "work": work.place() }))
    }

    fn slice(&self, work: Work, tasks: usize, time: Duration) -> Trial<Turn> {
        let seconds = time.as_secs_f64();
        let own = self
            .ask::<Own>(json!({ "do": "slice", "work": work.place(), "tasks": tasks, "seconds": seconds }));
        Box::pin(async {
            let Own { turns, seconds, processor } = own.await?;
            let (time, client) =
                (Duration::try_from_secs_f64(seconds)?, Duration::try_from_secs_f64(processor)?);
            Ok(Turn { operations: turns, time, client: Some(client), server: None })
        })
    }
}

/// The process's own measurements of its turn.
#[derive(serde::Deserialize)]
struct Own {
    turns: f64,
    seconds: f64,
    processor: f64,
}
