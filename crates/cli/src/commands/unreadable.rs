//! The warning of `migrate check` and `migrate adopt` about values that can't be read.

use std::io::{self, Write};

use tallybook::{Database, survey};

/// Looks at the rows and tells on standard error which can't be read, and what was not looked at. It ends no command.
pub(super) async fn warn(db: &Database) {
    let surveys = match survey(db).await {
        Ok(surveys) => surveys,
        Err(error) => {
            let _ = writeln!(io::stderr(), "warning: could not look whether all values can be read: {error}");
            return;
        }
    };
    for survey in surveys.iter().filter(|survey| !survey.is_clean()) {
        let kind = if survey.unreadable > 0 || survey.problem.is_some() { "warning" } else { "note" };
        let _ = writeln!(io::stderr(), "{kind}: {survey}");
    }
    if let Some(survey) = surveys.iter().find(|survey| survey.unreadable > 0) {
        let table = survey.table;
        let _ = writeln!(
            io::stderr(),
            "reading these rows is an error\n\
             next: correct them; tallybook export {table} {table}.csv --skip-unreadable rejected.csv lists all of a table"
        );
    }
}
