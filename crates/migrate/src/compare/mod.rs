//! Compares a database with what its revisions declare.

pub(crate) mod comparison;
pub(crate) mod difference;
pub(crate) mod expected;
pub(crate) mod expressions;
pub(crate) mod index_match;
mod normal_form;
pub(crate) mod status;
pub(crate) mod type_match;
pub(crate) mod unrecorded_tables;
