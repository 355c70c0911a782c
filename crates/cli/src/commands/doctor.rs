//! `tallybook doctor`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use tallybook::Settings;
use tallybook::book::REVISIONS;
use tallybook_doctor::{Doctor, Report};

use crate::args;
use crate::database::Endpoint;
use crate::doctor::PrintedReport;
use crate::progress;

pub(super) async fn run(target: Endpoint, args: &args::Doctor, as_json: bool) -> Result<ExitCode> {
    let named = target.named().map(str::to_owned);
    let report = match target.settings() {
        Ok(settings) => {
            let within = Duration::from_secs(args.within);
            let spinner = progress::waiting("checking all nodes");
            let report = Doctor::new(&settings, REVISIONS).within(within).examine().await;
            spinner.finish_and_clear();
            report
        }
        Err(error) => match error.downcast_ref::<tallybook::Error>() {
            Some(error) => Report::of_unreadable(error),
            None => return Err(error),
        },
    };
    // An unreadable file is a finding already.
    let printed = PrintedReport::new(report, Settings::variables().unwrap_or_default(), named.as_deref());
    if as_json {
        printed.print_json()?;
    } else {
        printed.print()?;
    }
    Ok(ExitCode::from(printed.exit_code))
}
