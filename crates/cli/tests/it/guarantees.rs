//! docs/guarantees.md names tests; each exists.

use std::path::{Path, PathBuf};

/// Every file of Rust below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Whether `crate::module::name` is a test, written as a function or given to a macro as `name:`.
pub(crate) fn exists(root: &Path, test: &str) -> bool {
    let parts: Vec<_> = test.split("::").collect();
    let [krate, modules @ .., name] = &*parts else { return false };
    let module: PathBuf = modules.iter().collect();
    let directory = root.join("crates").join(krate);
    let files = [sources(&directory.join("tests")), sources(&directory.join("src"))].concat();
    files
        .iter()
        .filter(|file| file.with_extension("").ends_with(&module) || file.ends_with(module.join("mod.rs")))
        .any(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            text.contains(&format!("fn {name}(")) || text.contains(&format!("{name}: "))
        })
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2);
    let crates = [
        "tallybook::",
        "sql::",
        "postgres::",
        "sqlite::",
        "core::",
        "monitor::",
        "migrate::",
        "doctor::",
        "advise::",
        "book::",
        "cli::",
        "server::",
        "testkit::",
    ];
    let tests: Vec<_> = quoted.filter(|text| crates.iter().any(|name| text.starts_with(name))).collect();
    assert!(tests.len() > 40, "the page names tests: {tests:?}");
    let missing: Vec<_> = tests.iter().filter(|test| !exists(&root, test)).collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
}

#[test]
fn every_guarantee_has_a_proof() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let unproved: Vec<_> = rows
        .filter(|row| {
            let proof = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            !proof.contains("::") && !proof.contains("](") && !proof.contains("crates/")
        })
        .collect();
    assert!(unproved.is_empty(), "{unproved:#?}");
}
