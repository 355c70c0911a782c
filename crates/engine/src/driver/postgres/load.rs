//! Bulk load by binary COPY.

use std::pin::Pin;

use futures_util::future::try_join;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::Connection;
use super::error::convert;
use super::param::{Param, check_column};
use crate::driver::Loaded;
use crate::error::{Error, Result};
use crate::value::Value;

/// A COPY under way. Dropped before its end, it fails on the server and nothing of it is kept.
pub(crate) struct Load {
    writer: Pin<Box<BinaryCopyInWriter>>,
    columns: Vec<(String, Type)>,
    rows: usize,
}

impl Connection {
    pub(crate) async fn load(&mut self, table: &str, columns: &[String]) -> Result<Load> {
        let list = columns.join(", ");
        // Binary COPY converts nothing, so the widths of the columns are asked for first.
        let probe = format!("SELECT {list} FROM {table}");
        let copy = format!("COPY {table} ({list}) FROM STDIN (FORMAT binary)");
        let prepared = try_join(self.client.prepare(&probe), self.client.prepare(&copy)).await;
        let (probe, copy) = prepared.map_err(convert)?;
        let types: Vec<Type> = probe.columns().iter().map(|column| column.type_().clone()).collect();
        let sink = self.client.copy_in(&copy).await.map_err(convert)?;
        Ok(Load {
            writer: Box::pin(BinaryCopyInWriter::new(sink, &types)),
            columns: columns.iter().cloned().zip(types).collect(),
            rows: 0,
        })
    }
}

impl Load {
    pub(crate) async fn write(&mut self, row: &[Value]) -> Result<()> {
        if row.len() != self.columns.len() {
            let problem = format!("has {} values for {} columns", row.len(), self.columns.len());
            return Err(Error::invalid_value("the row", problem));
        }
        for (value, (name, ty)) in row.iter().zip(&self.columns) {
            // Now, because a row that stops in its middle would spoil the whole COPY.
            check_column(value, ty)
                .map_err(|problem| Error::invalid_value(name, problem).at_row(self.rows + 1))?;
        }
        self.rows += 1;
        let written = self.writer.as_mut().write_raw(row.iter().map(Param)).await;
        written.map_err(|error| convert(error).at_row(self.rows))
    }

    pub(crate) async fn finish(mut self) -> Result<Loaded> {
        let rows = self.writer.as_mut().finish().await.map_err(convert)?;
        // Both were prepared in one flight; then COPY began, and ended.
        Ok(Loaded { rows, statements: 1, round_trips: 3 })
    }
}
