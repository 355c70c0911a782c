//! Axes: their unit, and how their values are written.

use chrono::{DateTime, Utc};

/// The unit of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The text beside the axis; may be empty.
    pub label: String,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Count,
    Seconds,
    Time,
}

impl Axis {
    /// An axis of counts or rates, written as `1.2k`.
    pub fn count(label: impl Into<String>) -> Self {
        Self { label: label.into(), unit: Unit::Count }
    }

    /// An axis of durations in seconds, written in the unit that reads best.
    pub fn seconds() -> Self {
        Self { label: String::new(), unit: Unit::Seconds }
    }

    /// An axis of moments, in seconds since 1970, written as the time of day in UTC.
    pub fn time() -> Self {
        Self { label: "UTC".to_owned(), unit: Unit::Time }
    }

    /// Returns the text of a value.
    pub(crate) fn text(&self, value: f64) -> String {
        match self.unit {
            Unit::Count => count(value),
            Unit::Seconds => seconds(value),
            Unit::Time => DateTime::<Utc>::from_timestamp(value.round() as i64, 0)
                .map_or_else(String::new, |time| time.format("%H:%M:%S").to_string()),
        }
    }
}

fn count(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => trimmed(value / 1e6, "M"),
        size if size >= 1e3 => trimmed(value / 1e3, "k"),
        _ => trimmed(value, ""),
    }
}

fn seconds(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1.0 => trimmed(value, " s"),
        size if size >= 1e-3 => trimmed(value * 1e3, " ms"),
        _ => trimmed(value * 1e6, " µs"),
    }
}

/// Returns a number with at most two decimals and no zeros behind them.
fn trimmed(value: f64, unit: &str) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if text == "-0" { "0" } else { text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_read_them() {
        let durations = [0.0, 0.000_25, 0.0047, 0.05, 1.5, 90.0].map(|value| Axis::seconds().text(value));
        assert_eq!(durations, ["0", "250 µs", "4.7 ms", "50 ms", "1.5 s", "90 s"]);
        let counts = [0.0, 7.0, 0.25, 1_200.0, 2_000_000.0].map(|value| Axis::count("").text(value));
        assert_eq!(counts, ["0", "7", "0.25", "1.2k", "2M"]);
        assert_eq!(Axis::time().text(1_700_000_000.0), "22:13:20");
    }
}
