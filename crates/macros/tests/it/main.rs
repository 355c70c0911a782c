//! The likeliest mistakes with the derives: each has an error that says what to write.
//!
//! After a change of a message, `TRYBUILD=overwrite cargo test -p tallybook-macros` writes the files anew; read the
//! differences.

#[test]
fn a_mistake_has_an_error_that_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
}
