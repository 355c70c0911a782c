//! Sessions: a connection in use, for reading or for one write transaction.

mod access;
mod advisory_lock;
mod counts;
mod explain;
mod last_batch;
mod load;
mod nesting;
mod pipeline;
mod plan;
mod read;
mod savepoint;
mod stream;
mod token;
mod write;

pub use access::Session;
pub use advisory_lock::AdvisoryKey;
pub use counts::Counts;
pub use explain::Explainer;
pub use load::BulkLoad;
pub(crate) use nesting::inside_write;
pub use nesting::refuse_nested_write;
pub(crate) use pipeline::{InFlight, refuse_control};
pub use plan::{Plan, postgres_indexes};
pub use read::ReadSession;
pub use savepoint::Savepoint;
pub use stream::RowStream;
pub use token::{CommitToken, Committed};
pub use write::WriteSession;
