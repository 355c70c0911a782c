//! What a task does, again and again.

use anyhow::{Result, ensure};
use tallybook::{Database, ReadSession, Scope, Statement, all, one, params};

use super::mode::Mode;

/// Rows of each table.
pub(super) const ROWS: i64 = 10_000;
/// Reads of a session that does several.
const READS: u32 = 100;
/// Accounts of an eager read; each has a note.
const PAGE: i64 = 100;

const ACCOUNT: Statement = Statement::new("SELECT id, owner, cents, opened FROM accounts WHERE id = $1");
const ACCOUNTS: Statement =
    Statement::new("SELECT id, owner, cents, opened FROM accounts WHERE id >= $1 ORDER BY id LIMIT 100");
const NOTES: Statement = Statement::per_dialect(
    "SELECT id, account_id, body FROM notes WHERE account_id = ANY($1)",
    "SELECT id, account_id, body FROM notes WHERE account_id IN rarray($1)",
);

type Account = (i64, String, i64, String);
type Note = (i64, i64, String);

/// One turn of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A session that reads a row by its key.
    Read,
    /// A session that does so for [`READS`] different keys.
    Reads,
    /// A session that reads accounts, and then their notes in one statement.
    EagerRead,
}

impl Work {
    /// Statements of a turn.
    pub(super) fn statements(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Reads => READS,
            Self::EagerRead => 2,
        }
    }

    /// Takes a turn.
    pub(super) async fn turn(self, mode: Mode, database: &Database, keys: &mut Keys) -> Result<()> {
        if mode == Mode::Scoped {
            Scope::new("a turn").run(self.read(database, keys)).await
        } else {
            self.read(database, keys).await
        }
    }

    async fn read(self, database: &Database, keys: &mut Keys) -> Result<()> {
        let mut session = database.read().await?;
        match self {
            Self::Read => read_account(&mut session, keys.next()).await,
            Self::Reads => {
                for _ in 0..READS {
                    read_account(&mut session, keys.next()).await?;
                }
                Ok(())
            }
            Self::EagerRead => read_page(&mut session, keys.next()).await,
        }
    }
}

async fn read_account(session: &mut ReadSession, key: i64) -> Result<()> {
    let (id, ..) = session.run(one::<Account>(ACCOUNT, params![key])).await?;
    ensure!(id == key, "asked for account {key}, got {id}");
    Ok(())
}

async fn read_page(session: &mut ReadSession, key: i64) -> Result<()> {
    let accounts = session.run(all::<Account>(ACCOUNTS, params![key.min(ROWS - PAGE + 1)])).await?;
    let ids: Vec<i64> = accounts.iter().map(|(id, ..)| *id).collect();
    let notes = session.run(all::<Note>(NOTES, params![ids])).await?;
    ensure!(accounts.len() + notes.len() == 2 * PAGE as usize, "got {} notes", notes.len());
    Ok(())
}

/// Keys that a task reads; one comes back after all others.
pub(super) struct Keys(i64);

impl Keys {
    /// Goes through the table in steps without a common factor with its length.
    const STEP: i64 = 7_919;

    pub(super) fn of_task(task: usize) -> Self {
        Self(task as i64 * 613 % ROWS)
    }

    fn next(&mut self) -> i64 {
        self.0 = (self.0 + Self::STEP) % ROWS;
        self.0 + 1
    }
}
