//! Index advice on real databases.

mod expert;
mod market;
mod refusals;
mod revision;
mod scratch;
mod statement_statistics;
mod whole;
