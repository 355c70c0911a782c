//! The authorizer of a connection: decides what sessions may change on it.
//!
//! SQLite calls it for every statement while compiling it, so no spelling escapes it. A `PRAGMA` takes effect at that
//! time already, even after `EXPLAIN` or a semicolon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection as Sqlite;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use tallybook_sql::driver::Role;

/// Pragmas that take an argument and change nothing; their table-valued functions pass it as a value.
const READ_ONLY_PRAGMAS: [&str; 9] = [
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

/// Denies changes to the settings of a reader, and records changes to the session state of a writer.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionAuthorizer(Arc<AtomicBool>);

impl SessionAuthorizer {
    /// Installs the authorizer. The migration runner has connections of its own, used once, and needs none.
    pub(super) fn watch(sqlite: &Sqlite, role: Role) -> rusqlite::Result<Self> {
        let authorizer = Self::default();
        let left = Arc::clone(&authorizer.0);
        match role {
            Role::Read | Role::Inspect => sqlite.authorizer(Some(|context: AuthContext<'_>| {
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
        Ok(authorizer)
    }

    /// Returns whether a session left state on the connection that outlasts it.
    pub(super) fn has_session_state(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets earlier changes: they were the driver's own.
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Returns whether an action changes state of the connection that outlasts its transaction.
fn changes_session(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Pragma { pragma_value: None, .. } => false,
        AuthAction::Pragma { pragma_name, .. } => {
            !READ_ONLY_PRAGMAS.iter().any(|question| question.eq_ignore_ascii_case(pragma_name))
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
