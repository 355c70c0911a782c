//! System calls, counted by strace over processes of a single peer.

use std::collections::BTreeMap;
use std::env::{current_exe, var};
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::{Options, title};
use crate::book::peers::{self, BY_HAND, ByHand};
use crate::book::questions::Questions;
use crate::book::stage::Stage;
use crate::book::target::Target;
use crate::book::work::Work;

/// How often all questions are asked in the two runs.
const PASSES: [u32; 2] = [5, 45];
/// Calls that are named.
const NAMED: usize = 7;
/// Rarer ones are noise.
const LEAST: f64 = 0.05;

/// The system calls of one peer.
#[derive(Debug, Serialize)]
pub(super) struct SystemCalls {
    target: Target,
    peer: &'static str,
    work: Work,
    /// Of one operation, by name.
    calls: BTreeMap<String, f64>,
}

/// Without strace, none.
pub(super) fn measure(target: Target, stage: &Stage, works: &[Work]) -> Result<Vec<SystemCalls>> {
    match Command::new("strace").arg("--version").stdout(Stdio::null()).status() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => ensure!(result?.success(), "strace --version failed"),
    }
    let mut all = Vec::new();
    for &work in works {
        for peer in BY_HAND.iter().filter(|peer| peer.is_on(target)) {
            let [few, many] = PASSES.map(|passes| traced(stage, *peer, work, passes));
            let (few, many) = (few?, many?);
            // Every work asks the same number of questions in a pass, but for pages, of which there is one.
            let passes = f64::from(PASSES[1] - PASSES[0]) * many.questions;
            let each = |(name, count): (&String, &u64)| {
                let before = few.calls.get(name).copied().unwrap_or_default();
                (name.clone(), (*count as f64 - before as f64) / passes)
            };
            let calls = many.calls.iter().map(each).filter(|(_, each)| *each >= LEAST).collect();
            all.push(SystemCalls { target, peer: peer.name(), work, calls });
        }
    }
    Ok(all)
}

/// The counts of strace for a process, and its number of questions in a pass.
struct Traced {
    calls: BTreeMap<String, u64>,
    questions: f64,
}

fn traced(stage: &Stage, peer: ByHand, work: Work, passes: u32) -> Result<Traced> {
    let file = tempfile::NamedTempFile::new()?;
    let work = work.to_possible_value().context("a work without a name")?;
    let output = Command::new("strace")
        .args(["--follow-forks", "--summary-only", "--output"])
        .arg(file.path())
        .arg(current_exe()?)
        .args(["--alone", peer.name(), "--work", work.get_name(), "--passes", &passes.to_string()])
        // The URL has a password in it, so it is no argument, which everyone may read.
        .env("BENCH_URL", stage.url())
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "strace failed: {}", String::from_utf8_lossy(&output.stderr));
    let questions = String::from_utf8(output.stdout)?.trim().parse().context("no number of questions")?;
    Ok(Traced { calls: summary(&std::fs::read_to_string(file.path())?), questions })
}

/// The counts of a summary: share, seconds, microseconds a call, calls, errors if there are any, name.
fn summary(text: &str) -> BTreeMap<String, u64> {
    let count = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (name, calls) = (*fields.last()?, fields.get(3)?.parse().ok()?);
        (name != "total").then(|| (name.to_owned(), calls))
    };
    text.lines().filter_map(count).collect()
}

/// The process that strace watches.
pub(super) async fn work_alone(options: &Options, peer: &str) -> Result<()> {
    let url = var("BENCH_URL").context("BENCH_URL is not set")?;
    let target = if url.starts_with("sqlite:") { Target::Sqlite } else { Target::Postgres };
    let peer = BY_HAND.iter().find(|known| known.name() == peer && known.is_on(target));
    let peer = peer.context("no peer of this name")?;
    let questions = Arc::new(Questions::find(&url, Vec::new()).await?);
    let contestant = peers::by_hand(*peer, &url, &questions).await?;
    for work in options.works() {
        for _ in 0..options.passes {
            contestant.check(work).await?;
        }
        println!("{}", questions.of(work).len());
    }
    Ok(())
}

impl SystemCalls {
    pub(super) fn row(&self) -> [String; 3] {
        let mut calls: Vec<_> = self.calls.iter().collect();
        calls.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let named: Vec<_> =
            calls.iter().take(NAMED).map(|(name, each)| format!("{name} {each:.1}")).collect();
        [
            format!("{}, {}", self.target, title(self.work, self.peer)),
            format!("{:.1}", self.calls.values().sum::<f64>()),
            named.join(", "),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_with_errors_and_without() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                     60.00    0.000600           3       200       100 recvfrom\n\
                     40.00    0.000400           4       100           sendto\n\
                    100.00    0.001000           3       300       100 total\n";
        let expected = [("recvfrom".to_owned(), 200), ("sendto".to_owned(), 100)];
        assert_eq!(summary(text), BTreeMap::from(expected));
    }
}
