//! Prints what was examined without advice.

use std::io;

use tallybook::Escaped;
use tallybook_advise::Advice;

use super::figures::statement;
use crate::output;

pub(super) fn print(advice: &Advice) -> io::Result<()> {
    if advice.refusals.is_empty() {
        return Ok(());
    }
    output::line("\nNo advice for")?;
    for refusal in &advice.refusals {
        output::line(format!("  {}", Escaped(&statement(&refusal.statement))))?;
        let index = refusal.index.as_ref().map(|index| format!("{index}: ")).unwrap_or_default();
        output::line(format!("    {}{}", Escaped(&index), Escaped(&refusal.reason)))?;
    }
    Ok(())
}
