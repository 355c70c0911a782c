//! A struct in an aggregate is no table.

use tallybook::Row;
use tallybook::tables::{Aggregate, Id, Table};

#[derive(Clone, Table)]
#[table(name = "authors")]
struct Author {
    id: Id<Author>,
}

#[derive(Clone, Row)]
struct Note {
    id: i64,
    author_id: Id<Author>,
}

#[derive(Aggregate)]
struct AuthorWithNotes {
    #[root]
    author: Author,
    #[many]
    notes: Vec<Note>,
}

fn main() {}
