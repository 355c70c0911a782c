//! The databases that are read.

use anyhow::Result;
use tallybook::{Database, Error, Settings, Statement, execute, params};
use tallybook_testkit::{Cluster, SqliteFile};

use super::case::Target;
use super::work::ROWS;

const ACCOUNTS: Statement = Statement::per_dialect(
    "CREATE TABLE accounts (id bigint primary key, owner text NOT NULL, cents bigint NOT NULL, opened text NOT NULL)",
    "CREATE TABLE accounts (id integer primary key, owner text NOT NULL, cents integer NOT NULL, opened text NOT NULL)",
);
const NOTES: Statement = Statement::per_dialect(
    "CREATE TABLE notes (id bigint primary key, account_id bigint NOT NULL, body text NOT NULL)",
    "CREATE TABLE notes (id integer primary key, account_id integer NOT NULL, body text NOT NULL)",
);
const INDEX: Statement = Statement::new("CREATE INDEX notes_account ON notes (account_id)");
/// Amounts and numbers of notes are none of accounts.
const FILL_ACCOUNTS: Statement = Statement::new(
    "INSERT INTO accounts \
     WITH RECURSIVE n (i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
     SELECT i, 'owner ' || i, 10000000 + i * 7, '2024-01-01' FROM n",
);
const FILL_NOTES: Statement = Statement::new(
    "INSERT INTO notes \
     WITH RECURSIVE n (i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
     SELECT 20000000 + i, i, 'note on ' || i FROM n",
);

/// A database of one's own, until it is dropped.
pub(super) struct Stage {
    url: String,
    owner: Owner,
}

enum Owner {
    Sqlite { _file: SqliteFile },
    Postgres { _server: Cluster },
}

impl Stage {
    /// An empty one.
    pub(super) fn set(target: Target) -> Result<Self> {
        Ok(match target {
            Target::Sqlite => {
                let file = SqliteFile::new("monitor");
                Self { url: file.url(), owner: Owner::Sqlite { _file: file } }
            }
            Target::Postgres => {
                let server = Cluster::start()?;
                Self { url: server.url("postgres"), owner: Owner::Postgres { _server: server } }
            }
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn target(&self) -> Target {
        match self.owner {
            Owner::Sqlite { .. } => Target::Sqlite,
            Owner::Postgres { .. } => Target::Postgres,
        }
    }

    /// Makes the tables.
    pub(super) async fn fill(&self) -> Result<()> {
        let database = Database::open(Settings::new(&self.url)?).await?;
        let filled = database.write(async |session| {
            for statement in [ACCOUNTS, NOTES, INDEX] {
                session.run(execute(statement, params![])).await?;
            }
            for statement in [FILL_ACCOUNTS, FILL_NOTES] {
                session.run(execute(statement, params![ROWS])).await?;
            }
            Ok::<_, Error>(())
        });
        filled.await?;
        database.close().await;
        Ok(())
    }
}
