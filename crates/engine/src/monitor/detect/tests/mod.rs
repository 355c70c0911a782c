//! What is found and what is not.

mod bounds;
mod confirmed;
mod laws;
mod redundant;
mod suspected;
