//! What the texts of sessions may do to their connection, decided by what SQLite understands of them: it asks for each
//! statement while it compiles it. A `PRAGMA` takes effect already then, also behind `EXPLAIN` or a semicolon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection as Sqlite;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::driver::Role;

/// Pragmas whose value is an argument and changes nothing, as their table-valued functions take it.
const QUESTIONS: [&str; 9] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_xinfo",
];

/// Watches a connection: a reader keeps its settings, and of others it is known whether something was left on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Arc<AtomicBool>);

impl Guard {
    /// Watches what is compiled from now on. Runners of revisions have a connection of their own, for once.
    pub(super) fn watch(sqlite: &Sqlite, role: Role) -> rusqlite::Result<Self> {
        let guard = Self::default();
        let left = Arc::clone(&guard.0);
        match role {
            Role::Read => sqlite.authorizer(Some(|context: AuthContext<'_>| {
                match changes_session(&context.action) {
                    true => Authorization::Deny,
                    false => Authorization::Allow,
                }
            }))?,
            Role::Write => sqlite.authorizer(Some(move |context: AuthContext<'_>| {
                if changes_session(&context.action) {
                    left.store(true, Ordering::Relaxed);
                }
                Authorization::Allow
            }))?,
            Role::Migrate => {}
        }
        Ok(guard)
    }

    /// Whether a session left something on the connection that outlasts it.
    pub(super) fn has_session_state(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What was changed so far were the driver's own settings.
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Whether something of it outlasts its transaction on the connection, and nowhere else.
fn changes_session(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Pragma { pragma_value: None, .. } => false,
        AuthAction::Pragma { pragma_name, .. } => {
            !QUESTIONS.iter().any(|question| question.eq_ignore_ascii_case(pragma_name))
        }
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => true,
        _ => false,
    }
}
