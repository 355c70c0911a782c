//! Reads a CSV file row by row.

use std::io::Read;

use anyhow::{Result, bail};
use csv::StringRecord;
use tallybook::{Column, Row, Value};

use super::excerpt::excerpt;
use super::field::to_value;
use super::header;
use super::row_limit::{RowLimited, explain};

/// The rows of a file, as values in the order of its columns.
pub(crate) struct Reader<R> {
    csv: csv::Reader<RowLimited<R>>,
    columns: Vec<&'static Column>,
    record: StringRecord,
}

impl<R: Read> Reader<R> {
    /// Reads the header of a file whose rows are those of `T`; `what` is their name in errors.
    pub(crate) fn new<T: Row>(what: &str, input: R) -> Result<Self> {
        let mut csv = csv::ReaderBuilder::new().from_reader(RowLimited::new(input));
        let columns = header::columns::<T>(what, csv.headers().map_err(|error| explain(error, 1))?)?;
        Ok(Self { csv, columns, record: StringRecord::new() })
    }

    /// Returns the columns of the file.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// Returns the next row. An error names the line, the column, the value and what was expected.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Value>>> {
        self.csv.get_mut().start_row();
        let line = self.csv.position().line();
        // The csv crate's own error names the line and the number of fields.
        if !self.csv.read_record(&mut self.record).map_err(|error| explain(error, line))? {
            return Ok(None);
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(&self.record) {
            match to_value(column, field)
                .and_then(|value| column.check(value).map_err(|error| error.to_string()))
            {
                Ok(value) => values.push(value),
                Err(problem) => {
                    let line = self.record.position().map_or(0, csv::Position::line);
                    bail!("line {line}, column {}: {}: {problem}", column.name, excerpt(field))
                }
            }
        }
        Ok(Some(values))
    }

    /// Returns the line on which the last row began.
    pub(crate) fn line(&self) -> u64 {
        self.record.position().map_or(1, csv::Position::line)
    }

    /// Returns the number of bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.csv.position().byte()
    }
}
