//! Index advice on real databases.

mod expert;
mod market;
mod refusals;
mod scratch;
mod statement_statistics;
mod whole;
