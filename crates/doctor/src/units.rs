//! Formatting: sizes and times for people, quoting for shells and SQL.

const KIB: f64 = 1024.0;

/// Formats bytes in the unit that fits, named as in PostgreSQL's settings.
pub(super) fn bytes(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size.abs() >= KIB && unit + 1 < units.len() {
        size /= KIB;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && size.abs() < 10.0);
    format!("{size:.digits$} {}", units[unit])
}

/// Formats seconds in the largest unit of which there are at least two.
pub(super) fn seconds(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Formats a number with thousands separators.
pub(super) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    format!("{}{}", if number < 0 { "-" } else { "" }, groups.join(","))
}

/// Quotes a text as a word of a POSIX shell.
pub(super) fn shell(text: &str) -> String {
    let is_plain = |symbol: char| symbol.is_ascii_alphanumeric() || "-_./:=@,".contains(symbol);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Quotes a text as an SQL literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Formats a count with its noun, in the plural if needed.
pub(super) fn counted(count: usize, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_a_unit_that_fits() {
        let sizes: Vec<_> = [0, 1023, 1024, 1536, 16 << 20, 3 << 30].into_iter().map(bytes).collect();
        assert_eq!(sizes, ["0 bytes", "1023 bytes", "1.0 kB", "1.5 kB", "16 MB", "3.0 GB"]);
        let times: Vec<_> = [5, 119, 120, 7_200, 200_000].into_iter().map(seconds).collect();
        assert_eq!(times, ["5 s", "119 s", "2 min", "2 h", "2 days"]);
        assert_eq!(thousands(-1_234_567), "-1,234,567");
    }

    #[test]
    fn texts_are_quoted_for_shells_and_sql() {
        assert_eq!(shell("/run/book.db"), "/run/book.db");
        assert_eq!(shell("a b'c"), "'a b'\\''c'");
        assert_eq!(literal("o'clock"), "'o''clock'");
    }
}
