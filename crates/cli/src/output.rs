//! Output: results go to standard output, everything else to standard error.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;
use tallybook::Escaped;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Logs to standard error, from level warn on and Tallybook's own events from info on; RUST_LOG changes that.
/// Findings about this program's own code are left out. For a command that reports all problems itself only errors
/// are logged.
pub(crate) fn start_log(reports_all: bool) {
    let usual = if reports_all { "error" } else { "warn,tallybook=info,tallybook::finding=off" };
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| usual.parse().unwrap_or_default());
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(is_coloured(&io::stderr()));
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// Returns whether output may be coloured: on a terminal, unless `NO_COLOR` is set.
pub(crate) fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|held| held.is_empty())
}

/// Prints an error with its causes, down to the book's or the database layer's error, which says everything.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // A closed pipe (`| head`) is no failure worth a message.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::FAILURE;
    }
    let whole = |cause: &(dyn Error + 'static)| {
        cause.is::<tallybook::book::Error>() || cause.is::<tallybook::Error>()
    };
    let last = error.chain().position(whole).unwrap_or(usize::MAX);
    let causes: Vec<_> = error.chain().take(last.saturating_add(1)).map(ToString::to_string).collect();
    stderr_line(format!("error: {}", causes.join("\n  because: ")));
    ExitCode::FAILURE
}

/// Prints one or several lines. Line breaks in it are this program's own: external text has to pass through
/// [`Escaped`]. Removes all other terminal control characters.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    writeln!(io::stdout(), "{}", safe(text.as_ref()))
}

/// As [`line()`], after words of this program's own that may be coloured.
pub(crate) fn styled(words: &str, text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{words}{}", safe(text))
}

/// As [`line()`], on standard error. Ignores errors, since a closed standard error is no reason to stop.
pub(crate) fn stderr_line(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", safe(text.as_ref()));
}

fn safe(text: &str) -> String {
    text.split('\n').map(|line| Escaped(line).to_string()).collect::<Vec<_>>().join("\n")
}

/// Prints a value as one JSON object.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    writeln!(io::stdout(), "{}", safe_json(&serde_json::to_string_pretty(value)?))
}

/// Prints a value as one JSON object on one line.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<()> {
    writeln!(io::stdout(), "{}", safe_json(&serde_json::to_string(value)?))
}

/// Escapes terminal control characters in JSON: serde_json does so only for those below the space character. They
/// can occur only in strings.
fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for symbol in json.chars() {
        if symbol == '\n' || Escaped::is_safe(symbol) {
            safe.push(symbol);
        } else {
            let mut units = [0; 2];
            safe.extend(symbol.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    safe
}

/// Prints a table; the columns in `numbers` are aligned right.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, numbers: &[usize]) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).remove_style(TableComponent::VerticalLines);
    table.set_style(TableComponent::HeaderLines, '─');
    let rows =
        rows.into_iter().map(|row| row.iter().map(|cell| Escaped(cell).to_string()).collect::<Vec<_>>());
    table.set_header(header.iter().copied()).add_rows(rows);
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    line(table.trim_fmt())
}

/// Formats a number of microseconds.
pub(crate) fn micros(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// Formats a number with thousands separators.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{micros, safe, safe_json, thousands};

    #[test]
    fn a_terminal_sees_no_escape_sequence_and_only_our_own_line_ends() {
        assert_eq!(safe("a\u{1b}[2J\nb\u{9b}1m\r"), "a\\u{1b}[2J\nb\\u{9b}1m\\r");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "a": "x\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}\n東" });
        let json = safe_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(json.contains(r#""x\u001b\u007f\u009b\u202e\udb40\udc41\n東""#), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }

    #[test]
    fn thousands_are_separated() {
        let texts: Vec<_> = [0, 999, 1_000, 1_234_567].into_iter().map(thousands).collect();
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn times_are_shown_in_a_unit_that_fits() {
        let texts: Vec<_> = [7, 9_999, 12_340, 12_340_000].into_iter().map(micros).collect();
        assert_eq!(texts, ["7 µs", "9999 µs", "12.3 ms", "12.3 s"]);
    }
}
