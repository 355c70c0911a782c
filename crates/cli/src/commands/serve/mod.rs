//! `tallybook serve`.

mod demo;
mod workload;

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tallybook::book::{self, Inspection, inspect};
use tallybook::{Database, Settings};
use tallybook_server::{ListenSettings, Listener, ServiceSettings, TlsFiles, list_tokens};

use super::seed::summary;
use crate::args::{Serve, Size};
use crate::database::Endpoint;
use crate::interrupt::Interrupt;
use crate::{output, progress, seed};

/// The size of the generated book that fills a new one.
const DEMO_SIZE: Size = Size { portfolios: 100, trades: 20_000, seed: 1 };
/// Requests that run at a time, for each connection of the pool.
const REQUESTS_PER_CONNECTION: usize = 2;

pub(super) async fn run(target: Endpoint, serve: &Serve, as_json: bool) -> Result<()> {
    if serve.demo {
        return demo::run(&target, serve, as_json).await;
    }
    let mut interrupt = Interrupt::new()?;
    let is_open = serve.listen.ip().is_loopback();
    if !is_open && serve.tls_certificate.is_none() && !serve.plain_http {
        bail!(
            "{} can be reached by others, and passwords and tokens would pass in the clear\nnext: give --tls-certificate and \
             --tls-key, or --plain-http if a proxy in front has TLS",
            serve.listen
        );
    }
    let mut settings = target.settings()?;
    // A service is busy all the time: an overflow would be opened and closed for most requests.
    settings.pool.size += std::mem::take(&mut settings.pool.max_overflow);
    let max_requests = max_requests(serve, &settings);
    let db = Database::open(settings).await?;
    let needs_token = serve.tokens || !is_open;
    interrupt.unless(prepare(&db, needs_token, as_json)).await?;

    let listener = listen(serve).await?;
    let settings = ServiceSettings {
        needs_token,
        has_tls: serve.tls_certificate.is_some(),
        hosts: hosts(serve),
        origins: serve.origins.clone(),
        max_requests,
        ..ServiceSettings::default()
    };
    let routes = tallybook_server::router(&db, settings);
    let scheme = if serve.tls_certificate.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", listener.address()?);
    match as_json {
        true => output::json_line(&json!({ "address": address }))?,
        false => {
            output::line(format!("serving   {address}   try {address}/docs, end with Ctrl-C"))?;
            output::line(format!("dashboard {address}/"))?;
        }
    }
    let finished = tallybook_server::serve(listener, routes, interrupt.any()).await;
    db.close().await;
    all_finished(finished)
}

/// Fails if requests were cut off at the end.
fn all_finished(finished: bool) -> Result<()> {
    if !finished {
        bail!("requests that were still running were cut off");
    }
    Ok(())
}

/// Makes what is missing: a whole book in an empty database, and the service's own tables.
async fn prepare(db: &Database, needs_token: bool, as_json: bool) -> Result<()> {
    let say = |text: String| if as_json { Ok(()) } else { output::line(text) };
    let url = &db.settings().database_url;
    say(format!("database  {url}"))?;
    let inspected = match inspect(db).await {
        Err(error) if error.database().is_some_and(tallybook::Error::is_no_primary) => {
            return read_only(db).await;
        }
        inspected => inspected?,
    };
    match inspected {
        Inspection::Nothing => {
            for change in book::upgrade(db).await? {
                say(format!("upgraded  {} {}", change.id, change.name))?;
            }
            offer_to_fill(db, as_json).await?;
        }
        Inspection::Book => {
            let pending = book::migrator(db).pending(&mut db.read().await?).await?;
            if !pending.is_empty() {
                bail!("{url} lacks the revisions {}\nnext: tallybook migrate upgrade", pending.join(", "));
            }
        }
        _ => {
            bail!("{url} holds tables that are not a Tallybook book\nnext: tallybook migrate adopt --dry-run")
        }
    }
    tallybook_server::upgrade(db).await?;
    if needs_token && list_tokens(db).await?.iter().all(|token| token.revoked_at.is_some()) {
        bail!(
            "there is no token, so nobody could ask for anything\nnext: tallybook token create NAME --scope read"
        );
    }
    Ok(())
}

/// Checks what can be checked on a replica.
async fn read_only(db: &Database) -> Result<()> {
    let pending = book::migrator(db).pending(&mut db.read().await?).await?;
    if !pending.is_empty() {
        bail!("no primary is reachable, and the replica lacks the revisions {}", pending.join(", "));
    }
    output::stderr_line("read only: no primary is reachable; writes are answered with 503 until one is");
    Ok(())
}

/// Fills a new book if a person at the terminal wants that.
async fn offer_to_fill(db: &Database, as_json: bool) -> Result<()> {
    if as_json || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        output::stderr_line("the book is empty; `tallybook seed` fills it with generated trades");
        return Ok(());
    }
    write!(
        io::stdout(),
        "The book is empty. Fill it with {} generated trades? [y/N] ",
        output::thousands(20_000)
    )?;
    io::stdout().flush()?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    if !matches!(answer.await??.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    let start = Instant::now();
    let bar = progress::items("seeding", DEMO_SIZE.trades.into());
    let seeded = seed::load(db, DEMO_SIZE, &bar).await?;
    bar.finish_and_clear();
    if let Some(seeded) = seeded {
        output::line(summary(&seeded, start.elapsed().as_secs_f64()))?;
    }
    Ok(())
}

async fn listen(serve: &Serve) -> Result<Listener> {
    let bound = Listener::bind(listen_settings(serve)).await;
    bound.with_context(|| format!("cannot listen on {}; --listen takes another address", serve.listen))
}

fn max_requests(serve: &Serve, settings: &Settings) -> usize {
    let usual = settings.pool.size * REQUESTS_PER_CONNECTION;
    serve.max_requests.map_or(usual, |requests| requests as usize)
}

fn listen_settings(serve: &Serve) -> ListenSettings {
    let tls = serve.tls_certificate.clone().zip(serve.tls_key.clone());
    ListenSettings {
        address: serve.listen,
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        ..ListenSettings::default()
    }
}

/// Returns the names by which clients may call the service. Elsewhere than on a loopback address its names are not known, and
/// tokens protect it.
fn hosts(serve: &Serve) -> Vec<String> {
    if !serve.listen.ip().is_loopback() {
        return serve.hosts.clone();
    }
    let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    own.into_iter().chain(serve.hosts.iter().cloned()).collect()
}
