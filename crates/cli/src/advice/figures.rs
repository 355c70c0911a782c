//! Figures as text.

use tallybook_advise::WorkUnit;

use crate::output::{micros, thousands};

/// Returns a duration in seconds as text.
pub(super) fn time(seconds: f64) -> String {
    match seconds * 1e6 {
        micros if micros < 100.0 => format!("{micros:.1} µs"),
        short => micros(short as u64),
    }
}

/// Returns a size in bytes as text.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes >> 10),
        _ => format!("{} MB", bytes >> 20),
    }
}

/// Returns some work as text.
pub(super) fn work(work: f64) -> String {
    if work < 100.0 { format!("{work:.1}") } else { thousands(work as u64) }
}

pub(super) fn unit(unit: WorkUnit) -> &'static str {
    match unit {
        WorkUnit::PlanCost => "plan cost",
        _ => "VM steps",
    }
}

/// Returns a part as a percentage.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}
