//! Mistakes in the options of a table, all of which the derive sees.

use chrono::{DateTime, Utc};
use tallybook::tables::{Id, Table};

#[derive(Clone, Table)]
struct NoName {
    id: Id<NoName>,
}

#[derive(Clone, Table)]
#[table(name = "notes")]
struct NoId {
    text: String,
}

#[derive(Clone, Table)]
#[table(name = "notes")]
struct PlainId {
    id: i64,
}

#[derive(Clone, Table)]
#[table(name = "notes")]
struct IdOfAnother {
    id: Id<PlainId>,
}

#[derive(Clone, Table)]
#[table(name = "notes", sorted = written_at)]
struct UnknownOption {
    id: Id<UnknownOption>,
}

#[derive(Clone, Table)]
#[table(name = "notes")]
struct UnknownOptionOfAField {
    id: Id<UnknownOptionOfAField>,
    #[table(constant)]
    text: String,
}

#[derive(Clone, Table)]
#[table(name = "notes", order = created_at)]
struct OrderedByNoField {
    id: Id<OrderedByNoField>,
    written_at: DateTime<Utc>,
}

#[derive(Clone, Table)]
#[table(name = "notes", order = written_at)]
struct OrderedByAnOption {
    id: Id<OrderedByAnOption>,
    written_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Table)]
#[table(name = "notes", append_only)]
struct TouchesWhatIsOnlyAppended {
    id: Id<TouchesWhatIsOnlyAppended>,
    #[table(touch)]
    updated_at: DateTime<Utc>,
}

#[derive(Clone, Table)]
#[table(name = "notes")]
struct TouchesAnotherColumn {
    id: Id<TouchesAnotherColumn>,
    #[table(touch)]
    changed_at: DateTime<Utc>,
}

fn main() {}
