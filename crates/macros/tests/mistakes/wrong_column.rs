//! `by` names a column that does not exist, and one that refers to another table.

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
    author_id: Id<Author>,
    editor_id: Id<Author>,
    replaces_id: Option<Id<Note>>,
}

#[derive(Aggregate)]
struct NoSuchColumn {
    #[root]
    author: Author,
    #[many(by = writer_id)]
    notes: Vec<Note>,
}

#[derive(Aggregate)]
struct ColumnOfAnother {
    #[root]
    author: Author,
    #[many(by = replaces_id)]
    notes: Vec<Note>,
}

fn main() {}
