//! The socket of one connection, and everything that is under way on it.
//!
//! No task owns the socket: whoever waits for an answer writes and reads in one poll. All state is here, none in a future,
//! so dropping a future at any point leaves a connection that knows how many answers it is owed. They are read and thrown
//! away before the next request's own.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::{ClientError, ServerError};
use super::limits::{MAX_STARTUP, max_length};
use super::message::{Message, tag};
use super::parameter_status::ParameterStatus;
use super::stream::Stream;

const HEADER: usize = 5;
/// Size of the read buffer of an idle connection.
const INPUT: usize = 16 << 10;
/// Size up to which a buffer that was needed once is kept.
const KEPT: usize = 64 << 10;
/// Sent to a server that waits for the data of a COPY.
const NO_COPY: &str = "COPY as a statement is not supported; rows are loaded by a bulk load";

/// The decision of an exchange about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on.
    Continue,
    /// Return to the caller; further messages stay in the buffer.
    Break,
    /// The server waits for the data of a COPY: let it fail.
    RefuseCopy,
}

/// The server's transaction, as of its last ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    /// There is none.
    Idle,
    /// It is open.
    Open,
    /// It is open, and a statement failed.
    Failed,
}

/// The socket, the buffers, and the answers that are owed.
pub(crate) struct Wire {
    /// Host and port.
    server: String,
    /// `None` once the connection was given up.
    stream: Option<Stream>,
    output: BytesMut,
    /// Bytes of `output` that are written already.
    written: usize,
    is_flushed: bool,
    /// True if the refusal of a COPY is to be written before anything is read.
    has_refused_copy: bool,
    write_failure: Option<io::Error>,
    input: Vec<u8>,
    /// Bytes of `input` that are read and not taken yet.
    unread: Range<usize>,
    /// Number of requests whose ReadyForQuery has not come.
    owed: usize,
    /// Those of them whose answers nobody waits for: the first ones.
    abandoned: usize,
    status: TransactionStatus,
    parameters: ParameterStatus,
    is_logged_in: bool,
    /// True once the server has identified itself too.
    is_open: bool,
    /// Bytes received before that.
    received: usize,
    /// The reason for which it was given up.
    failure: Option<ClientError>,
    /// The task that waits for an answer.
    waiting: Option<Waker>,
}

impl Wire {
    /// `server` is its address, for messages.
    pub(super) fn new(stream: Stream, server: String) -> Self {
        Self {
            server,
            stream: Some(stream),
            output: BytesMut::new(),
            written: 0,
            is_flushed: true,
            has_refused_copy: false,
            write_failure: None,
            input: vec![0; INPUT],
            unread: 0..0,
            owed: 0,
            abandoned: 0,
            status: TransactionStatus::Idle,
            parameters: ParameterStatus::default(),
            is_logged_in: false,
            is_open: false,
            received: 0,
            failure: None,
            waiting: None,
        }
    }

    /// Begins an exchange: what is owed from before belongs to nobody. Fails if the connection is lost.
    pub(crate) fn begin(&mut self) -> Result<(), ClientError> {
        self.check_idle();
        self.abandoned = self.owed;
        match &self.failure {
            Some(failure) => Err(failure.again()),
            None => Ok(()),
        }
    }

    /// Returns the buffer for requests.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        self.is_flushed = false;
        &mut self.output
    }

    /// Expects the answer to a request, which must be in the output before anything is awaited.
    pub(crate) fn owe(&mut self) {
        self.owed += 1;
    }

    /// Ends the requests so far with a Sync.
    pub(crate) fn sync(&mut self) {
        frontend::sync(self.output());
        self.owe();
    }

    /// Takes requests back, of which nothing was written: those behind the first `length` bytes of the output.
    pub(crate) fn take_back(&mut self, length: usize, owed: usize) {
        self.output.truncate(length);
        self.owed = owed;
    }

    /// Returns the number of answers that are owed.
    pub(crate) fn owed(&self) -> usize {
        self.owed
    }

    /// Returns the server's transaction. Current if nothing is owed.
    pub(crate) fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Returns whether transactions are known to be read-only unless they say otherwise.
    pub(crate) fn is_read_only_by_default(&self) -> bool {
        self.parameters.is_read_only()
    }

    /// Returns whether a reported setting differs from its value at the start.
    pub(crate) fn has_changed_settings(&self) -> bool {
        self.parameters.have_changed()
    }

    /// Ends the login: an error no longer ends the connection.
    pub(super) fn set_logged_in(&mut self) {
        self.is_logged_in = true;
    }

    /// Marks the session as open: its settings now are those at the start.
    pub(crate) fn set_open(&mut self) {
        self.is_open = true;
        self.parameters.remember();
    }

    /// Returns whether the stream is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_encrypted)
    }

    /// Returns the certificate of the server, if the stream is encrypted.
    pub(super) fn server_certificate(&self) -> Option<&[u8]> {
        self.stream.as_ref()?.server_certificate()
    }

    /// Gives the connection up, and wakes the task that waits for an answer.
    pub(super) fn abort(&mut self) {
        if self.failure.is_none() {
            self.fail(ClientError::Aborted);
        }
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Returns whether the connection is lost. Nothing but the socket's own state is asked.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.check_idle();
        self.failure.is_some()
    }

    /// Gives the connection up. Returns the failure, which later requests report too.
    fn fail(&mut self, failure: ClientError) -> ClientError {
        if let ClientError::Protocol(reason) = &failure {
            tracing::warn!(target: "tallybook::pool", server = self.server, reason, "gave a connection up");
        }
        self.failure = Some(failure.again());
        self.stream = None;
        failure
    }

    /// Takes what an idle server has sent: reports of settings, notices, its farewell. Anything else breaks the protocol.
    fn check_idle(&mut self) {
        if self.owed > 0 || self.failure.is_some() || !self.is_logged_in {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        let mut unasked = |_: Message<'_>| Err("the server sends an answer that nobody asked for".to_owned());
        loop {
            if self.take_messages(&mut unasked).is_err() {
                return;
            }
            match self.poll_read(&mut context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failure)) => {
                    self.fail(failure);
                    return;
                }
                Poll::Pending => return,
            }
        }
    }

    /// Writes what is left of the requests, and passes each message of the server to `take`, until nothing is owed or
    /// `take` says to break.
    ///
    /// Both directions in one poll: a server that writes and does not read meanwhile can't block the client.
    pub(crate) fn poll_answers(
        &mut self,
        context: &mut Context<'_>,
        take: &mut impl FnMut(Message<'_>) -> Result<Flow, String>,
    ) -> Poll<Result<(), ClientError>> {
        self.poll_drive(context, take, false)
    }

    /// Writes what is left of the requests. Passes the messages that come meanwhile to `take`, and waits for none.
    pub(crate) fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        take: &mut impl FnMut(Message<'_>) -> Result<Flow, String>,
    ) -> Poll<Result<(), ClientError>> {
        self.poll_drive(context, take, true)
    }

    fn poll_drive(
        &mut self,
        context: &mut Context<'_>,
        take: &mut impl FnMut(Message<'_>) -> Result<Flow, String>,
        only_writes: bool,
    ) -> Poll<Result<(), ClientError>> {
        loop {
            if let Some(failure) = &self.failure {
                return Poll::Ready(Err(failure.again()));
            }
            if let Poll::Ready(Err(error)) = self.poll_write(context) {
                // The server may have said why before it hung up.
                self.write_failure = Some(error);
            }
            if self.take_messages(take)? == Flow::Break || self.owed == 0 {
                return Poll::Ready(Ok(()));
            }
            if std::mem::take(&mut self.has_refused_copy) {
                continue;
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(self.fail(failure))),
                Poll::Pending => {
                    if let Some(error) = self.write_failure.take() {
                        return Poll::Ready(Err(self.fail(ClientError::Io(error))));
                    }
                    if only_writes && self.output.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    match &mut self.waiting {
                        Some(waiting) => waiting.clone_from(context.waker()),
                        None => self.waiting = Some(context.waker().clone()),
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        if self.write_failure.is_some() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.output.len() {
            match ready!(Pin::new(&mut *stream).poll_write(context, &self.output[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.is_flushed = true;
        }
        self.written = 0;
        self.output.clear();
        if self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. The end of the stream is a failure.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.make_room();
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(ClientError::Closed)) };
        let mut buffer = ReadBuf::new(&mut self.input[self.unread.end..]);
        if let Err(error) = ready!(Pin::new(stream).poll_read(context, &mut buffer)) {
            return Poll::Ready(Err(ClientError::Io(error)));
        }
        let count = buffer.filled().len();
        self.unread.end += count;
        if !self.is_open {
            self.received += count;
            if self.received > MAX_STARTUP {
                let problem =
                    format!("the server sends more than {MAX_STARTUP} bytes before a session begins");
                return Poll::Ready(Err(ClientError::Protocol(problem)));
            }
        }
        match count {
            0 => Poll::Ready(Err(ClientError::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Makes room for reading. The buffer grows with what has arrived, never with what a header announces.
    fn make_room(&mut self) {
        if self.unread.is_empty() {
            self.unread = 0..0;
            if self.input.len() > KEPT {
                self.input = vec![0; INPUT];
            }
        } else if self.unread.end == self.input.len() {
            if self.unread.start > self.input.len() / 2 {
                self.input.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            } else {
                self.input.resize(self.input.len() * 2, 0);
            }
        }
    }

    /// Passes the complete messages in the buffer to `take`.
    fn take_messages(
        &mut self,
        take: &mut impl FnMut(Message<'_>) -> Result<Flow, String>,
    ) -> Result<Flow, ClientError> {
        loop {
            let Some((&[tag, a, b, c, d], _)) = self.input[self.unread.clone()].split_first_chunk::<HEADER>()
            else {
                return Ok(Flow::Continue);
            };
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let limit = max_length(tag, self.is_open);
            if length > limit || length < size_of::<u32>() {
                let problem =
                    format!("the server sends a message of {length} bytes where at most {limit} are taken");
                return Err(self.fail(ClientError::Protocol(problem)));
            }
            if self.unread.len() < 1 + length {
                return Ok(Flow::Continue);
            }
            let body = self.unread.start + HEADER..self.unread.start + 1 + length;
            self.unread.start = body.end;
            match self.take_message(tag, body, take) {
                Ok(Flow::Continue) if tag == tag::READY && self.owed == 0 => {
                    // What follows was not asked for; the next request finds it.
                    return Ok(Flow::Continue);
                }
                Ok(Flow::Continue) => {}
                Ok(Flow::Break) => return Ok(Flow::Break),
                Ok(Flow::RefuseCopy) => self.refuse_copy(),
                Err(failure) => return Err(self.fail(failure)),
            }
        }
    }

    fn take_message(
        &mut self,
        tag: u8,
        body: Range<usize>,
        take: &mut impl FnMut(Message<'_>) -> Result<Flow, String>,
    ) -> Result<Flow, ClientError> {
        let body = &self.input[body];
        match tag {
            tag::PARAMETER_STATUS => {
                self.parameters.report(body).map_err(ClientError::Protocol)?;
                return Ok(Flow::Continue);
            }
            tag::NOTICE => {
                let notice = ServerError::parse(body);
                // The text is not logged: it may quote values, since a function may raise any text.
                let (severity, code) = (notice.severity(), notice.code());
                tracing::debug!(target: "tallybook::pool", severity, code, "the server gave notice");
                if self.owed == 0 || !self.is_open {
                    return Ok(Flow::Continue);
                }
            }
            tag::NOTIFICATION => return Ok(Flow::Continue),
            tag::ERROR => {
                let error = ServerError::parse(body);
                if error.code().is_empty() {
                    return Err(ClientError::Protocol(
                        "the server reports an error without a code".to_owned(),
                    ));
                }
                if error.is_fatal() || !self.is_logged_in {
                    return Err(ClientError::Server(Box::new(error)));
                }
            }
            tag::READY => {
                if self.owed == 0 {
                    return Err(ClientError::Protocol("the server is ready without being asked".to_owned()));
                }
                self.owed -= 1;
                self.status = match body {
                    b"I" => TransactionStatus::Idle,
                    b"T" => TransactionStatus::Open,
                    b"E" => TransactionStatus::Failed,
                    _ => {
                        return Err(ClientError::Protocol(
                            "the server is in no state that is known".to_owned(),
                        ));
                    }
                };
                if self.abandoned > 0 {
                    self.abandoned -= 1;
                    return Ok(Flow::Continue);
                }
            }
            tag::COPY_BOTH => {
                return Err(ClientError::Protocol("the server begins a replication".to_owned()));
            }
            _ => {}
        }
        if self.abandoned > 0 {
            return Ok(if tag == tag::COPY_IN { Flow::RefuseCopy } else { Flow::Continue });
        }
        take(Message { tag, body }).map_err(ClientError::Protocol)
    }

    /// Lets a COPY fail that waits for data: one of a script, since a pipeline refuses it by its text.
    fn refuse_copy(&mut self) {
        self.has_refused_copy = true;
        // The text has no zero byte.
        let _ = frontend::copy_fail(NO_COPY, self.output());
    }
}

/// Says goodbye to the server if that does not take waiting.
impl Drop for Wire {
    fn drop(&mut self) {
        if self.failure.is_none() && self.owed == 0 && self.is_logged_in {
            frontend::terminate(self.output());
            let _ = self.poll_write(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[cfg(test)]
mod tests;
