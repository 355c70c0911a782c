//! Prints index advice. Each section is a file.

mod drops;
mod figures;
mod indexes;
mod outcomes;
mod refusals;

use std::io;

use serde::Serialize;
use tallybook::Escaped;
use tallybook_advise::{Advice, AdvisedRevision, Outcome};

use crate::output;

/// Exit code if there is advice, as the doctor's for warnings.
const HAS_ADVICE: u8 = 3;
/// Identifier of the revision, unless one is given.
const REVISION: &str = "advised_indexes";

/// The printed advice, and the exit code.
#[derive(Serialize)]
pub(crate) struct PrintedAdvice {
    #[serde(flatten)]
    advice: Advice,
    revision: AdvisedRevision,
    /// Promise and gain of earlier advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcomes: Option<Vec<Outcome>>,
    /// Database whose statements were examined, without its password.
    seen_at: String,
    pub(crate) exit_code: u8,
}

impl PrintedAdvice {
    pub(crate) fn new(
        advice: Advice,
        outcomes: Option<Vec<Outcome>>,
        revision: Option<&str>,
        seen_at: String,
    ) -> Self {
        let exit_code = if advice.is_empty() { 0 } else { HAS_ADVICE };
        Self { revision: advice.revision(revision.unwrap_or(REVISION)), advice, outcomes, seen_at, exit_code }
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let Advice { database, watched, statements, .. } = &self.advice;
        output::line(format!(
            "{} statements, watched for {}, tried on a scratch copy of {}",
            output::thousands(statements.len() as u64),
            figures::time(*watched),
            Escaped(database)
        ))?;
        if self.seen_at != *database {
            output::line(format!("the statements were seen at {}", Escaped(&self.seen_at)))?;
        }
        for note in &self.advice.notes {
            output::line(format!("note: {}", Escaped(note)))?;
        }
        if let Some(outcomes) = &self.outcomes {
            outcomes::print(outcomes, self.advice.unit)?;
        }
        indexes::print(&self.advice)?;
        drops::print(&self.advice)?;
        refusals::print(&self.advice)?;
        if self.advice.is_empty() {
            output::line("\nnothing to do")?;
        }
        Ok(())
    }

    pub(crate) fn print_revision(&self) -> io::Result<()> {
        let Advice { add, drop, .. } = &self.advice;
        if add.is_empty() && drop.is_empty() {
            return output::line("// no index to add or to drop");
        }
        output::line(escaped_lines(&self.revision.rust))?;
        output::line("\n// The same in SQL, each statement by itself:")?;
        self.revision.sql.iter().try_for_each(|sql| output::line(format!("// {}", Escaped(sql))))
    }
}

fn escaped_lines(text: &str) -> String {
    text.lines().map(|line| Escaped(line).to_string()).collect::<Vec<_>>().join("\n")
}
