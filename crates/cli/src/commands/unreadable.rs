//! The warning of `migrate check` and `migrate adopt` about values that cannot be read.

use std::time::Duration;

use tallybook::Database;
use tallybook::book::check_rows;
use tokio::time::timeout;

use crate::output;

/// Checks the rows, and prints on standard error which cannot be read and which were not checked. Never fails the
/// command.
pub(super) async fn warn(db: &Database, within: Duration) {
    const FAILED: &str = "warning: could not check for unreadable values";
    let surveys = match timeout(within, check_rows(db)).await {
        Ok(Ok(surveys)) => surveys,
        Ok(Err(error)) => return output::stderr_line(format!("{FAILED}: {error}")),
        Err(_) => return output::stderr_line(format!("{FAILED}: the time limit (--within) has passed")),
    };
    for check_rows in surveys.iter().filter(|check_rows| !check_rows.is_clean()) {
        let kind = if check_rows.unreadable > 0 || check_rows.problem.is_some() { "warning" } else { "note" };
        output::stderr_line(format!("{kind}: {check_rows}"));
    }
    if let Some(check_rows) = surveys.iter().find(|check_rows| check_rows.unreadable > 0) {
        let table = check_rows.table;
        output::stderr_line(format!(
            "reading these rows is an error\n\
             next: correct them; tallybook export {table} {table}.csv --skip-unreadable rejected.csv lists all of a table"
        ));
    }
}
