//! The likeliest mistakes with the derives: each has an error that says what to write.
//!
//! After a change of a message, `TRYBUILD=overwrite cargo test -p tallybook-macros` rewrites the `.stderr` files. Read the
//! diff before you commit it.

use std::process::Command;

/// The compiler whose own messages are pinned. Others word and order them differently.
const PINNED: &str = "rustc 1.95.";

/// Mistakes whose errors the macros write, the same with every compiler.
const OF_THE_MACROS: [&str; 2] = ["aggregate_fields", "table_options"];

/// Mistakes whose errors the compiler writes, with the notes of the traits.
const OF_THE_COMPILER: [&str; 7] =
    ["append_only", "mixed_ids", "no_relation", "no_table", "other_include", "two_relations", "wrong_column"];

#[test]
#[expect(clippy::print_stdout, reason = "a test that leaves cases out says so")]
fn a_mistake_has_an_error_that_says_what_to_write() {
    let cases = trybuild::TestCases::new();
    let case = |name: &&str| cases.compile_fail(format!("tests/mistakes/{name}.rs"));
    OF_THE_MACROS.iter().for_each(case);
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if version.starts_with(PINNED) {
        OF_THE_COMPILER.iter().for_each(case);
    } else {
        println!(
            "not compared, since they are pinned to {PINNED}x and this is {version}: {OF_THE_COMPILER:?}"
        );
    }
}

#[test]
fn every_mistake_is_listed() {
    let files = std::fs::read_dir("tests/mistakes").unwrap().map(|file| file.unwrap().path());
    let mut names: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let mut listed = [&OF_THE_MACROS[..], &OF_THE_COMPILER].concat();
    listed.sort_unstable();
    assert_eq!(names, listed);
}
