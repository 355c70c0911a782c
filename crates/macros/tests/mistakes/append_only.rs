//! Rows of an append-only table are neither changed nor deleted, except by a repair.

use tallybook::WriteSession;
use tallybook::tables::{Id, Repository, Table};

#[derive(Clone, Table)]
#[table(name = "events", new = NewEvent, changes = EventChanges, append_only)]
struct Event {
    id: Id<Event>,
    #[table(unique)]
    level: i64,
}

#[derive(Clone, Table)]
#[table(name = "notes", changes = NoteChanges)]
struct Note {
    id: Id<Note>,
    text: String,
}

async fn writes(session: &mut WriteSession, event: Id<Event>, note: Id<Note>) -> tallybook::tables::Result<()> {
    let mut events = Repository::<_, Event>::new(session);
    events.create(&NewEvent { level: 1 }).await?;
    events.repair().update(event, EventChanges::new().level(2)).await?;
    events.repair().delete(event).await?;

    events.update(event, EventChanges::new().level(2)).await?;
    events.delete(event).await?;
    events.add(event, Event::COLUMN.level, 1).await?;
    events.upsert(&NewEvent { level: 1 }, Event::COLUMN.level).await?;
    Repository::<_, Note>::new(session).repair().delete(note).await?;
    Ok(())
}

fn main() {}
