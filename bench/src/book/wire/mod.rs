//! The messages and system calls of an operation: Tallybook beside peers written by hand.

mod options;
mod system_calls;
mod traffic;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::options::Size;
use super::questions::Questions;
use super::stage::{self, Stage};
use super::target::Target;
use super::work::Work;
use crate::json;
use crate::runtime::runtime;
use crate::table::table;
pub use options::Options;
use system_calls::SystemCalls;
use traffic::Traffic;

/// Of a small book: neither figure depends on its size.
const SIZE: Size = Size::of(40_000);

/// Everything that was counted.
#[derive(Debug, Default, Serialize)]
struct Report {
    traffic: Vec<Traffic>,
    system_calls: Vec<SystemCalls>,
}

/// Counts the messages and system calls of every work, at one task, and prints them.
///
/// # Errors
/// If a server or a book could not be made, or a peer failed.
pub fn run(options: &Options) -> Result<()> {
    if let Some(peer) = &options.alone {
        return runtime()?.block_on(system_calls::work_alone(options, peer));
    }
    let program = stage::program(options.program.as_deref())?;
    let mut report = Report::default();
    for target in options.targets() {
        count(target, &program, options, &mut report)?;
    }
    report.print();
    json::write(&report, options.json.as_deref())
}

fn count(target: Target, program: &Path, options: &Options, report: &mut Report) -> Result<()> {
    let stage = Stage::set(target, SIZE, program)?;
    let works = options.works();
    if let Some(server) = stage.server() {
        report.traffic = runtime()?.block_on(async {
            let questions = Arc::new(Questions::find(stage.url(), Vec::new()).await?);
            traffic::measure(server, &questions, &works).await
        })?;
    }
    report.system_calls.extend(system_calls::measure(target, &stage, &works)?);
    Ok(())
}

impl Report {
    fn print(&self) {
        if !self.traffic.is_empty() {
            let head = [
                "PostgreSQL, for one operation",
                "messages sent",
                "of them Sync or Query",
                "bytes sent",
                "messages received",
                "of them ReadyForQuery",
                "bytes received",
            ];
            println!("\n{}", table(head, self.traffic.iter().map(Traffic::row)));
        }
        if self.system_calls.is_empty() {
            println!("\nSystem calls: not measured, strace is not installed (Debian: apt install strace).");
        } else {
            let head = ["for one operation, 1 task", "system calls", "the most frequent"];
            println!("\n{}", table(head, self.system_calls.iter().map(SystemCalls::row)));
        }
    }
}

/// How a work of a peer is called in the tables.
fn title(work: Work, peer: &str) -> String {
    format!("{}, {peer}", work.title())
}
