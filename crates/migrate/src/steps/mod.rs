//! Revisions and their steps: the declarations, and the SQL of each step on each dialect.

pub(crate) mod check;
pub(crate) mod checksum;
pub(crate) mod column;
pub(crate) mod enum_type;
pub(crate) mod revision;
mod source;
mod sql_file;
mod statements;
pub(crate) mod step;
pub(crate) mod table;
pub(crate) mod tokens;
