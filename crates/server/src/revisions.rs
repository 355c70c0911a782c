//! The revisions of the service's own tables: a history of their own, named `server`, beside the book's.

use tallybook::Database;
use tallybook::book::Result;
use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};

const HISTORY: &str = "server";

const REVISIONS: &[Revision] = &[Revision::new(
    "0001",
    "access tokens, and the journal of writes",
    &[
        Step::table(
            "tallybook_tokens",
            &[
                Column::new("id", Type::Id),
                Column::new("name", Type::Varchar(100)),
                Column::new("hash", Type::Varchar(64)),
                Column::new("scope", Type::Varchar(10)),
                Column::new("requests_per_second", Type::Integer).null(),
                Column::new("created_at", Type::Timestamp),
                Column::new("revoked_at", Type::Timestamp).null(),
                Column::new("updated_at", Type::Timestamp),
            ],
        ),
        Step::unique_index("ix_tallybook_tokens_name", "tallybook_tokens", &["name"]),
        Step::table(
            "tallybook_requests",
            &[
                Column::new("id", Type::Id),
                Column::new("token_id", Type::Integer),
                Column::new("client", Type::Varchar(100)),
                Column::new("request_id", Type::Varchar(64)),
                Column::new("method", Type::Varchar(10)),
                Column::new("path", Type::Varchar(255)),
                Column::new("status", Type::Integer),
                Column::new("idempotency_key", Type::Varchar(255)).null(),
                Column::new("fingerprint", Type::Varchar(64)).null(),
                Column::new("answer", Type::Text).null(),
                Column::new("created_at", Type::Timestamp),
            ],
        ),
        Step::unique_index(
            "ix_tallybook_requests_key",
            "tallybook_requests",
            &["token_id", "idempotency_key"],
        ),
        Step::index("ix_tallybook_requests_created", "tallybook_requests", &["created_at"]),
    ],
)];

/// Returns the migrator of the service's own tables.
pub(crate) fn migrator(db: &Database) -> Migrator<'_> {
    Migrator::named(db, HISTORY, REVISIONS)
}

/// Creates the service's own tables, or brings them to their newest revision. It touches no other table.
///
/// # Errors
/// As [`Migrator::upgrade`].
pub async fn upgrade(db: &Database) -> Result<()> {
    // On the heap, so that the futures of callers stay small.
    Box::pin(migrator(db).upgrade(&Target::Head)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::REVISIONS;
    use crate::access::Token;
    use crate::journal::Entry;

    #[test]
    fn the_tables_are_declared_as_the_revisions_make_them() {
        tallybook::check!(REVISIONS; Token, Entry);
    }
}
