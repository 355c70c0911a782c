//! A failover under load, recorded: a replica hangs and returns, the primary is killed, a replica takes over.

mod load;
mod recording;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tallybook::{Database, Settings, execute, params};
use tallybook_testkit::Cluster;
use tokio::time::sleep;

use crate::runtime::runtime;
use crate::table::count;
use load::{Load, Tasks};
use recording::Recording;

/// The options of the failover.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  cargo run --release --bin failover -- --record failover.jsonl
  tallybook report failover.jsonl --html failover.html")]
pub struct Options {
    /// Append a report to this file five times a second, for `tallybook report`.
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// Seconds between one event and the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pause: u64,
}

/// Starts a primary with two replicas, reads and writes, and lets servers fail meanwhile.
///
/// # Errors
/// When no server could be started, or when the file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let primary = Cluster::start()?;
    let replicas = [primary.standby()?, primary.standby()?];
    let urls = replicas.each_ref().map(|replica| replica.url("postgres")).join(",");
    // A replica that may become the primary is listed with it.
    let own_host = format!("127.0.0.1:{}", primary.port());
    let hosts = [&primary, &replicas[0]].map(|server| format!("127.0.0.1:{}", server.port())).join(",");
    let candidates = primary.url("postgres").replace(&own_host, &hosts);
    runtime()?.block_on(async {
        let settings = Settings::from_lookup(|name| match name {
            "DATABASE_URL" => Some(candidates.clone()),
            "DB_READ_REPLICA_URL" => Some(urls.clone()),
            "DB_ENABLE_READ_REPLICA" => Some("true".to_owned()),
            _ => None,
        })?;
        let db = Database::open(settings).await?;
        let table = "CREATE TABLE notes (id bigint generated always as identity primary key, title text)";
        db.write(async |session| session.run(execute(table, params![])).await).await?;
        for replica in &replicas {
            replica.catch_up(&primary)?;
        }
        let recording = Recording::start(db.clone(), &options.record)?;
        let load = Load::default();
        let tasks = Tasks::start(&db, &load);
        let pause = Duration::from_secs(options.pause);
        let events: [(&str, &dyn Fn() -> Result<()>); 4] = [
            ("a replica hangs", &|| Ok(replicas[1].hang()?)),
            ("it goes on", &|| Ok(replicas[1].resume()?)),
            ("the primary is killed", &|| Ok(primary.kill()?)),
            ("a replica is promoted", &|| Ok(replicas[0].promote()?)),
        ];
        for (event, happen) in events {
            sleep(pause).await;
            println!("{:5.1} s  {event}", recording.elapsed().as_secs_f64());
            tokio::task::block_in_place(happen)?;
        }
        sleep(pause).await;
        tasks.stop().await;
        recording.finish().await.with_context(|| format!("cannot write {}", options.record.display()))?;
        println!("\n{}", summary(&load));
        db.close().await;
        anyhow::Ok(())
    })
}

fn summary(load: &Load) -> String {
    let number = |counter: &std::sync::atomic::AtomicU64| {
        count(counter.load(std::sync::atomic::Ordering::Relaxed) as f64)
    };
    format!(
        "reads: {} answered, {} failed\nwrites: {} committed, {} refused, {} unknown",
        number(&load.reads),
        number(&load.failed_reads),
        number(&load.writes),
        number(&load.refused_writes),
        number(&load.unknown_writes),
    )
}
