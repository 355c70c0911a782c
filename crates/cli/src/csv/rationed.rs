//! How much of a file is read for one row. The csv crate keeps a row until it ends, and a quotation mark that is missing
//! makes one of the rest of the file.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

/// The bytes of a row, with some that were read ahead.
const MAX_ROW: u64 = 16 << 20;

/// Ends with an error where a row takes too much.
pub(super) struct Rationed<R> {
    input: R,
    left: u64,
}

#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of more than {} MiB; is a quotation mark missing?", MAX_ROW >> 20)
    }
}

impl Error for TooLong {}

impl<R> Rationed<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, left: MAX_ROW }
    }

    /// A new row begins.
    pub(super) fn renew(&mut self) {
        self.left = MAX_ROW;
    }
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(TooLong))?;
        Ok(read)
    }
}

/// Names the line of a row that is too long; other errors name theirs.
pub(super) fn explain(error: csv::Error, line: u64) -> anyhow::Error {
    let is_too_long = match error.kind() {
        csv::ErrorKind::Io(error) => error.get_ref().is_some_and(|cause| cause.is::<TooLong>()),
        _ => false,
    };
    if is_too_long { anyhow::anyhow!("line {line}: {TooLong}") } else { error.into() }
}
