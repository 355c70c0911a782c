//! What goes wrong, as the person at the terminal sees it.

use crate::support::Program;

#[test]
fn a_bad_variable_is_named_with_what_it_held_and_may_hold() {
    let program = Program::new();
    for (name, held, expected) in [
        ("DB_POOL_SIZE", "0", "a whole number from 1"),
        ("DB_MAX_OVERFLOW", "-3", "a whole number from 0"),
        ("DB_POOL_TIMEOUT", "soon", "a number of seconds"),
        ("DB_POOL_PRE_PING", "maybe", "true or false"),
        ("DATABASE_URL", "mysql://h/d", "postgresql://"),
        ("DB_ENABLE_READ_REPLICA", "true", "DB_READ_REPLICA_URL"),
    ] {
        let error = program.run_with("migrate current", &[(name, held)], "").fails(1);
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn settings_are_read_from_a_dotenv_file_and_the_environment_wins() {
    let program = Program::new();
    program.write(".env", "DATABASE_URL=sqlite:///./from-file.db\n");
    program.run("migrate upgrade").ok();
    assert!(program.directory().join("from-file.db").exists());
    program.run_with("migrate upgrade", &[("DATABASE_URL", "sqlite:///./from-environment.db")], "").ok();
    assert!(program.directory().join("from-environment.db").exists());
}

#[test]
fn a_dotenv_line_that_does_not_parse_is_not_shown() {
    let program = Program::new();
    program.write(".env", "DATABASE_URL=postgresql://ada:Secret@h/d\nPASS WORD='Secret\n");
    let error = program.run("migrate current").fails(1);
    assert!(error.contains(".env") && !error.contains("Secret"), "{error}");
}

#[test]
fn no_server_is_said_with_its_host_and_port() {
    let error =
        Program::new().run("migrate current --database postgresql://ada:Secret@127.0.0.1:1/d").fails(1);
    assert!(error.contains("127.0.0.1:1") && !error.contains("Secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_not_shown() {
    let database = tallybook_testkit::postgres().await.database("wrong_password").await;
    let url = format!("postgresql://tallybook:Secret@127.0.0.1:{}/{}", database.port(), database.name());
    let error = Program::new().run(&format!("demo --database {url}")).fails(1);
    assert!(error.contains("password authentication failed") && !error.contains("Secret"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_left_as_it_is() {
    let program = Program::new();
    let text = "dear diary, ".repeat(500);
    program.write("diary.txt", &text);
    let error = program.run("demo --database sqlite:///./diary.txt").fails(1);
    assert!(error.contains("not an SQLite database"), "{error}");
    assert_eq!(program.read("diary.txt"), text);
}

#[test]
fn a_file_that_is_not_there_to_import_is_named() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let error = program.run("import trades nowhere.csv").fails(1);
    assert!(error.contains("nowhere.csv"), "{error}");
}
