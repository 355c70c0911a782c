//! Formats numbers, times and call sites in few characters.

use std::time::Duration;

use tallybook::{Escaped, SourceLocation};

/// Formats a time in three digits and a unit.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_nanos() {
        0 => "0".to_owned(),
        1..1_000_000 => three_digits(seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => three_digits(seconds * 1e3, "ms"),
        1_000_000_000..1_000_000_000_000 => three_digits(seconds, "s"),
        _ => uptime(time),
    }
}

/// Formats a long time in its two largest units.
pub(crate) fn uptime(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    match minutes {
        0 => format!("{seconds}s"),
        1..60 => format!("{minutes}m {seconds:02}s"),
        60..1_440 => format!("{}h {:02}m", minutes / 60, minutes % 60),
        _ => format!("{}d {:02}h", minutes / 1_440, minutes / 60 % 24),
    }
}

/// Formats a count in at most five characters.
pub(super) fn count(count: u64) -> String {
    let number = count as f64;
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => three_digits(number / 1e3, "k"),
        1_000_000..1_000_000_000 => three_digits(number / 1e6, "M"),
        _ => three_digits(number / 1e9, "G"),
    }
}

/// Formats a number of bytes.
pub(super) fn bytes(count: u64) -> String {
    let number = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => three_digits(number / 1e3, " kB"),
        1_000_000..1_000_000_000 => three_digits(number / 1e6, " MB"),
        _ => three_digits(number / 1e9, " GB"),
    }
}

/// Formats a number of events a second.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..0.01 => "<0.01".to_owned(),
        ..1_000.0 => three_digits(rate, ""),
        _ => count(rate.round() as u64),
    }
}

/// Formats a share in per cent.
pub(super) fn percent(part: Duration, whole: Duration) -> String {
    if whole.is_zero() {
        return "0%".to_owned();
    }
    match 100.0 * part.as_secs_f64() / whole.as_secs_f64() {
        0.0 => "0%".to_owned(),
        ..0.1 => "<0.1%".to_owned(),
        percent => three_digits(percent, "%"),
    }
}

fn three_digits(number: f64, unit: &str) -> String {
    let decimals = match number {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}{unit}")
}

/// Formats a call site; empty if unknown.
pub(super) fn site(at: Option<&SourceLocation>) -> String {
    at.map(ToString::to_string).unwrap_or_default()
}

/// Puts a text on one line, and cuts its end if it is too long.
pub(super) fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) if width == 0 => String::new(),
        Some(_) => text.chars().take(width - 1).chain(['…']).collect(),
    }
}

/// Cuts the beginning of a text if it is too long: the end of a path says more.
pub(super) fn cut_left(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    std::iter::once('…').chain(text.chars().skip(length - width + 1)).collect()
}

/// Wraps a text at `width` characters, at spaces where possible.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(&Escaped(line).to_string(), width.max(1))).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let indent = line.chars().take_while(|&c| c == ' ').count().min(width / 2);
    let mut lines = Vec::new();
    let mut rest: Vec<char> = line.trim_end().chars().collect();
    while rest.len() > width {
        let space = rest[..=width].iter().rposition(|&c| c == ' ').filter(|&space| space > indent);
        let after = rest.split_off(space.unwrap_or(width));
        lines.push(rest.into_iter().collect());
        // Continuation lines are indented like their first line.
        let words = after.into_iter().skip_while(|&c| c == ' ');
        rest = std::iter::repeat_n(' ', indent).chain(words).collect();
    }
    lines.push(rest.into_iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let texts: Vec<_> = [0, 412, 1_234, 56_789, 999_999, 12_340_000, 59_000_000, 5_400_000_000]
            .map(|micros| time(Duration::from_micros(micros)))
            .into();
        assert_eq!(texts, ["0", "412µs", "1.23ms", "56.8ms", "1000ms", "12.3s", "59.0s", "1h 30m"]);
    }

    #[test]
    fn counts_and_rates_have_five_characters_at_most() {
        assert_eq!(
            [0, 9_999, 10_000, 123_456, 7_654_321].map(count),
            ["0", "9999", "10.0k", "123k", "7.65M"]
        );
        assert_eq!(
            [0.0, 0.001, 0.5, 12.34, 999.9, 12_345.6].map(rate),
            ["0", "<0.01", "0.50", "12.3", "1000", "12.3k"]
        );
    }

    #[test]
    fn shares_are_in_per_cent() {
        let share = |part| percent(Duration::from_secs(part), Duration::from_secs(10_000));
        assert_eq!([0, 1, 1_234, 10_000].map(share), ["0%", "<0.1%", "12.3%", "100%"]);
        assert_eq!(percent(Duration::ZERO, Duration::ZERO), "0%");
    }

    #[test]
    fn statements_lose_their_end_and_call_sites_their_beginning() {
        assert_eq!(
            (cut("select id", 7), cut("select id", 9)),
            ("select…".to_owned(), "select id".to_owned())
        );
        assert_eq!(cut_left("src/repositories/trades.rs:42", 12), "…rades.rs:42");
        assert_eq!((cut("a", 0), cut_left("a", 0)), (String::new(), String::new()));
    }

    proptest! {
        #[test]
        fn wrapping_keeps_every_word_and_the_width(words in prop::collection::vec("[a-zé]{1,12}", 0..30), width in 1..40_usize) {
            let lines = wrap(&words.join(" "), width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
            let kept: String = lines.concat().split(' ').collect();
            prop_assert_eq!(kept, words.concat());
        }
    }
}
