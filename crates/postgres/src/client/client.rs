//! A connection as its users share it: the session, a stream of rows, a bulk load, and the watchdog that aborts it.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use postgres_types::Oid;
use tallybook_sql::lock::lock;

use super::error::{ClientError, ServerError};
use super::message::{ColumnDescription, Message, Parts, parameter_types, row_description, tag};
use super::wire::{Flow, TransactionStatus, Wire};

const SYNTAX_ERROR: &str = "42601";
const FEATURE_NOT_SUPPORTED: &str = "0A000";

/// A connection with an open session.
pub(crate) struct Client {
    /// Locked for the length of a poll, never while anything waits.
    wire: Arc<Mutex<Wire>>,
    key: CancelKey,
    is_encrypted: bool,
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A Query message.
    Simple,
    /// Messages that a Sync ends.
    Extended,
}

/// The identity of a session in a cancel request.
#[derive(Clone, Default)]
pub(crate) struct CancelKey {
    pub(super) process: i32,
    pub(super) secret: Vec<u8>,
}

/// A connection, without keeping it open.
pub(crate) struct WeakClient(Weak<Mutex<Wire>>);

/// The types of a statement's parameters, and the columns of its result.
pub(crate) struct Description {
    pub(crate) parameters: Vec<Oid>,
    pub(crate) columns: Vec<ColumnDescription>,
}

/// A row of the simple protocol: each value as text, with its column's name.
#[derive(Debug, Default)]
pub(crate) struct TextRow(Vec<(String, Option<String>)>);

impl TextRow {
    /// Returns the value of a column; `None` if it is NULL or not there.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == column)?.1.as_deref()
    }
}

impl Client {
    pub(super) fn new(wire: Wire, key: CancelKey) -> Self {
        let is_encrypted = wire.is_encrypted();
        Self { wire: Arc::new(Mutex::new(wire)), key, is_encrypted }
    }

    /// Locks the wire. The lock is not to be kept across an await.
    pub(crate) fn wire(&self) -> MutexGuard<'_, Wire> {
        lock(&self.wire)
    }

    /// Returns another handle of the same connection.
    pub(crate) fn share(&self) -> Self {
        Self { wire: Arc::clone(&self.wire), key: self.key.clone(), is_encrypted: self.is_encrypted }
    }

    pub(crate) fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.wire))
    }

    /// Returns whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Returns the process id that the server announced; that of a pooler is invented.
    pub(crate) fn process(&self) -> i64 {
        self.key.process.into()
    }

    pub(crate) fn key(&self) -> &CancelKey {
        &self.key
    }

    /// Passes the messages of the server to `take`, until nothing is owed or `take` says to break.
    pub(crate) async fn answers(
        &self,
        mut take: impl FnMut(Message<'_>) -> Result<Flow, String>,
    ) -> Result<(), ClientError> {
        poll_fn(|context| self.poll_answers(context, &mut take)).await
    }

    /// As [`answers`](Self::answers).
    pub(crate) fn poll_answers(
        &self,
        context: &mut Context<'_>,
        take: &mut impl FnMut(Message<'_>) -> Result<Flow, String>,
    ) -> Poll<Result<(), ClientError>> {
        self.wire().poll_answers(context, take)
    }

    /// Begins an exchange with the requests that `write` adds to the output. Nothing is sent if it fails.
    pub(crate) fn request(
        &self,
        protocol: Protocol,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        let mut wire = self.wire();
        wire.begin()?;
        let before = wire.output().len();
        if write(wire.output()).is_err() {
            wire.output().truncate(before);
            return Err(zero_in_text());
        }
        match protocol {
            Protocol::Simple => wire.owe(),
            Protocol::Extended => wire.sync(),
        }
        Ok(())
    }

    /// Executes a text of several statements by the simple protocol, in one round trip. Returns the rows of all of them.
    pub(crate) async fn simple(&self, sql: &str) -> Result<Vec<TextRow>, ClientError> {
        self.request(Protocol::Simple, |output| frontend::query(sql, output))?;
        let (mut columns, mut rows, mut failure) = (Vec::new(), Vec::new(), None);
        self.answers(|message| {
            match message.tag {
                tag::ROW_DESCRIPTION => columns = row_description(message.body)?,
                tag::ROW => rows.push(text_row(message.body, &columns)?),
                tag::ERROR => failure = failure.take().or(Some(ServerError::parse(message.body))),
                tag::COPY_IN => return Ok(Flow::RefuseCopy),
                tag::COPY_OUT => {
                    let error =
                        ServerError::own(FEATURE_NOT_SUPPORTED, "COPY … TO STDOUT has no reader here");
                    failure = failure.take().or(Some(error));
                }
                _ => {}
            }
            Ok(Flow::Continue)
        })
        .await?;
        match failure {
            Some(error) => Err(ClientError::Server(Box::new(error))),
            None => Ok(rows),
        }
    }

    /// Asks for the types of a statement's parameters and the columns of its result, in one round trip. The server chooses
    /// the types that are given as 0.
    pub(crate) async fn describe(&self, sql: &str, types: &[Oid]) -> Result<Description, ClientError> {
        self.request(Protocol::Extended, |output| {
            frontend::parse("", sql, types.iter().copied(), output)?;
            frontend::describe(b'S', "", output)
        })?;
        let mut described = Description { parameters: Vec::new(), columns: Vec::new() };
        let mut failure = None;
        self.answers(|message| {
            match message.tag {
                tag::PARAMETERS => described.parameters = parameter_types(message.body)?,
                tag::ROW_DESCRIPTION => described.columns = row_description(message.body)?,
                tag::ERROR => failure = Some(ServerError::parse(message.body)),
                _ => {}
            }
            Ok(Flow::Continue)
        })
        .await?;
        match failure {
            Some(error) => Err(ClientError::Server(Box::new(error))),
            None => Ok(described),
        }
    }

    /// Checks that the server answers. One round trip.
    pub(crate) async fn ping(&self) -> Result<(), ClientError> {
        self.request(Protocol::Extended, |_| Ok(()))?;
        self.answers(|_| Ok(Flow::Continue)).await
    }

    /// Receives and throws away everything that is owed.
    pub(crate) async fn settle(&self) -> Result<(), ClientError> {
        self.wire().begin()?;
        self.answers(|_| Ok(Flow::Continue)).await
    }

    /// Returns the server's transaction, or `None` while answers are owed.
    pub(crate) fn settled_status(&self) -> Option<TransactionStatus> {
        let wire = self.wire();
        (wire.owed() == 0).then(|| wire.status())
    }
}

impl WeakClient {
    /// Returns whether the connection is open. Asks nobody.
    pub(crate) fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|wire| !lock(&wire).is_lost())
    }

    /// Gives the connection up: whoever waits for an answer gets an error.
    pub(crate) fn abort(&self) {
        if let Some(wire) = self.0.upgrade() {
            lock(&wire).abort();
        }
    }
}

/// The protocol ends texts with a zero byte, so none can have one inside.
pub(crate) fn zero_in_text() -> ClientError {
    ClientError::Server(Box::new(ServerError::own(SYNTAX_ERROR, "the statement has a zero byte")))
}

fn text_row(body: &[u8], columns: &[ColumnDescription]) -> Result<TextRow, String> {
    let mut parts = Parts(body);
    parts.row_of(columns.len())?;
    let mut values = Vec::with_capacity(columns.len());
    for column in columns {
        let value = parts.value()?.map(|value| String::from_utf8_lossy(value).into_owned());
        values.push((column.name.clone(), value));
    }
    parts.end()?;
    Ok(TextRow(values))
}
