//! Replaces the SQLite driver in a program built without it. Its types cannot be constructed, so nothing here
//! runs.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::time::Instant;

use tallybook_sql::driver::{Executed, Loaded, Page, Role};
use tallybook_sql::error::Result;
use tallybook_sql::file_access::{FileAccess, SqliteLocation};
use tallybook_sql::grouped_transaction::{GroupedTransaction, TransactionEnd};
use tallybook_sql::query::{All, Batch};
use tallybook_sql::row::Row;
use tallybook_sql::transaction::TransactionFraming;
use tallybook_sql::value::Value;

macro_rules! never {
    ($($name:ident),*) => {$(
        #[derive(Clone)]
        pub struct $name(Infallible);
    )*};
}

never!(Connector, Connection, Load, PendingFlush);

pub(crate) type Members = Vec<Box<dyn GroupedTransaction>>;

#[derive(Default)]
pub struct ExecutedGroup {
    pub(crate) ended: Vec<(Box<dyn GroupedTransaction>, TransactionEnd)>,
    pub(crate) unflushed: Members,
    pub(crate) flush: Option<PendingFlush>,
}

/// A process that has a file open.
pub struct Process {
    pub(crate) pid: u32,
    pub(crate) program: String,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.program)
    }
}

pub(crate) fn lock_holders(_path: &Path, _is_writing: bool) -> Vec<Process> {
    Vec::new()
}

pub(crate) fn log_readers(_path: &Path) -> Vec<Process> {
    Vec::new()
}

impl Connector {
    pub fn new(_location: &SqliteLocation, _access: FileAccess) -> Self {
        unreachable!("the settings refuse the URL of a database that this program is built without")
    }

    pub fn target(&self) -> String {
        match self.0 {}
    }

    pub fn fault(&self) -> Option<String> {
        match self.0 {}
    }

    pub fn lockable(&self) -> Option<(&Path, bool)> {
        match self.0 {}
    }

    pub fn log_size(&self) -> Option<u64> {
        match self.0 {}
    }

    pub async fn shorten_log(&self) -> Result<()> {
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

    pub async fn execute_last<B: Batch>(
        &mut self,
        _batch: B,
        _framing: TransactionFraming,
        _since: Option<Instant>,
        _waiting: &Arc<AtomicUsize>,
    ) -> (Executed<B>, Option<PendingFlush>) {
        match self.0 {}
    }

    pub async fn execute_group(&mut self, _members: Members, _waiting: &Arc<AtomicUsize>) -> ExecutedGroup {
        match self.0 {}
    }

    pub async fn script(&mut self, _sql: &str) -> Result<()> {
        match self.0 {}
    }

    pub async fn commit(&mut self, _waiting: &Arc<AtomicUsize>) -> Result<Option<PendingFlush>> {
        match self.0 {}
    }

    pub async fn roll_back(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub async fn load(&mut self, _table: &str, _columns: &[&str]) -> Result<Load> {
        match self.0 {}
    }

    pub fn rows<T: Row>(&mut self, _query: &mut All<T>, _read_only: bool) -> Result<Rows<T>> {
        match self.0 {}
    }

    pub async fn clean(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub fn is_closed(&self) -> bool {
        match self.0 {}
    }

    pub fn has_session_state(&self) -> bool {
        match self.0 {}
    }

    pub async fn close(self) {
        match self.0 {}
    }
}

pub struct Rows<T>(Infallible, std::marker::PhantomData<T>);

impl<T: Row> Rows<T> {
    pub fn poll_page(&mut self, _context: &mut Context<'_>, _query: &mut All<T>) -> Poll<Page<T>> {
        match self.0 {}
    }
}

impl Load {
    pub async fn write(&mut self, _row: Vec<Value>) -> Result<()> {
        match self.0 {}
    }

    pub async fn finish(self) -> Result<Loaded> {
        match self.0 {}
    }
}

impl PendingFlush {
    pub async fn wait(self) -> Result<()> {
        match self.0 {}
    }
}
