//! `tallybook serve --demo`: a temporary book on which work runs, and the dashboard over it.

use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use serde_json::json;
use tallybook::{Database, Settings, book};
use tallybook_server::{Listener, ServiceSettings};

use super::workload::Workload;
use super::{all_finished, hosts, listen};
use crate::args::{Serve, Size};
use crate::database::Endpoint;
use crate::interrupt::Interrupt;
use crate::temp_database::TempDatabase;
use crate::{output, seed};

/// The book: small enough to be there within a second or two.
const SIZE: Size = Size { portfolios: 25, trades: 3_000, seed: 1 };
/// The work is on a small book, so what counts as slow or as held too long is less than in production.
const SLOW: Duration = Duration::from_millis(15);
const HELD_TOO_LONG: Duration = Duration::from_secs(4);

pub(super) async fn run(target: &Endpoint, serve: &Serve, as_json: bool) -> Result<()> {
    if target.named().is_some() {
        bail!("--demo works on a book of its own, so it takes no --database\nnext: tallybook serve --demo");
    }
    if !serve.listen.ip().is_loopback() {
        bail!("--demo asks for no token, so it listens on a loopback address only; {} is none", serve.listen);
    }
    let interrupt = Interrupt::new()?;
    let listener = listen(serve).await?;
    // Nothing of the environment: neither its database nor its socket.
    let mut settings = Settings::new("sqlite::memory:")?;
    settings.log.slow_threshold = SLOW;
    settings.pool.leak_threshold = Some(HELD_TOO_LONG);
    let book = TempDatabase::create_with(settings).await?;
    book.run_to_the_end(async |db| show(db, serve, listener, interrupt, as_json).await).await
}

async fn show(
    db: &Database,
    serve: &Serve,
    listener: Listener,
    mut interrupt: Interrupt,
    as_json: bool,
) -> Result<()> {
    interrupt.unless(prepare(db)).await?;
    let workload = Workload::start(db).await?;
    let address = format!("http://{}/", listener.address()?);
    match as_json {
        true => output::json_line(&json!({ "address": address }))?,
        false => {
            output::line(format!("database  {}   temporary", db.settings().database_url))?;
            output::line(format!("dashboard {address}   end with Ctrl-C"))?;
        }
    }
    let settings = ServiceSettings { hosts: hosts(serve), ..ServiceSettings::default() };
    let finished =
        tallybook_server::serve(listener, tallybook_server::router(db, settings), interrupt.any()).await;
    workload.stop().await;
    all_finished(finished)
}

async fn prepare(db: &Database) -> Result<()> {
    book::upgrade(db).await?;
    tallybook_server::upgrade(db).await?;
    seed::load(db, SIZE, &ProgressBar::hidden()).await?;
    Ok(())
}
