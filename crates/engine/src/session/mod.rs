//! Sessions: a connection on loan, for reading or for one write transaction.

mod access;
mod counts;
mod explain;
mod flight;
mod load;
mod nesting;
mod read;
mod token;
mod write;

pub use access::Session;
pub use counts::Counts;
pub use explain::{Explainer, Plan};
pub use load::BulkLoad;
pub(crate) use nesting::{inside_write, refuse_nested_write};
pub use read::ReadSession;
pub use token::{CommitToken, Committed};
pub use write::WriteSession;
