//! Paths for SQLite databases.

use std::fs;

use tallybook_testkit::SqliteFile;

#[test]
fn a_new_path_is_free_and_can_be_written() {
    let file = SqliteFile::new("ledger");
    assert!(file.path().ends_with("ledger.db"));
    assert!(!file.path().exists());
    fs::write(file.path(), "").unwrap();
}

#[test]
fn the_url_has_four_slashes_before_an_absolute_path() {
    let file = SqliteFile::new("ledger");
    let path = file.url().strip_prefix("sqlite:///").unwrap().to_owned();
    assert!(path.starts_with('/'));
    assert_eq!(path, file.path().to_str().unwrap());
}

#[test]
fn dropping_it_removes_the_file_and_its_directory() {
    let file = SqliteFile::new("ledger");
    let directory = file.path().parent().unwrap().to_owned();
    fs::write(file.path(), "").unwrap();
    drop(file);
    assert!(!directory.exists());
}
