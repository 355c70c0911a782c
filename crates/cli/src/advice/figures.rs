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

/// Characters of a statement that are shown, and of a list of columns.
const MAX_STATEMENT: usize = 240;
const MAX_COLUMNS: usize = 40;

/// Returns a statement with long lists of columns cut: what an index depends on comes behind them.
pub(super) fn statement(text: &str) -> String {
    let cut = |text: &str, longest: usize| match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    match text.split_once(" from ") {
        Some((columns, rest)) if text.chars().count() > MAX_STATEMENT / 2 => {
            cut(&format!("{} from {rest}", cut(columns, MAX_COLUMNS)), MAX_STATEMENT)
        }
        _ => cut(text, MAX_STATEMENT),
    }
}

/// Returns a part as a percentage.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

#[cfg(test)]
mod tests {
    use super::statement;

    #[test]
    fn a_long_list_of_columns_is_cut_and_its_conditions_stay() {
        let columns = vec!["some_column"; 30].join(", ");
        let text = statement(&format!("select {columns} from trades where portfolio_id = ?"));
        assert_eq!(text, "select some_column, some_column, some_co… from trades where portfolio_id = ?");
        assert_eq!(statement("select 1 from t"), "select 1 from t");
        assert_eq!(statement(&"ä".repeat(1_000)).chars().count(), 241);
    }
}
