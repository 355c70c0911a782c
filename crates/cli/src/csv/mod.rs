//! A table as CSV: one form for reading and writing.

mod excerpt;
mod field;
mod header;
mod reader;
mod row_limit;

pub(crate) use field::{escape_formula, to_field};
pub(crate) use reader::Reader;
