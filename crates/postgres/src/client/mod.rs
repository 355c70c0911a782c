//! The client: one session on a server, its wire protocol and its failures. It knows nothing of queries and rows as
//! Tallybook has them.

mod authentication;
mod cancel;
mod certificates;
#[allow(clippy::module_inception)]
mod client;
mod error;
mod limits;
mod message;
mod parameter_status;
mod session;
mod stream;
mod tls;
mod verifier;
mod wire;

pub(crate) use cancel::cancel;
pub(crate) use client::{Client, Protocol, TextRow, WeakClient, zero_in_text};
pub(crate) use error::{ClientError, ServerError};
pub(crate) use message::{ColumnDescription, Malformed, Message, Parts, row_description, tag};
pub(crate) use session::{Failure, open};
pub(crate) use tls::{Tls, explain};
pub(crate) use wire::{Flow, TransactionStatus, Wire};
