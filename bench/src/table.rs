//! Tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::tally::Tally;

/// A table whose first column is text and whose others are figures.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The median and, in brackets, the least and the most.
pub(crate) fn spread(tally: &Tally, show: impl Fn(f64) -> String) -> String {
    format!("{} ({}–{})", show(tally.median), show(tally.least), show(tally.most))
}

/// The median and, in brackets, the quartiles.
pub(crate) fn quartiles(tally: &Tally, show: impl Fn(f64) -> String) -> String {
    format!("{} ({} to {})", show(tally.median), show(tally.lower_quartile), show(tally.upper_quartile))
}

/// Nanoseconds in the unit that reads best.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns.abs() < 10_000.0 => format!("{ns:.0} ns"),
        ns if ns.abs() < 10_000_000.0 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.1} ms", ns / 1e6),
    }
}

/// A size, or a difference of sizes.
pub(crate) fn bytes(bytes: i64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A rate or a count, with its thousands apart.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
