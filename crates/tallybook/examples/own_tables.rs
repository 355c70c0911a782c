//! Tables and SQL of your own, without the trading book.
//!
//! `cargo run --example own_tables`

#![allow(clippy::print_stdout)] // what an example is for

use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::{Database, Result, Row, Settings, all, one, params};

const REVISIONS: &[Revision] = &[Revision::new(
    "0001",
    "notes",
    &[Step::table(
        "notes",
        &[
            Column::new("id", Type::Id),
            Column::new("author", Type::Varchar(40)),
            Column::new("stars", Type::BigInt).null(),
        ],
    )],
)];

#[derive(Debug, Row)]
struct Note {
    id: i64,
    #[row(max = 40)]
    author: String,
    stars: Option<i64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    Migrator::new(&db, REVISIONS).upgrade(&Target::Head).await?;

    // One transaction: Ok commits, Err or a panic rolls back.
    let written = db
        .write(async |session| -> Result<Vec<(i64,)>> {
            let insert = |author: &str, stars: Option<i64>| {
                one("INSERT INTO notes (author, stars) VALUES ($1, $2) RETURNING id", params![author, stars])
            };
            // Several statements, one round trip.
            session.run(vec![insert("ada", Some(5)), insert("grace", None), insert("ada", Some(3))]).await
        })
        .await?;
    println!("wrote the notes {:?}", written.value());

    let mut session = db.read().await?;
    let notes = session
        .run(all::<Note>("SELECT id, author, stars FROM notes WHERE author = $1 ORDER BY id", params!["ada"]))
        .await?;
    for Note { id, author, stars } in notes {
        println!("note {id} by {author}: {} stars", stars.unwrap_or(0));
    }
    println!("{:?}", session.counts());
    Ok(())
}
