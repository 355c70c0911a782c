//! The events that the viewers of a dashboard receive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::{Interval, Report};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::cut::listed;
use super::history::History;
use super::looked::Looked;
use super::sample::Sample;
use super::state::State;
use super::statement_window::StatementWindow;
use super::verdicts::{Evidence, WatchedSettings};

/// Viewers at a time.
const MAX_VIEWERS: usize = 64;
/// Events that a slow viewer may be behind; it misses older ones.
const MAX_BEHIND: usize = 16;

/// The newest figures with their histories, and those who look at them.
#[derive(Debug)]
pub(super) struct Live {
    shown: Mutex<Shown>,
    events: broadcast::Sender<Bytes>,
    places: Arc<Semaphore>,
    looked: Looked,
    settings: WatchedSettings,
}

#[derive(Debug, Default)]
struct Shown {
    report: Option<Arc<Report>>,
    history: History,
    window: StatementWindow,
    /// Why the program cannot be reached.
    gone: Option<String>,
}

impl Shown {
    /// Adds what happened in the newest interval.
    fn add(&mut self, lately: &Report) {
        let interval = Interval::of(lately);
        // Between two reports of one moment nothing happened.
        if interval.elapsed.is_zero() {
            return;
        }
        self.window.add(lately);
        if self.history.add(&interval) {
            self.window.turn();
        }
    }
}

/// A place among the viewers.
#[derive(Debug)]
pub(super) struct Viewer {
    /// The events that tell what has happened so far.
    pub(super) greeting: Bytes,
    pub(super) events: broadcast::Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

#[derive(Serialize)]
struct Hello<'a> {
    source: Program<'a>,
    history: Samples<'a>,
}

#[derive(Serialize)]
struct Samples<'a> {
    fine: Vec<&'a Sample>,
    coarse: Vec<&'a Sample>,
}

#[derive(Serialize)]
struct Program<'a> {
    database: &'a str,
    process: u32,
    since: DateTime<Utc>,
    version: &'static str,
    has_database: bool,
}

#[derive(Serialize)]
struct Gone<'a> {
    reason: &'a str,
}

impl Live {
    pub(super) fn new(settings: WatchedSettings) -> Self {
        Self {
            shown: Mutex::default(),
            events: broadcast::Sender::new(MAX_BEHIND),
            places: Arc::new(Semaphore::new(MAX_VIEWERS)),
            looked: Looked::default(),
            settings,
        }
    }

    /// Takes a new report, and tells the viewers.
    pub(super) fn add(&self, report: Report) {
        let mut guard = self.shown();
        let shown = &mut *guard;
        shown.gone = None;
        let earlier = shown.report.take();
        let lately = earlier.as_ref().and_then(|earlier| report.since(earlier));
        match &lately {
            Some(lately) => shown.add(lately),
            // Restarted: its statements begin again, while the charts go on.
            None => shown.window = StatementWindow::default(),
        }
        shown.report = Some(Arc::new(report));
        if self.events.receiver_count() == 0 {
            return;
        }
        if lately.is_none() {
            self.send(self.greeting(shown));
        } else if let Some(report) = &shown.report {
            self.send(self.tick(report, shown, false));
        }
    }

    /// Notes that the program cannot be reached, and tells the viewers once.
    pub(super) fn lose(&self, reason: String) {
        let mut shown = self.shown();
        if shown.gone.is_none() {
            self.send(event("gone", &Gone { reason: listed(&reason) }));
        }
        shown.gone = Some(reason);
    }

    /// Returns a place for a viewer; `None` if all are taken.
    pub(super) fn join(&self) -> Option<Viewer> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        // Under the lock, so that no event is missed or told twice.
        let shown = self.shown();
        let events = self.events.subscribe();
        Some(Viewer { greeting: self.greeting(&shown), events, _place: place })
    }

    /// Returns what was looked at on demand.
    pub(super) fn looked(&self) -> &Looked {
        &self.looked
    }

    /// Returns the newest report, if there is one.
    pub(super) fn report(&self) -> Option<Arc<Report>> {
        self.shown().report.clone()
    }

    /// Calls a function with the window of the statements.
    pub(super) fn window<T>(&self, read: impl FnOnce(&StatementWindow) -> T) -> T {
        read(&self.shown().window)
    }

    /// Returns the events that tell what has happened so far. The newest sample is in the tick.
    fn greeting(&self, shown: &Shown) -> Bytes {
        let Shown { report, history, gone, .. } = shown;
        let mut text = Vec::new();
        if let Some(report) = report {
            let program = Program {
                database: listed(&report.database),
                process: report.process,
                since: report.since,
                version: env!("CARGO_PKG_VERSION"),
                has_database: self.settings.has_database,
            };
            let earlier = history.fine().len().saturating_sub(1);
            let samples = Samples {
                fine: history.fine().iter().take(earlier).collect(),
                coarse: history.coarse().iter().collect(),
            };
            text.extend(event("hello", &Hello { source: program, history: samples }));
            if history.newest().is_some() {
                text.extend(self.tick(report, shown, true));
            }
        }
        if let Some(reason) = gone {
            text.extend(event("gone", &Gone { reason: listed(reason) }));
        }
        text.into()
    }

    /// Returns the event with the state.
    fn tick(&self, report: &Report, shown: &Shown, is_first: bool) -> Vec<u8> {
        let answers = self.looked.answers();
        let (history, window) = (&shown.history, &shown.window);
        let evidence = Evidence { report, history, window, answers: &answers, settings: self.settings };
        let state = State::new(&evidence);
        event("tick", &if is_first { state.without_coarse() } else { state })
    }

    fn send(&self, event: impl Into<Bytes>) {
        // Without viewers nobody receives it.
        let _ = self.events.send(event.into());
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the text of a server-sent event. JSON has no line breaks, so it is one line.
fn event(name: &str, data: &impl Serialize) -> Vec<u8> {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut text, data) {
        tracing::error!(target: "tallybook::server", reason = %error, "the dashboard's figures cannot be written as JSON");
    }
    text.extend_from_slice(b"\n\n");
    text
}
