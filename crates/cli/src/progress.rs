//! Progress bars, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tallybook::migrate::{Blocker, Progress, StepPosition};

/// Returns a bar of `total` items, on standard error.
pub(crate) fn items(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} eta {eta}")
}

/// Returns a bar of `total` bytes.
pub(crate) fn bytes(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} {wide_bar} {bytes}/{total_bytes} eta {eta}")
}

/// Returns a bar of a known duration; its position is in milliseconds.
pub(crate) fn time(lasts: Duration) -> ProgressBar {
    bar("", lasts.as_millis() as u64, "{elapsed} {wide_bar} {msg}")
}

/// Returns a spinner, for work of unknown extent.
pub(crate) fn waiting(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.set_style(style("{spinner} {msg} {elapsed}"));
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

/// Returns a counter of items whose total is unknown.
pub(crate) fn count(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.set_style(style("{spinner} {msg} {human_pos} {per_sec}"));
    spinner
}

fn bar(what: &'static str, total: u64, template: &str) -> ProgressBar {
    ProgressBar::new(total).with_message(what).with_style(style(template))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants")
}

/// A bar for the steps of revisions, with blockers shown above it.
pub(crate) struct Steps(ProgressBar);

impl Steps {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(100);
        bar.set_style(style("{spinner} {msg} {wide_bar} {pos}% {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Returns whether a terminal shows it.
    pub(crate) fn is_shown(&self) -> bool {
        !self.0.is_hidden()
    }

    /// Removes the bar, so that other output can be printed.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }

    pub(crate) fn show(&self, progress: &Progress) {
        match progress {
            Progress::Started(place) => {
                self.0.set_position(0);
                self.0.set_message(named(place));
            }
            Progress::Building { place, phase, percent, left, blockers } => {
                self.0.set_position(percent.round() as u64);
                let left = left.map(|left| format!(", {left:.0} s left")).unwrap_or_default();
                let waits = if blockers.is_empty() {
                    String::new()
                } else {
                    format!(", waits for {}", all(blockers))
                };
                self.0.set_message(format!("{}: {phase}{left}{waits}", named(place)));
            }
            Progress::Waiting { what, blockers } if blockers.is_empty() => {
                self.0.set_message(format!("waiting for {what}"));
            }
            Progress::Waiting { what, blockers } => {
                self.0.set_message(format!("waiting for {what}, held by {}", all(blockers)));
            }
            Progress::Warning { what, blockers } => {
                self.0.suspend(|| tracing::warn!("{what} {}", all(blockers)));
            }
            _ => {}
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.clear();
    }
}

fn named(place: &StepPosition) -> String {
    format!("{} {}/{} {}", place.revision, place.step, place.of, place.what)
}

fn all(blockers: &[Blocker]) -> String {
    blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
