//! Progress of long work, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` items, on standard error.
pub(crate) fn items(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} eta {eta}")
}

/// A bar of `total` bytes.
pub(crate) fn bytes(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} {wide_bar} {bytes}/{total_bytes} eta {eta}")
}

/// A bar of a time that is known; its position is in milliseconds.
pub(crate) fn time(lasts: Duration) -> ProgressBar {
    bar("", lasts.as_millis() as u64, "{elapsed} {wide_bar} {msg}")
}

/// A count of items whose number is not known.
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
