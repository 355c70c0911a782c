//! Bulk load by binary COPY.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use postgres_protocol::message::frontend::{self, CopyData};
use postgres_types::{IsNull, ToSql, Type};
use tallybook_sql::driver::Loaded;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::value::Value;

use super::Connection;
use super::client::{Client, Flow, Message, Protocol, ServerError, tag};
use super::error::{convert, server_error};
use super::param::{Param, fits_column};

/// Signature, flags and extension of the binary COPY format.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// End marker, in place of a row's number of fields.
const TRAILER: i16 = -1;
/// Bytes collected before they are sent.
const CHUNK: usize = 64 * 1024;

/// A running COPY. Dropping it before [`finish`](Self::finish) makes it fail on the server, and nothing is stored.
pub struct Load {
    client: Client,
    columns: Vec<(String, Type)>,
    buffer: BytesMut,
    rows: usize,
    busy: Duration,
    /// True as long as the server waits for rows.
    is_open: bool,
}

/// The answers of the server during a COPY.
#[derive(Default)]
struct Answers {
    is_ready: bool,
    rows: u64,
    failure: Option<Error>,
}

impl Answers {
    fn take(&mut self, message: Message<'_>) -> Flow {
        match message.tag {
            tag::COPY_IN => {
                self.is_ready = true;
                return Flow::Break;
            }
            tag::COMMAND_COMPLETE => self.rows = message.rows_affected(),
            tag::ERROR => {
                self.failure.get_or_insert(server_error(&ServerError::parse(message.body)));
            }
            _ => {}
        }
        Flow::Continue
    }
}

impl Connection {
    /// Begins a bulk load into columns of a table. Two round trips.
    pub async fn load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
        let list = columns.join(", ");
        // Binary COPY converts nothing, so the types of the columns are read first.
        let described =
            self.client.describe(&format!("SELECT {list} FROM {table}"), &[]).await.map_err(convert)?;
        let oids = described.columns.iter().map(|column| column.type_oid);
        self.types.look_up(&self.client, oids).await.map_err(convert)?;
        let types = self.types.columns(&described.columns).unwrap_or_default();
        let copy = format!("COPY {table} ({list}) FROM STDIN (FORMAT binary)");
        self.client.request(Protocol::Simple, |output| frontend::query(&copy, output)).map_err(convert)?;
        let mut answers = Answers::default();
        self.client.answers(|message| Ok(answers.take(message))).await.map_err(convert)?;
        if let Some(error) = answers.failure {
            return Err(error);
        }
        Ok(Load {
            client: self.client.share(),
            columns: columns
                .iter()
                .map(|&name| name.to_owned())
                .zip(types.iter().map(|column| column.ty.clone()))
                .collect(),
            buffer: BytesMut::from(HEADER),
            rows: 0,
            busy: Duration::ZERO,
            is_open: answers.is_ready,
        })
    }
}

impl Load {
    /// Appends a row, and sends the collected rows once they fill a chunk.
    pub async fn write(&mut self, row: &[Value]) -> Result<()> {
        if row.len() != self.columns.len() {
            let problem = format!("has {} values for {} columns", row.len(), self.columns.len());
            return Err(Error::invalid_value("the row", problem));
        }
        let before = self.buffer.len();
        self.encode(row).map_err(|error| {
            self.buffer.truncate(before);
            error.at_row(self.rows + 1)
        })?;
        self.rows += 1;
        if self.buffer.len() < CHUNK { Ok(()) } else { self.send().await }
    }

    fn encode(&mut self, row: &[Value]) -> Result<()> {
        self.buffer.put_i16(row.len() as i16);
        for (value, (name, ty)) in row.iter().zip(&self.columns) {
            let refuse = |problem: String| Error::invalid_value(name, problem);
            if !fits_column(value.kind(), ty) {
                return Err(refuse(format!("{} for a column of type {ty}", value.kind())));
            }
            let start = self.buffer.len();
            self.buffer.put_i32(-1);
            let null =
                Param(value).to_sql(ty, &mut self.buffer).map_err(|problem| refuse(problem.to_string()))?;
            if let IsNull::No = null {
                let length = self.buffer.len() - start - size_of::<i32>();
                let length = i32::try_from(length).map_err(|_| refuse("has more than 2 GiB".to_owned()))?;
                self.buffer[start..start + size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Sends the collected rows. Fails as soon as the server has refused one.
    async fn send(&mut self) -> Result<()> {
        let chunk = CopyData::new(self.buffer.split()).map_err(|_| too_large())?;
        chunk.write(self.client.wire().output());
        let start = Instant::now();
        let mut answers = Answers::default();
        let sent = poll_fn(|context| {
            self.client.wire().poll_written(context, &mut |message| Ok(answers.take(message)))
        })
        .await;
        self.busy += start.elapsed();
        self.is_open &= answers.failure.is_none() && sent.is_ok();
        sent.map_err(convert).and(answers.failure.map_or(Ok(()), Err))
    }

    /// Sends the remaining rows and ends the COPY.
    pub async fn finish(mut self) -> Result<Loaded> {
        self.buffer.put_i16(TRAILER);
        self.send().await?;
        let start = Instant::now();
        frontend::copy_done(self.client.wire().output());
        self.is_open = false;
        let mut answers = Answers::default();
        self.client.answers(|message| Ok(answers.take(message))).await.map_err(convert)?;
        if let Some(error) = answers.failure {
            return Err(error);
        }
        let busy = self.busy + start.elapsed();
        // The types of the columns, the begin of COPY, and its end.
        Ok(Loaded { rows: answers.rows, statements: 1, round_trips: 3, busy })
    }
}

fn too_large() -> Error {
    Error::invalid_value("the row", "has more than 1 GiB")
}

/// Lets an unfinished COPY fail. The next request receives the answer.
impl Drop for Load {
    fn drop(&mut self) {
        if self.is_open {
            // The text has no zero byte.
            let _ = frontend::copy_fail("the bulk load was not finished", self.client.wire().output());
        }
    }
}
