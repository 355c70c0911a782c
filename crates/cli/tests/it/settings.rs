//! Every setting that the README names is read, and has a test that it does what its row says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tallybook::Settings;
use tallybook_testkit::Binaries;

use crate::guarantees::exists;
use crate::support::{Program, Run};

/// Each setting, and the test that it does what it says.
const PROOFS: [(&str, &str); 28] = [
    ("DATABASE_URL", "cli::opening::a_mistyped_path_is_an_error_that_names_it_and_no_file_is_made"),
    ("DATABASE_ECHO", "tallybook::log::an_echo_is_the_text_alone_and_query_logging_adds_its_times"),
    ("DB_POOL_SIZE", "tallybook::pool::size_and_overflow_limit_what_is_lent_and_size_what_is_kept"),
    ("DB_MAX_OVERFLOW", "tallybook::pool::size_and_overflow_limit_what_is_lent_and_size_what_is_kept"),
    ("DB_POOL_TIMEOUT", "tallybook::pool::a_time_out_says_what_it_waited_for_and_how_it_stands"),
    ("DB_POOL_RECYCLE", "tallybook::pool::an_old_connection_is_replaced_and_a_young_one_is_not"),
    ("DB_POOL_PRE_PING", "tallybook::pool::a_connection_that_fell_silent_is_found_by_the_ping_and_replaced"),
    ("DB_ECHO_POOL", "tallybook::log::statements_and_connections_are_logged_but_no_parameters"),
    ("DB_POOL_MAX_WAITING", "tallybook::queue::a_full_queue_refuses_at_once"),
    (
        "DB_STATEMENT_CACHE_SIZE",
        "tallybook::pooler::without_a_statement_cache_nothing_is_prepared_on_the_server",
    ),
    (
        "DB_POOL_LEAK_THRESHOLD",
        "tallybook::variables::db_pool_leak_threshold_is_when_a_held_session_is_warned_of",
    ),
    ("DB_ENABLE_QUERY_LOGGING", "tallybook::log::an_echo_is_the_text_alone_and_query_logging_adds_its_times"),
    ("DB_SLOW_QUERY_THRESHOLD", "tallybook::slow::a_slow_commit_is_seen"),
    ("DB_LOG_PARAMETERS", "tallybook::slow::parameters_are_logged_only_as_far_as_they_may_be_seen"),
    ("DB_MONITOR", "tallybook::variables::db_monitor_says_what_is_looked_at"),
    ("DB_MONITOR_STATEMENTS", "tallybook::variables::db_monitor_statements_are_told_apart"),
    ("DB_N_PLUS_ONE_THRESHOLD", "tallybook::variables::db_n_plus_one_threshold_is_how_many_rows_make_a_loop"),
    ("DB_N_PLUS_ONE_ALLOW", "tallybook::variables::db_n_plus_one_allow_names_loops_that_are_meant"),
    ("DB_METRICS_SUB_MILLISECOND", "tallybook::variables::db_metrics_sub_millisecond_adds_buckets"),
    ("DB_MONITOR_SOCKET", "tallybook::socket::whoever_connects_gets_the_report_in_one_line"),
    ("DB_ENABLE_READ_REPLICA", "tallybook::routing::reads_go_to_replicas_and_writes_to_the_primary"),
    ("DB_READ_REPLICA_URL", "tallybook::routing::reads_go_to_replicas_and_writes_to_the_primary"),
    ("DB_REPLICA_MAX_STALENESS", "tallybook::variables::db_replica_variables_bound_age_waits_and_questions"),
    ("DB_REPLICA_WAIT", "tallybook::variables::db_replica_variables_bound_age_waits_and_questions"),
    ("DB_REPLICA_CHECK_INTERVAL", "tallybook::variables::db_replica_variables_bound_age_waits_and_questions"),
    ("DB_REPLICA_FALLBACK", "tallybook::routing::reads_beyond_the_primary_s_budget_are_refused_at_once"),
    ("DB_ZONE", "tallybook::variables::db_zone_is_where_reads_stay"),
    ("NO_COLOR", "cli::settings::no_color_keeps_colours_from_a_terminal"),
];

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The variables in the first cells of the tables of a page.
fn rows(page: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let names = cells.flat_map(|(cell, _)| cell.split('`').map(str::to_owned).collect::<Vec<_>>());
    let is_name = |name: &String| {
        name.contains('_') && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    names.filter(is_name).collect()
}

fn documented() -> BTreeSet<String> {
    &rows("README.md") | &rows("docs/replicas.md")
}

#[test]
fn every_setting_of_the_readme_has_a_test_and_every_test_a_setting() {
    let proved: BTreeSet<_> = PROOFS.iter().map(|(setting, _)| (*setting).to_owned()).collect();
    assert_eq!(proved, documented());
    let missing: Vec<_> = PROOFS.iter().filter(|(_, test)| !exists(&root(), test)).collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
}

#[test]
fn the_settings_that_are_read_are_those_of_the_readme() {
    let asked = RefCell::new(BTreeSet::from(["NO_COLOR".to_owned()]));
    let settings = Settings::from_lookup(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    settings.unwrap();
    assert_eq!(asked.into_inner(), documented());
}

/// Runs the program on a terminal of its own.
fn on_a_terminal(words: &str, variables: &[(&str, &str)]) -> Run {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let mut command = Command::new("python3");
    command.args(["-c", terminal, env!("CARGO_BIN_EXE_tallybook")]).args(words.split_whitespace());
    command.env_clear().envs(variables.iter().copied()).current_dir(program.directory());
    command.output().expect("python3 is installed").into()
}

#[test]
fn no_color_keeps_colours_from_a_terminal() {
    // A finding of the doctor and a line of the log.
    for (words, variable) in
        [("doctor", ("DB_POOL_TIMEOUT", "0.01")), ("export trades", ("DATABASE_ECHO", "true"))]
    {
        let escape = |variables: &[(&str, &str)]| on_a_terminal(words, variables).out.contains('\u{1b}');
        assert!(escape(&[variable]), "{words} has colours");
        assert!(escape(&[variable, ("NO_COLOR", "")]), "{words} has colours: an empty variable is none");
        assert!(!escape(&[variable, ("NO_COLOR", "1")]), "{words} has none");
    }
}

#[test]
#[ignore = "a program for the test below, which runs it in a process of its own"]
fn print_where_postgres_is() {
    let found = match Binaries::find() {
        Ok(binaries) => binaries.program("postgres").display().to_string(),
        Err(error) => error.to_string(),
    };
    std::io::Write::write_all(&mut std::io::stdout(), found.as_bytes()).unwrap();
}

#[test]
fn tallybook_pg_bin_is_where_the_tests_look_for_postgres_and_nowhere_else() {
    let print = |directory: &Path| {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["settings::print_where_postgres_is", "--exact", "--ignored", "--nocapture"]);
        let output = program.env("TALLYBOOK_PG_BIN", directory).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (empty, linked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = Binaries::find().unwrap();
    for name in ["initdb", "pg_basebackup", "pg_ctl", "pg_resetwal", "pg_rewind", "postgres"] {
        symlink(real.program(name), linked.path().join(name)).unwrap();
    }
    let printed = print(linked.path());
    assert!(printed.contains(&linked.path().join("postgres").display().to_string()), "{printed}");
    let printed = print(empty.path());
    let told = format!("Looked in: {}\n", empty.path().display());
    assert!(printed.contains("were not found") && printed.contains(&told), "{printed}");
}
