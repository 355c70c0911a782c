//! A table as CSV: one form for reading and writing.

mod field;
mod header;
mod reader;

pub(crate) use field::to_field;
pub(crate) use reader::Reader;
