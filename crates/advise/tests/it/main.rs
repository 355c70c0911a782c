//! Index advice on real databases.

mod expert;
mod market;
mod refusals;
mod scratch;
mod whole;
