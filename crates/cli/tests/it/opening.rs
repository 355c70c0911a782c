//! What commands do to an SQLite file that is not there, not theirs to change, or no database.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::Program;

/// The commands that only look.
const LOOKS: [&str; 7] = [
    "migrate check",
    "migrate plan",
    "migrate history",
    "migrate current",
    "migrate adopt --dry-run",
    "export trades",
    "doctor",
];

/// Those that change a book which is there.
const CHANGES: [&str; 6] = [
    "migrate adopt",
    "migrate release",
    "migrate downgrade -1",
    "migrate repair 0001",
    "import trades trades.csv",
    "seed --portfolios 1 --trades 1",
];

const HERE: &str = "--database sqlite:///./book.db";

/// The files of a directory with what they hold.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap_or_default())
        })
        .collect()
}

/// A book whose file another program has in this journal mode.
fn book(journal: &str) -> Program {
    let program = Program::new();
    program.run(&format!("migrate upgrade {HERE}")).ok();
    let sqlite = rusqlite::Connection::open(program.directory().join("book.db")).unwrap();
    let mode: String =
        sqlite.query_row(&format!("PRAGMA journal_mode = {journal}"), [], |row| row.get(0)).unwrap();
    assert_eq!(mode, journal);
    program
}

#[test]
fn a_mistyped_path_is_an_error_that_names_it_and_no_file_is_made() {
    let program = Program::new();
    program.write("trades.csv", "id\n");
    let before = files(program.directory());
    for url in ["sqlite:///./typo.db", "sqlite:///typo.db", "sqlite+aiosqlite:///./typo.db"] {
        for command in LOOKS.iter().chain(&CHANGES) {
            let run = program.run(&format!("{command} --database {url}"));
            let told = format!("{}{}", run.out, run.err);
            assert_ne!(run.code, 0, "{command}: {told}");
            assert!(
                told.contains("typo.db") && told.contains("the file does not exist"),
                "{command}: {told}"
            );
            assert!(told.contains("tallybook migrate upgrade"), "{command}: {told}");
            assert_eq!(files(program.directory()), before, "{command}");
        }
    }
    let absolute = program.directory().join("typo.db");
    let error = program.run(&format!("migrate check --database sqlite:///{}", absolute.display())).fails(1);
    assert!(error.contains(&absolute.display().to_string()), "{error}");
    program.run("migrate upgrade --database sqlite:///./typo.db").ok();
    assert!(absolute.exists());
}

#[test]
fn a_command_that_only_looks_leaves_every_byte_as_it_is() {
    for journal in ["delete", "wal", "truncate"] {
        let program = book(journal);
        let before = files(program.directory());
        for command in LOOKS {
            program.run(&format!("{command} {HERE}"));
            let after = files(program.directory());
            assert!(after.keys().eq(before.keys()), "{command} on {journal}: {:?}", after.keys());
            assert!(after == before, "{command} changed a file in mode {journal}");
        }
    }
}

#[test]
fn a_command_that_only_looks_leaves_the_log_of_a_program_that_was_killed() {
    let program = book("wal");
    let path = program.directory().join("book.db");
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    sqlite
        .execute_batch(
            "PRAGMA wal_autocheckpoint = 0; INSERT INTO portfolios (name, initial_capital, current_capital, \
             currency, created_at, updated_at) VALUES ('a', 1, 1, 'USD', '2025-03-01 09:30:00.000000', \
             '2025-03-01 09:30:00.000000')",
        )
        .unwrap();
    // What a process that is killed leaves: the file and its log, as they are now.
    let left = Program::new();
    for name in ["book.db", "book.db-wal"] {
        std::fs::copy(program.directory().join(name), left.directory().join(name)).unwrap();
    }
    let before = files(left.directory());
    for command in LOOKS {
        left.run(&format!("{command} {HERE}"));
        let after = files(left.directory());
        assert!(after["book.db"] == before["book.db"], "{command} changed the file");
        assert!(after["book.db-wal"] == before["book.db-wal"], "{command} changed the log");
    }
    let exported = left.run(&format!("export portfolios {HERE}")).ok();
    assert_eq!(exported.lines().count(), 2, "the log is read: {exported}");
}

#[test]
fn a_file_that_may_only_be_read_can_be_looked_at_and_not_changed() {
    let program = book("delete");
    let path = program.directory().join("book.db");
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let before = files(program.directory());
    assert!(program.run(&format!("migrate check {HERE}")).ok().contains("is what its revisions say"));
    assert_eq!(program.run(&format!("export trades {HERE}")).ok().lines().count(), 1);
    for command in ["migrate upgrade", "migrate downgrade -1", "seed --portfolios 1 --trades 1"] {
        let error = program.run(&format!("{command} {HERE}")).fails(1);
        assert!(error.contains("the file is read-only"), "{command}: {error}");
    }
    assert!(files(program.directory()) == before);
}

#[test]
fn what_is_no_database_is_named_for_what_it_is() {
    let program = Program::new();
    std::fs::create_dir(program.directory().join("directory.db")).unwrap();
    program.write("text.db", &"dear diary, ".repeat(500));
    program.write("plain", "");
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere/else.db", program.directory().join("link.db")).unwrap();
    let made =
        std::process::Command::new("mkfifo").arg(program.directory().join("pipe.db")).status().unwrap();
    assert!(made.success());
    for (path, told) in [
        ("directory.db", "it is a directory"),
        ("text.db", "not an SQLite database"),
        ("link.db", "it is a symbolic link to nowhere/else.db, which does not exist"),
        ("pipe.db", "it is not a regular file"),
        ("plain/book.db", "plain is not a directory"),
        ("nowhere/book.db", "nowhere does not exist"),
    ] {
        for command in ["migrate check", "migrate adopt", "export trades", "migrate upgrade"] {
            let error = program.run(&format!("{command} --database sqlite:///./{path}")).fails(1);
            assert!(error.contains(told), "{command} {path}: {error}");
        }
    }
}

#[test]
fn an_empty_file_is_a_database_without_a_book_and_stays_empty() {
    let program = Program::new();
    program.write("book.db", "");
    for command in LOOKS {
        program.run(&format!("{command} {HERE}"));
        assert_eq!(program.read("book.db"), "", "{command}");
        assert_eq!(files(program.directory()).len(), 1, "{command}");
    }
    let error = program.run(&format!("export trades {HERE}")).fails(1);
    assert!(error.contains("holds no book yet"), "{error}");
}
