//! The settings themselves.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use super::{Report, doctor_of, doctor_with};
use crate::support::Program;

fn with(variables: &[(&str, &str)]) -> Report {
    doctor_with(&Program::new(), variables)
}

#[test]
fn a_setting_that_does_not_parse_is_critical_and_names_what_may_be() {
    let report = with(&[("DB_POOL_SIZE", "none"), ("DATABASE_URL", "postgresql://ada:Secret@127.0.0.1:1/d")]);
    assert_eq!(report.code, 4);
    report.has("critical", "settings", "DB_POOL_SIZE holds \"none\"; it may hold a whole number", ".env");
    assert!(!report.all.contains("Secret"), "{}", report.all);
}

#[test]
fn variables_are_shown_with_where_they_are_from_and_without_passwords() {
    let program = Program::new();
    program.write(".env", "DB_POOL_SIZE=7\nDATABASE_URL='postgresql://ada:Secret@127.0.0.1:1/d'\n");
    let report = doctor_with(&program, &[("DB_MAX_OVERFLOW", "3")]);
    for (name, value, is_from_file) in [
        ("DATABASE_URL", "postgresql://ada:***@127.0.0.1:1/d", true),
        ("DB_POOL_SIZE", "7", true),
        ("DB_MAX_OVERFLOW", "3", false),
    ] {
        let held = serde_json::json!({ "name": name, "value": value, "is_from_file": is_from_file });
        assert!(report.told["settings"].as_array().unwrap().contains(&held), "{}", report.all);
    }
    assert!(!report.all.contains("Secret"), "{}", report.all);
}

#[test]
fn replicas_that_are_named_and_not_used_are_told_of() {
    let report = with(&[
        ("DATABASE_URL", "postgresql://127.0.0.1:1/d"),
        ("DB_READ_REPLICA_URL", "postgresql://127.0.0.1:2/d"),
    ]);
    report.has("warning", "settings", "DB_ENABLE_READ_REPLICA is false", "DB_ENABLE_READ_REPLICA=true");
}

#[test]
fn replicas_that_a_program_would_refuse_are_critical() {
    for (primary, replicas, what) in [
        ("sqlite:///./a.db", "postgresql://127.0.0.1:2/d", "an SQLite file has no replicas"),
        ("postgresql://127.0.0.1:2/d", "sqlite:///./a.db", "URLs of PostgreSQL replicas"),
        ("postgresql://127.0.0.1:2/d", "postgresql://127.0.0.1:2/d", "the server of DATABASE_URL itself"),
    ] {
        let report = doctor_of(primary, &[replicas]);
        assert_eq!(report.code, 4);
        report.has("critical", "settings", what, "correct it");
    }
}

#[test]
fn settings_that_parse_and_hurt_are_told_of() {
    for (variables, severity, what) in [
        (&[("DB_POOL_TIMEOUT", "0.01")][..], "warning", "DB_POOL_TIMEOUT is 0.01 s"),
        (&[("DB_POOL_TIMEOUT", "600")], "note", "DB_POOL_TIMEOUT is 600 s"),
        (&[("DB_POOL_PRE_PING", "false")], "note", "DB_POOL_PRE_PING is false"),
        (&[("DB_POOL_PRE_PING", "false"), ("DB_POOL_RECYCLE", "-1")], "warning", "connections live for ever"),
        (&[("DB_POOL_MAX_WAITING", "0")], "note", "DB_POOL_MAX_WAITING is 0"),
        (&[("DB_LOG_PARAMETERS", "full")], "note", "DB_LOG_PARAMETERS is full"),
        (&[("DATABASE_ECHO", "true")], "note", "DATABASE_ECHO is true"),
        (&[("DB_SLOW_QUERY_THRESHOLD", "0")], "note", "DB_SLOW_QUERY_THRESHOLD is 0"),
    ] {
        with(variables).has(severity, "settings", what, "");
    }
    let replica = ("DB_READ_REPLICA_URL", "postgresql://127.0.0.1:2/d");
    let urls = [("DATABASE_URL", "postgresql://127.0.0.1:1/d"), ("DB_ENABLE_READ_REPLICA", "true"), replica];
    for (variable, severity, what) in [
        (("DB_REPLICA_FALLBACK", "0"), "warning", "DB_REPLICA_FALLBACK is 0"),
        (("DB_REPLICA_CHECK_INTERVAL", "60"), "note", "DB_REPLICA_CHECK_INTERVAL is 60 s"),
    ] {
        with(&[&urls[..], &[variable]].concat()).has(severity, "settings", what, "");
    }
    assert!(with(&[]).of("settings").is_empty());
}

#[test]
fn a_password_in_a_file_that_everybody_may_read_is_told_of() {
    let program = Program::new();
    program.write(".env", "DATABASE_URL='postgresql://ada:Secret@127.0.0.1:1/d'\n");
    let file = program.directory().join(".env");
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let report = doctor_with(&program, &[]);
    report.has("warning", "settings", "may be read by every user", "chmod 600");
    assert!(!report.all.contains("Secret"), "{}", report.all);
    set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert!(doctor_with(&program, &[]).of("settings").is_empty());
}
