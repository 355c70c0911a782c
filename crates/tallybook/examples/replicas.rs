//! Writes, reads its own writes, and prints once a second which server does what.
//!
//! ```text
//! DATABASE_URL=postgresql://ada@db1,db2/book DB_ENABLE_READ_REPLICA=true \
//!     DB_READ_REPLICA_URL=postgresql://ada@db2/book cargo run --example replicas -- 60
//! ```
//!
//! Stop or promote a server meanwhile. With an SQLite file there is one node.

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use tallybook::{Database, Result, Settings, execute, one, params};

#[tokio::main]
async fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(2);
    let db = Database::open(Settings::from_env()?).await?;
    let table = "CREATE TABLE IF NOT EXISTS replica_example (id bigint PRIMARY KEY, beat bigint NOT NULL)";
    db.write(async |session| session.run(execute(table, params![])).await).await?;
    for second in 1..=seconds {
        let (mut writes, mut reads, mut stale) = (0, 0, 0);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            match write_and_read(&db).await {
                Ok((written, read)) => {
                    writes += 1;
                    reads += 1;
                    stale += i64::from(read < written);
                }
                Err(error) => println!("{error}"),
            }
        }
        println!("second {second}: {writes} writes, {reads} reads after them, {stale} stale");
        for node in db.nodes() {
            let lag = node.lag_bytes.map(|bytes| format!(", {bytes} bytes behind")).unwrap_or_default();
            println!(
                "  {} {} {}: {} sessions{lag} {}",
                node.name, node.role, node.state, node.served, node.reason
            );
        }
    }
    db.write(async |session| session.run(execute("DROP TABLE replica_example", params![])).await).await?;
    db.close().await;
    Ok(())
}

/// Writes a number and returns it with what a read after that commit sees.
async fn write_and_read(db: &Database) -> Result<(i64, i64)> {
    let next = "INSERT INTO replica_example (id, beat) VALUES (1, 1) \
                ON CONFLICT (id) DO UPDATE SET beat = replica_example.beat + 1 RETURNING beat";
    let committed = db.write(async |session| session.run(one::<(i64,)>(next, params![])).await).await?;
    let mut session = db.read_after(&committed.token()).await?;
    let (read,) = session.run(one("SELECT beat FROM replica_example WHERE id = 1", params![])).await?;
    Ok((committed.into_value().0, read))
}
