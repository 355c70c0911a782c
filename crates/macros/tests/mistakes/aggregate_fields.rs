//! Mistakes in the fields of an aggregate, all of which the derive sees.

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
}

#[derive(Aggregate)]
struct NoRoot {
    #[many]
    notes: Vec<Note>,
}

#[derive(Aggregate)]
struct TwoRoots {
    #[root]
    author: Author,
    #[root]
    note: Note,
}

#[derive(Aggregate)]
struct NotMarked {
    #[root]
    author: Author,
    notes: Vec<Note>,
}

#[derive(Aggregate)]
struct ManyOfOne {
    #[root]
    author: Author,
    #[many]
    note: Note,
}

#[derive(Aggregate)]
struct ManyOfOption {
    #[root]
    author: Author,
    #[many]
    note: Option<Note>,
}

#[derive(Aggregate)]
struct OneOfMany {
    #[root]
    author: Author,
    #[one]
    note: Note,
}

#[derive(Aggregate)]
struct UnknownOption {
    #[root]
    author: Author,
    #[many(latest = 3)]
    notes: Vec<Note>,
}

fn main() {}
