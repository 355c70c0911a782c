//! Bulk load by binary COPY.

use std::pin::Pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::Connection;
use super::error::convert;
use super::param::{Param, fits_column};
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
    pub(crate) async fn load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
        let list = columns.join(", ");
        // Binary COPY converts nothing, so the widths of the columns are asked for first.
        let probe = self.client.prepare(&format!("SELECT {list} FROM {table}")).await.map_err(convert)?;
        let types: Vec<Type> = probe.columns().iter().map(|column| column.type_().clone()).collect();
        let copy = format!("COPY {table} ({list}) FROM STDIN (FORMAT binary)");
        let sink = self.client.copy_in(&copy).await.map_err(convert)?;
        Ok(Load {
            writer: Box::pin(BinaryCopyInWriter::new(sink, &types)),
            columns: columns.iter().map(|&name| name.to_owned()).zip(types).collect(),
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
            if !fits_column(value.kind(), ty) {
                return Err(Error::invalid_value(
                    name,
                    format!("{} for a column of type {ty}", value.kind()),
                ));
            }
        }
        self.rows += 1;
        let written = self.writer.as_mut().write_raw(row.iter().map(Param)).await;
        written.map_err(|error| convert(error).at_row(self.rows))
    }

    pub(crate) async fn finish(mut self) -> Result<Loaded> {
        let rows = self.writer.as_mut().finish().await.map_err(convert)?;
        // The probe's Parse, COPY's own Parse, and the COPY itself.
        Ok(Loaded { rows, statements: 1, round_trips: 3 })
    }
}
