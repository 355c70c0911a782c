//! `tallybook doctor`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use tallybook::engine::doctor::{Doctor, Report};
use tallybook::{REVISIONS, Settings};

use crate::args;
use crate::database::Target;
use crate::doctor::Told;
use crate::progress;

pub(super) async fn run(target: Target, args: &args::Doctor, as_json: bool) -> Result<ExitCode> {
    let named = target.named().map(str::to_owned);
    let report = match target.settings() {
        Ok(settings) => {
            let within = Duration::from_secs(args.within);
            let spinner = progress::waiting("looking at all nodes");
            let report = Doctor::new(&settings, REVISIONS).within(within).examine().await;
            spinner.finish_and_clear();
            report
        }
        Err(error) => match error.downcast_ref::<tallybook_engine::Error>() {
            Some(error) => Report::of_unreadable(error),
            None => return Err(error),
        },
    };
    // A file that can't be read is a finding already.
    let told = Told::new(report, Settings::held().unwrap_or_default(), named.as_deref());
    if as_json {
        told.print_json()?;
    } else {
        told.print()?;
    }
    Ok(ExitCode::from(told.exit_code))
}
