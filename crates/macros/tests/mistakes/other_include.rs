//! The relations of one aggregate are included in a load of another table.

use tallybook::ReadSession;
use tallybook::tables::{Aggregate, Id, Include, Repository, Table};

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
struct AuthorView {
    #[root]
    author: Author,
    #[many]
    notes: Option<Vec<Note>>,
}

fn load(session: &mut ReadSession, include: Include<AuthorView>) {
    Repository::<_, Note>::new(session).including(include);
}

fn main() {}
