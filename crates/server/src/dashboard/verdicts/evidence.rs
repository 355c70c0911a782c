//! The data behind the judgements.

use std::time::Duration;

use tallybook::{MonitorMode, Report};

use super::super::history::History;
use super::super::looked::Answers;
use super::super::statement_window::StatementWindow;

/// The data behind the judgements.
#[derive(Clone, Copy)]
pub(in super::super) struct Evidence<'a> {
    pub(in super::super) report: &'a Report,
    pub(in super::super) history: &'a History,
    pub(in super::super) window: &'a StatementWindow,
    pub(in super::super) answers: &'a Answers,
    pub(in super::super) settings: WatchedSettings,
}

/// The settings of the watched program that the judgements depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct WatchedSettings {
    /// The age at which a session is held too long.
    pub(in super::super) leak_threshold: Duration,
    /// The extent of the monitoring; `None` if it is not known.
    pub(in super::super) mode: Option<MonitorMode>,
    /// Set if the database can be asked.
    pub(in super::super) has_database: bool,
}
