//! No field of the rows refers to the root.

use tallybook::tables::{Aggregate, Id, Table};

#[derive(Clone, Table)]
#[table(name = "authors")]
struct Author {
    id: Id<Author>,
}

#[derive(Clone, Table)]
#[table(name = "notes")]
struct Note {
    id: Id<Note>,
    author_id: i64,
}

#[derive(Aggregate)]
struct AuthorWithNotes {
    #[root]
    author: Author,
    #[many]
    notes: Vec<Note>,
}

fn main() {}
