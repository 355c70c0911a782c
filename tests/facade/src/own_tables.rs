//! The code of the section "Test your tables" of `docs/own-tables.md`.

#![allow(unreachable_pub, reason = "users copy it")]

// As in the documentation:
use tallybook::Database;
use tallybook::migrate::{Column, Revision, Step, Type};
use tallybook::tables::{Id, Repository, Result, Table};

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "notes", new = NewNote)]
pub struct Note {
    pub id: Id<Note>,
    #[table(max = 40)]
    pub author: String,
    pub stars: Option<i64>,
}

pub const DESK: &[Revision] = &[Revision::new(
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

#[test]
fn the_table_fits_its_revisions() {
    tallybook::check!(DESK; Note); // without a database
}

#[tallybook::test(migrations = DESK)]
async fn the_database_takes_every_statement(db: Database) {
    tallybook::check!(DESK, db; Note); // and on each dialect
}

#[tallybook::test(migrations = DESK)]
async fn a_note_is_kept(db: Database) -> Result<()> {
    let new = NewNote { author: "ada".to_owned(), stars: Some(5) };
    let create = db.write(async |session| Repository::<_, Note>::new(session).create(&new).await);
    let kept = create.await?.into_value();
    let read = Repository::<_, Note>::new(&mut db.read().await?).get(kept.id).await?;
    assert_eq!(read, Some(kept));
    Ok(())
}
// As far as in the documentation.

#[test]
fn the_documentation_shows_this_code() {
    let (_, rest) = include_str!("own_tables.rs").split_once("// As in the documentation:\n").unwrap();
    let (code, _) = rest.split_once("// As far as in the documentation.\n").unwrap();
    assert!(include_str!("../../../docs/own-tables.md").contains(&format!("```rust,ignore\n{code}```\n")));
}

#[test]
fn the_documentation_shows_what_a_check_prints() {
    let mut note = tallybook::tables::Declaration::of::<Note>();
    let mut columns = note.columns.to_vec();
    columns[1].max = Some(50);
    note.columns = columns.leak();
    let printed = tallybook::check::revisions(DESK, &[note]).to_string();
    assert!(
        include_str!("../../../docs/own-tables.md").contains(&format!("```text\n{printed}\n```\n")),
        "{printed}"
    );
}
