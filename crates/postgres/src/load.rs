//! Bulk load by binary COPY.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::try_join3;
use futures_util::{Sink, SinkExt};
use tallybook_sql::driver::Loaded;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::value::Value;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::Connection;
use super::error::convert;
use super::param::{Param, fits_column};

/// Signature, flags and extension of the binary COPY format.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// End marker, in place of a row's number of fields.
const TRAILER: i16 = -1;
/// Bytes collected before they are sent.
const CHUNK: usize = 64 * 1024;

/// A running COPY. Dropping it before [`finish`](Self::finish) makes it fail on the server, and nothing is stored.
pub struct Load {
    /// Boxed as a trait object: the compiler can't prove tokio-postgres's own type `Send` in every task.
    sink: Pin<Box<dyn Sink<Bytes, Error = tokio_postgres::Error> + Send>>,
    columns: Vec<(String, Type)>,
    buffer: BytesMut,
    rows: usize,
    busy: Duration,
}

impl Connection {
    /// Begins a bulk load into columns of a table. Two round trips.
    pub async fn load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
        let list = columns.join(", ");
        // Binary COPY converts nothing, so the types of the columns are read first.
        let probe = format!("SELECT {list} FROM {table}");
        let copy = format!("COPY {table} ({list}) FROM STDIN (FORMAT binary)");
        // If the server refuses COPY itself, tokio-postgres loses count of the answers, and the connection with it. So
        // an INSERT is planned first: that finds a missing privilege, or a relation that can't be inserted into.
        let insert = format!(
            "EXPLAIN INSERT INTO {table} ({list}) VALUES ({})",
            vec!["DEFAULT"; columns.len()].join(", ")
        );
        let client = &self.client;
        let sent =
            try_join3(client.prepare(&probe), client.prepare(&copy), client.batch_execute(&insert)).await;
        let (probe, copy, ()) = sent.map_err(convert)?;
        let types = probe.columns().iter().map(|column| column.type_().clone());
        let sink = self.client.copy_in::<_, Bytes>(&copy).await.map_err(convert)?;
        Ok(Load {
            sink: Box::pin(sink),
            columns: columns.iter().map(|&name| name.to_owned()).zip(types).collect(),
            buffer: BytesMut::from(HEADER),
            rows: 0,
            busy: Duration::ZERO,
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

    async fn send(&mut self) -> Result<()> {
        let chunk = self.buffer.split().freeze();
        let start = Instant::now();
        let sent = self.sink.send(chunk).await.map_err(convert);
        self.busy += start.elapsed();
        sent
    }

    /// Sends the remaining rows and ends the COPY.
    pub async fn finish(mut self) -> Result<Loaded> {
        self.buffer.put_i16(TRAILER);
        self.send().await?;
        let start = Instant::now();
        self.sink.close().await.map_err(convert)?;
        let busy = self.busy + start.elapsed();
        // The three requests at the start share one round trip; then COPY begins and ends.
        Ok(Loaded { rows: self.rows as u64, statements: 1, round_trips: 3, busy })
    }
}
