//! Finding PostgreSQL's server programs.

use tallybook_testkit::Binaries;

#[test]
fn missing_programs_are_reported_with_what_to_install() {
    let text = Binaries::find_in([]).unwrap_err().to_string();
    for part in ["initdb", "apt-get install postgresql", "./scripts/test"] {
        assert!(text.contains(part), "no {part} in: {text}");
    }
}

#[test]
fn a_directory_without_the_programs_is_named_in_the_report() {
    let empty = tempfile::tempdir().unwrap();
    let text = Binaries::find_in([empty.path().into()]).unwrap_err().to_string();
    assert!(text.contains(empty.path().to_str().unwrap()), "{text}");
}

#[test]
fn the_programs_of_this_machine_are_found() {
    let binaries = Binaries::find().unwrap();
    assert!(binaries.program("initdb").is_file());
}
