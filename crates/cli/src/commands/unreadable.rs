//! The warning of `migrate check` and `migrate adopt` about values that cannot be read.

use std::time::Duration;

use tallybook::Database;
use tallybook::book::survey;
use tokio::time::timeout;

use crate::output;

/// Checks the rows, and prints on standard error which cannot be read and which were not checked. Never fails the
/// command.
pub(super) async fn warn(db: &Database, within: Duration) {
    const FAILED: &str = "warning: could not check for unreadable values";
    let surveys = match timeout(within, survey(db)).await {
        Ok(Ok(surveys)) => surveys,
        Ok(Err(error)) => return output::stderr_line(format!("{FAILED}: {error}")),
        Err(_) => return output::stderr_line(format!("{FAILED}: the time limit (--within) has passed")),
    };
    for survey in surveys.iter().filter(|survey| !survey.is_clean()) {
        let kind = if survey.unreadable > 0 || survey.problem.is_some() { "warning" } else { "note" };
        output::stderr_line(format!("{kind}: {survey}"));
    }
    if let Some(survey) = surveys.iter().find(|survey| survey.unreadable > 0) {
        let table = survey.table;
        output::stderr_line(format!(
            "reading these rows is an error\n\
             next: correct them; tallybook export {table} {table}.csv --skip-unreadable rejected.csv lists all of a table"
        ));
    }
}
