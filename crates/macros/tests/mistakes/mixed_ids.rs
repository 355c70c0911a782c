//! An identifier of one table is given for that of another.

use tallybook::ReadSession;
use tallybook::tables::{Id, Repository, Table};

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

async fn note_of(session: &mut ReadSession, author: &Author) -> Option<Note> {
    Repository::<_, Note>::new(session).get(author.id).await.ok()?
}

fn main() {}
