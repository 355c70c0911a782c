//! Servers that send what no server should: a clear error, bounded memory, no hang, and no answer that is another's.

mod answers;
mod login;
mod messages;
mod scram;
