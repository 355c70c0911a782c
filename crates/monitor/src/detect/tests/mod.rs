//! Tests of findings and non-findings.

mod bounds;
mod confirmed;
mod properties;
mod redundant;
mod suspected;
