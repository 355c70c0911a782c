//! Files of reports: one line of JSON each.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tallybook::{Interval, Report, ReportSocket};

use super::timeline::Timeline;

const TOO_LONG: &str =
    "more than 32 MiB: not a program's report, or one of too many statements; see DB_MONITOR_STATEMENTS";

/// A file to which reports are appended.
pub(crate) struct Recorder {
    file: File,
    path: PathBuf,
}

impl Recorder {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::options().append(true).create(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(crate) fn append(&mut self, report: &Report) -> Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The recorded reports of the program's last run.
pub(crate) struct Recording {
    /// Number of reports, including those of earlier runs.
    pub(crate) records: usize,
    /// Number of restarts of the program in between.
    pub(crate) restarts: usize,
    first: Report,
    last: Report,
    timeline: Timeline,
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let place = path.display();
        let file = File::open(path).with_context(|| format!("cannot read {place}"))?;
        let mut recording: Option<Self> = None;
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        for index in 0.. {
            line.clear();
            let read = (&mut file).take(ReportSocket::MAX_REPORT + 1).read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read {place}"))? == 0 {
                break;
            }
            if line.len() as u64 > ReportSocket::MAX_REPORT {
                bail!("{place}, line {}: {TOO_LONG}", index + 1);
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let report: Report = serde_json::from_slice(&line).with_context(|| {
                format!("{place}, line {}: not a report written by tallybook watch --record", index + 1)
            })?;
            match &mut recording {
                Some(recording) => recording.add(report),
                None => {
                    let timeline = Timeline::default();
                    recording =
                        Some(Self { records: 1, restarts: 0, first: report.clone(), last: report, timeline });
                }
            }
        }
        let Some(recording) = recording else {
            bail!("{place} holds no report\nnext: tallybook watch --record {place}");
        };
        Ok(recording)
    }

    fn add(&mut self, report: Report) {
        self.records += 1;
        match report.since(&self.last) {
            Some(lately) => self.timeline.add(Interval::of(&lately)),
            None => self.timeline.interrupt(),
        }
        if (report.process, report.since) != (self.last.process, self.last.since) {
            self.restarts += 1;
            self.first = report.clone();
        }
        self.last = report;
    }

    /// Returns what happened over time, restarts included.
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Returns the last report.
    pub(crate) fn last(&self) -> &Report {
        &self.last
    }

    /// Returns the difference between the first and the last report; `None` if there is only one.
    pub(crate) fn span(&self) -> Option<Report> {
        self.last.since(&self.first).filter(|span| span.since < span.at)
    }
}
