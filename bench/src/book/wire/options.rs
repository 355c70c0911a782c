//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::book::target::Target;
use crate::book::work::Work;

/// Counts the protocol's messages and the system calls of an operation, for Tallybook and peers written by hand.
///
/// Messages pass a proxy that tells them apart. System calls are counted by strace over two runs of different length,
/// whose difference leaves out the start; without strace they are left out, and it says so.
#[derive(Debug, Parser)]
pub struct Options {
    /// Only on this dialect.
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Target>,
    /// Only this work; may be given several times.
    #[arg(long, value_name = "WORK")]
    pub(super) work: Vec<Work>,
    /// The program `tallybook` that makes the book, instead of building it.
    #[arg(long, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
    /// Write everything that was counted to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Work as this peer and count nothing: the process that strace watches.
    #[arg(long, hide = true)]
    pub(super) alone: Option<String>,
    /// How often it does all questions of the work.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(super) passes: u32,
}

impl Options {
    pub(super) fn targets(&self) -> Vec<Target> {
        Target::ALL.into_iter().filter(|target| self.dialect.is_none_or(|only| only == *target)).collect()
    }

    /// Those that one database answers by itself; all unless some are named.
    pub(super) fn works(&self) -> Vec<Work> {
        let counted = |work: &Work| !matches!(work, Work::Distant | Work::Record | Work::Load);
        let is_wanted = |work: &Work| self.work.is_empty() || self.work.contains(work);
        Work::ALL.into_iter().filter(|work| counted(work) && is_wanted(work)).collect()
    }
}
