//! Replaces the PostgreSQL driver in a program built without it. Its types cannot be constructed, so nothing
//! here runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use config::PostgresTarget;
use tallybook_sql::driver::{Executed, Loaded, Page, Role};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::{All, Batch};
use tallybook_sql::replication::{Identity, Observation, Position};
use tallybook_sql::row::Row;
use tallybook_sql::transaction::TransactionFraming;
use tallybook_sql::value::Value;

#[derive(Clone)]
pub struct Connector(Infallible);

pub struct Connection(Infallible);

pub struct Load(Infallible);

pub struct Rows(Infallible);

/// Returns the SQLSTATE of a refused connection: none, without servers.
pub(crate) fn refusal(_error: &Error) -> Option<&str> {
    None
}

/// Returns whether a server refused the login: never, without servers.
pub(crate) fn is_login_refused(_error: &Error) -> bool {
    false
}

impl Connector {
    pub fn new(target: &PostgresTarget) -> Self {
        match target.never {}
    }

    pub fn target(&self) -> &str {
        match self.0 {}
    }

    pub fn backends(&self) -> Vec<i64> {
        match self.0 {}
    }

    pub fn abort(&self) {
        match self.0 {}
    }

    pub fn answers(&self) -> u64 {
        match self.0 {}
    }

    pub fn open(&self) -> usize {
        match self.0 {}
    }

    pub fn leads_to_one(&self) -> bool {
        match self.0 {}
    }

    pub async fn connect(&self, _role: Role) -> Result<Connection> {
        match self.0 {}
    }
}

impl Connection {
    pub async fn execute<B: Batch>(
        &mut self,
        _batch: B,
        _framing: TransactionFraming,
        _since: Option<Instant>,
    ) -> Executed<B> {
        match self.0 {}
    }

    pub async fn script(&mut self, _sql: &str) -> Result<()> {
        match self.0 {}
    }

    pub async fn observe(&mut self) -> Result<Observation> {
        match self.0 {}
    }

    pub async fn replay_position(&mut self) -> Result<Option<u64>> {
        match self.0 {}
    }

    pub async fn commit(&mut self) -> Result<Option<Position>> {
        match self.0 {}
    }

    pub async fn roll_back(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub async fn load(&mut self, _table: &str, _columns: &[&str]) -> Result<Load> {
        match self.0 {}
    }

    pub fn rows(&mut self) -> Rows {
        match self.0 {}
    }

    pub async fn reset(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub async fn clean(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub async fn ping(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub fn answered(&self) {
        match self.0 {}
    }

    pub fn server(&self) -> &Arc<str> {
        match self.0 {}
    }

    pub fn identity(&self) -> Identity {
        match self.0 {}
    }

    pub fn is_encrypted(&self) -> bool {
        match self.0 {}
    }

    pub fn is_pooled(&self) -> bool {
        match self.0 {}
    }

    pub fn is_closed(&self) -> bool {
        match self.0 {}
    }

    pub fn was_cancelled(&self) -> bool {
        match self.0 {}
    }

    pub fn is_read_only_by_default(&self) -> bool {
        match self.0 {}
    }

    pub fn has_snapshots_by_default(&self) -> bool {
        match self.0 {}
    }

    pub fn has_changed_settings(&self) -> bool {
        match self.0 {}
    }
}

impl Rows {
    pub fn round_trips(&self) -> u64 {
        match self.0 {}
    }

    pub fn poll_page<T: Row>(&mut self, _context: &mut Context<'_>, _query: &mut All<T>) -> Poll<Page<T>> {
        match self.0 {}
    }
}

impl Load {
    pub async fn write(&mut self, _row: &[Value]) -> Result<()> {
        match self.0 {}
    }

    pub async fn finish(self) -> Result<Loaded> {
        match self.0 {}
    }
}

/// The target of a PostgreSQL URL, which parsing never returns.
pub(crate) mod config {
    use std::convert::Infallible;
    use std::fmt;

    use tallybook_sql::redact::Problem;

    #[derive(Clone, PartialEq)]
    pub struct PostgresTarget {
        pub(super) never: Infallible,
        pub servers: Vec<Server>,
        pub target_session_attrs: TargetSessionAttrs,
        pub weight: u32,
        pub zone: Option<String>,
        pub statement_cache_size: usize,
    }

    #[derive(Clone, PartialEq)]
    pub struct Server(Infallible);

    #[derive(Clone, Copy, PartialEq, Eq)]
    #[allow(dead_code, reason = "no URL is read")]
    pub enum TargetSessionAttrs {
        Standby,
        PreferStandby,
    }

    impl PostgresTarget {
        pub fn read(_rest: &str) -> Result<Self, Problem> {
            Err("this program is built without PostgreSQL: the cargo feature `postgres` of tallybook".into())
        }

        pub fn database(&self) -> &str {
            match self.never {}
        }

        pub fn only(&self, _server: &Server) -> Self {
            match self.never {}
        }
    }

    impl Server {
        pub fn address(&self) -> (String, u16) {
            match self.0 {}
        }
    }

    impl fmt::Display for Server {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {}
        }
    }
}
