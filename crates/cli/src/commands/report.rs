//! `tallybook report`.

use anyhow::Result;
use tallybook::Escaped;

use crate::args::Report;
use crate::atomic_file::write_text;
use crate::figures::{RatedReport, Recording, Span, page, print};
use crate::output;

pub(super) fn run(args: &Report, as_json: bool) -> Result<()> {
    let recording = Recording::read(&args.file)?;
    let (records, restarts) = (recording.records, recording.restarts);
    let span = recording.span().filter(|_| !args.totals);
    if let Some(path) = &args.html {
        return write_text(path, &page(recording.timeline(), span.as_ref().unwrap_or(recording.last())));
    }
    let (report, span) = match span {
        Some(span) => (span, Span::Part),
        None => (recording.last().clone(), Span::Run),
    };
    if as_json {
        output::json(&report)?;
        return Ok(());
    }
    let of = match span {
        Span::Part => "what happened between the first and the last of",
        Span::Run => "totals since the database was opened, from the last of",
    };
    let reports = if records == 1 { "report" } else { "reports" };
    output::line(format!(
        "{}: {of} {} {reports}",
        Escaped(&args.file.display().to_string()),
        output::thousands(records as u64)
    ))?;
    if restarts > 0 {
        let often = if restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
        output::line(format!("the program was restarted {often} in between: this is its last run"))?;
    }
    print(&RatedReport::whole(report, span), args.sort)?;
    Ok(())
}
