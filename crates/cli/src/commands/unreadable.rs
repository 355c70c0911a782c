//! The warning of `migrate check` and `migrate adopt` about values that can't be read.

use std::time::Duration;

use tallybook::{Database, survey};
use tokio::time::timeout;

use crate::output;

/// Looks at the rows and tells on standard error which can't be read, and what was not looked at. It ends no command.
pub(super) async fn warn(db: &Database, within: Duration) {
    const FAILED: &str = "warning: could not look whether all values can be read";
    let surveys = match timeout(within, survey(db)).await {
        Ok(Ok(surveys)) => surveys,
        Ok(Err(error)) => return output::say(format!("{FAILED}: {error}")),
        Err(_) => return output::say(format!("{FAILED}: the time of --within is over")),
    };
    for survey in surveys.iter().filter(|survey| !survey.is_clean()) {
        let kind = if survey.unreadable > 0 || survey.problem.is_some() { "warning" } else { "note" };
        output::say(format!("{kind}: {survey}"));
    }
    if let Some(survey) = surveys.iter().find(|survey| survey.unreadable > 0) {
        let table = survey.table;
        output::say(format!(
            "reading these rows is an error\n\
             next: correct them; tallybook export {table} {table}.csv --skip-unreadable rejected.csv lists all of a table"
        ));
    }
}
