//! Several statements in one batch: one round trip, one snapshot.
//!
//! `cargo run --example batch`, or with a database of your own: `cargo run --example batch -- postgresql://…`

#![allow(clippy::print_stdout)] // what an example is for

use tallybook::{Database, Result, Settings, all, one, optional, params};

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "sqlite::memory:".to_owned());
    let db = Database::open(Settings::new(&url)?).await?;
    let mut session = db.read().await?;

    // A tuple of queries returns a tuple of results, each of its own type.
    let (answer, nothing, squares) = session
        .run((
            one::<(i64, String)>("SELECT $1, $2", params![42, "the answer"]),
            optional::<(i64,)>("SELECT $1 WHERE $1 > 10", params![1]),
            all::<(i64,)>(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT i * i FROM n",
                params![5],
            ),
        ))
        .await?;
    println!("{answer:?}, {nothing:?}, {squares:?}");

    let counts = session.counts();
    println!("{} statements in {} round trip", counts.statements, counts.round_trips);
    assert_eq!((counts.statements, counts.round_trips), (3, 1));
    Ok(())
}
