//! Limits the size of a row. The csv crate buffers a row until it ends, and a missing quotation mark turns the
//! rest of the file into one row.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

/// Maximum number of bytes of a row, including read-ahead.
const MAX_ROW: u64 = 16 << 20;

/// A reader that fails once a row exceeds the limit.
pub(super) struct RowLimited<R> {
    input: R,
    left: u64,
}

#[derive(Debug)]
struct RowTooLong;

impl fmt::Display for RowTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of more than {} MiB; is a quotation mark missing?", MAX_ROW >> 20)
    }
}

impl Error for RowTooLong {}

impl<R> RowLimited<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, left: MAX_ROW }
    }

    /// Resets the count for a new row.
    pub(super) fn start_row(&mut self) {
        self.left = MAX_ROW;
    }
}

impl<R: Read> Read for RowLimited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(RowTooLong))?;
        Ok(read)
    }
}

/// Adds the line to the error of a row that is too long; other errors have theirs.
pub(super) fn explain(error: csv::Error, line: u64) -> anyhow::Error {
    let is_too_long = match error.kind() {
        csv::ErrorKind::Io(error) => error.get_ref().is_some_and(|cause| cause.is::<RowTooLong>()),
        _ => false,
    };
    if is_too_long { anyhow::anyhow!("line {line}: {RowTooLong}") } else { error.into() }
}
