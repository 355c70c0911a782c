//! `tallybook import` and `tallybook export`.

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use tallybook::{Database, Settings, execute, one, params};
use tallybook_testkit::both_dialects;

use crate::support::Program;

const HEADER: &str = "name,initial_capital,current_capital,currency,created_at,updated_at";

fn portfolio(name: &str, capital: &str) -> String {
    format!("{name},{capital},{capital},USD,2025-01-02 03:04:05.000006,2025-01-02 03:04:05\n")
}

both_dialects! {
    async fn what_is_exported_imports_back_equal(url: &str) {
        let program = Program::new();
        let (from, to) = (format!("--database {url}"), "--database sqlite:///./copy.db");
        program.run(&format!("migrate upgrade {from}")).ok();
        program.run(&format!("seed --portfolios 15 --trades 1500 {from}")).ok();
        program.run(&format!("migrate upgrade {to}")).ok();
        for table in ["portfolios", "trading_sessions", "trades", "executions", "positions"] {
            program.run(&format!("export {table} {table}.csv {from}")).ok();
            program.run(&format!("import {table} {table}.csv {to}")).ok();
            assert_eq!(program.run(&format!("export {table} {to}")).ok(), program.read(&format!("{table}.csv")));
        }
    }

    async fn texts_survive_whatever_they_hold(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let odd = ["\"a, \"\"b\"\"\"", "\"line\none\"", "\"\"\"\"", "\"\"\"\"\"\"", "", "' OR 1=1 --", "ärger €"];
        let mut file = format!("description,{HEADER}\n");
        for (index, description) in odd.iter().enumerate() {
            file += &format!("{description},{}", portfolio(&format!("p{index}"), "1.5"));
        }
        program.write("odd.csv", &file);
        program.run(&format!("import portfolios odd.csv {database}")).ok();
        let exported = program.run(&format!("export portfolios {database}")).ok();
        program.run(&format!("migrate downgrade base --force {database}")).ok();
        program.run(&format!("migrate upgrade {database}")).ok();
        program.write("again.csv", &exported);
        program.run(&format!("import portfolios again.csv {database}")).ok();
        assert_eq!(program.run(&format!("export portfolios {database}")).ok(), exported);
        assert!(exported.contains("\"line\none\"") && exported.contains("ärger €"), "{exported}");
    }

    async fn formulas_are_exported_as_they_are_unless_a_spreadsheet_is_to_open_them(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "1=1", "'=1"];
        let mut file = format!("description,{HEADER}\n");
        for (index, formula) in formulas.iter().enumerate() {
            file += &format!("\"{formula}\",{}", portfolio(&format!("p{index}"), "-1.5"));
        }
        program.write("formulas.csv", &file);
        program.run(&format!("import portfolios formulas.csv {database}")).ok();
        let field = |export: &str, name: &str| {
            let mut csv = csv::Reader::from_reader(export.as_bytes());
            let column = csv.headers().unwrap().iter().position(|header| header == name).unwrap();
            csv.records().map(|record| record.unwrap()[column].to_owned()).collect::<Vec<_>>()
        };
        let plain = program.run(&format!("export portfolios {database}")).ok();
        assert_eq!(field(&plain, "description"), formulas);
        let escaped = program.run(&format!("export portfolios --escape-formulas {database}")).ok();
        let expected = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "'\rx", "1=1", "'=1"];
        assert_eq!(field(&escaped, "description"), expected);
        assert_eq!(field(&escaped, "initial_capital"), vec!["-1.5"; formulas.len()], "numbers are none");
    }

    async fn a_bad_line_imports_nothing_and_is_named(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let cases = [
            ("x,NaN,1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00", "line 3, column initial_capital: \"NaN\": expected a decimal"),
            ("x,1_000,1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00", "line 3, column initial_capital: \"1_000\": expected a decimal"),
            ("x,1,1,DOLLAR,2025-01-01 00:00:00,2025-01-01 00:00:00", "line 3, column currency: \"DOLLAR\": currency: has 6 characters, at most 3 fit"),
            ("x,1,1,USD,yesterday,2025-01-01 00:00:00", "line 3, column created_at: \"yesterday\": expected a timestamp"),
            ("x,0.12345678901234567,1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00", "line 3, column initial_capital"),
            ("x,,1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00", "can't be empty"),
            ("x,1,1,USD", "line: 3"),
            ("good,1,1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00", "row 2, "),
        ];
        for (line, expected) in cases {
            program.write("bad.csv", &format!("{HEADER}\n{}{line}\n", portfolio("good", "1")));
            let error = program.run(&format!("import portfolios bad.csv {database}")).fails(1);
            assert!(error.contains(expected), "{line}: {error}");
            assert!(error.contains("nothing of bad.csv was imported"), "{error}");
        }
        assert_eq!(program.run(&format!("export portfolios {database}")).ok().lines().count(), 1, "the header only");
    }

    async fn rows_without_identifiers_come_behind_those_that_are_there(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        program.run_with(&format!("import portfolios - {database}"), &[], &format!("id,{HEADER}\n41,{}", portfolio("a", "1"))).ok();
        program.run_with(&format!("import portfolios - {database}"), &[], &format!("{HEADER}\n{}", portfolio("b", "2"))).ok();
        let exported = program.run(&format!("export portfolios {database}")).ok();
        assert!(exported.contains("\n42,b,"), "{exported}");
    }

    async fn a_parent_that_is_missing_is_said(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let file = "portfolio_id,symbol,quantity,average_cost,current_price,unrealized_pnl,realized_pnl,position_type,created_at,updated_at\n\
                    9,AAPL,1,1,1,0,0,LONG,2025-01-01 00:00:00,2025-01-01 00:00:00\n";
        let error = program.run_with(&format!("import positions - {database}"), &[], file).fails(1);
        assert!(error.to_lowercase().contains("foreign key"), "{error}");
    }
}

#[test]
fn a_header_that_does_not_fit_is_explained() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    for (header, expected) in [
        ("name,price", "portfolios has no column \"price\""),
        ("name,name", "occurs twice"),
        ("name,currency", "initial_capital, current_capital, created_at, updated_at are missing"),
    ] {
        let error = program.run_with("import portfolios -", &[], &format!("{header}\n")).fails(1);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_export_that_fails_leaves_the_old_file() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.write("trades.csv", "precious");
    program.run("export trades missing/trades.csv").fails(1);
    insert(&program, "('2025-03-01', '2025-03-01 09:30:00', 1)");
    program.run("export portfolios portfolios.csv").fails(1);
    program.write("portfolios.csv", "precious");
    program.run("export portfolios portfolios.csv").fails(1);
    assert_eq!(program.read("portfolios.csv"), "precious");
    assert_eq!(parts(&program), [""; 0]);
}

#[test]
fn each_row_is_exported_once_however_its_time_is_spelled() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.sqlite(
        "INSERT INTO portfolios (id, name, initial_capital, current_capital, currency, created_at, updated_at) \
         VALUES (1, 'p', 1, 1, 'USD', '2025-03-01 09:30:00', '2025-03-01 09:30:00');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
         INSERT INTO trades (portfolio_id, symbol, action, quantity, order_type, status, filled_quantity, created_at, \
         updated_at) SELECT 1, 'A', 'BUY', 1, 'MARKET', 'FILLED', 0, CASE i % 3 WHEN 0 THEN '2025-03-01 09:30:00' \
         WHEN 1 THEN '2025-03-01T09:30:00' ELSE '2025-03-01 09:30:00.000000' END, '2025-03-01 09:30:00' FROM n;",
    );
    assert_eq!(program.run("export trades trades.csv").ok(), "exported 10,001 rows to trades.csv\n");
    let file = program.read("trades.csv");
    let ids: Vec<u32> =
        file.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, (1..=10_001).collect::<Vec<_>>());
}

#[test]
fn an_export_leaves_a_part_file_of_others_and_follows_no_link() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.write("secret", "precious");
    program.write("positions.csv.part", "mine");
    std::os::unix::fs::symlink("secret", program.directory().join("trades.csv.part")).unwrap();
    std::os::unix::fs::symlink("secret", program.directory().join("executions.csv")).unwrap();
    for table in ["trades", "positions", "executions"] {
        program.run(&format!("export {table} {table}.csv")).ok();
        assert!(program.read(&format!("{table}.csv")).starts_with("id,"));
    }
    assert_eq!(program.read("secret"), "precious");
    assert_eq!(program.read("positions.csv.part"), "mine");
    assert_eq!(parts(&program), ["positions.csv.part", "trades.csv.part"]);
}

#[test]
fn an_export_keeps_the_permissions_of_the_file_it_replaces() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    program.write("trades.csv", "old");
    let path = program.directory().join("trades.csv");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    program.run("export trades trades.csv").ok();
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640);
    let made = program.command("export positions positions.csv").output().unwrap();
    assert!(made.status.success());
    let plain = program.directory().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(program.directory().join("positions.csv")), mode(plain), "as any new file");
}

#[test]
fn a_pipe_is_written_to_and_not_replaced() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let pipe = program.directory().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = program.command("export trades pipe").spawn().unwrap();
    assert!(std::fs::read_to_string(&pipe).unwrap().starts_with("id,"));
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn values_that_can_not_be_read_are_named_and_can_be_left_out() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    insert(&program, "('2025-03-01T09:30:00', '2025-03-01 09:30:00', 1)");
    insert(&program, "('2025-03-01', '2025-03-01 09:30:00-05:00', 9e999)");
    insert(&program, "('2025-03-01 09:30:00', 1740821400, 1e30)");
    insert(&program, "('2025-03-01 09:30:00', '2025-03-01 09:30:00', 'much')");
    program.sqlite("UPDATE portfolios SET currency = 'SECRET DOLLARS' WHERE id = 4");

    let error = program.run("export portfolios portfolios.csv").fails(1);
    assert!(
        error.contains(
            "portfolios, id 2, column initial_capital: expected a decimal, found inf; column created_at: "
        ),
        "{error}"
    );
    assert!(error.contains("--skip-unreadable"), "{error}");

    let run = program.run("export portfolios portfolios.csv --skip-unreadable rejected.csv");
    assert!(run.err.contains("3 rows can't be read; rejected.csv lists them"), "{}", run.err);
    run.fails(3);
    assert_eq!(program.read("portfolios.csv").lines().count(), 2);
    let list = program.read("rejected.csv");
    let fields: Vec<_> = list.lines().map(|line| line.splitn(4, ',').collect::<Vec<_>>()).collect();
    let named: Vec<_> = fields.iter().map(|fields| fields[..3].join(" ")).collect();
    assert_eq!(
        named,
        [
            "table id column",
            "portfolios 2 initial_capital",
            "portfolios 2 created_at",
            "portfolios 2 updated_at",
            "portfolios 3 initial_capital",
            "portfolios 3 updated_at",
            "portfolios 4 initial_capital",
            "portfolios 4 currency",
        ]
    );
    for told in [
        "a date without a time",
        "a time with an offset from UTC",
        "at most 3 fit",
        "7.9e28",
        "a text of 4 bytes",
    ] {
        assert!(list.contains(told), "{told}: {list}");
    }
    for value in ["SECRET", "much", "2025", "1740821400"] {
        assert!(!list.contains(value) && !error.contains(value), "{value} is a value: {list}{error}");
    }
    program.run("export trades trades.csv --skip-unreadable none.csv").ok();
    assert_eq!(program.read("none.csv"), "table,id,column,reason\n");
    program.run("export trades same.csv --skip-unreadable same.csv").fails(1);
}

#[test]
fn a_check_and_an_adoption_warn_of_values_that_can_not_be_read() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    assert_eq!(program.run("migrate check").err, "");
    for _ in 0..4 {
        insert(&program, "('2025-03-01', '2025-03-01 09:30:00', 'SECRET')");
    }
    let check = program.run("migrate check");
    let told = "warning: portfolios: 4 of 4 rows can't be read\n  portfolios, id 1, column initial_capital: expected a decimal, \
                found a text of 6 bytes; column created_at: expected a timestamp";
    assert!(check.err.starts_with(told), "{}", check.err);
    assert!(
        check.err.contains("id 3, ") && !check.err.contains("id 4, ") && check.err.contains("\n  …\n"),
        "{}",
        check.err
    );
    assert!(!check.err.contains("SECRET") && !check.err.contains("2025"), "{}", check.err);
    check.ok();
    program.sqlite(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, \
         CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)); \
         INSERT INTO alembic_version VALUES ('5951c803aff7')",
    );
    // The other tables of Alembic's last version.
    for table in
        "agent_configs run_logs vendor_configs risk_metrics users api_keys audit_logs agent_llm_configs"
            .split(' ')
    {
        program.sqlite(&format!("CREATE TABLE {table} (id INTEGER NOT NULL, PRIMARY KEY (id))"));
    }
    program.run("migrate downgrade 0002").ok();
    program.run("migrate release").ok();
    let adopt = program.run("migrate adopt --dry-run --json");
    assert!(adopt.err.starts_with(told), "{}", adopt.err);
    adopt.json();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_interrupted_leaves_nothing_behind() {
    let database = tallybook_testkit::postgres().await.database("interrupted_export").await;
    let (program, url) = (Program::new(), database.url());
    program.run(&format!("migrate upgrade --database {url}")).ok();
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    let mut locks = db.begin().await.unwrap();
    locks.run(execute("LOCK TABLE portfolios IN ACCESS EXCLUSIVE MODE", params![])).await.unwrap();
    let child =
        program.command(&format!("export portfolios portfolios.csv --database {url}")).spawn().unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'portfolios'::regclass AND NOT granted";
    while locks.run(one::<(i64,)>(waiting, params![])).await.unwrap() == (0,) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(parts(&program).len(), 1);
    crate::support::interrupt(&child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    assert_eq!(std::fs::read_dir(program.directory()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_only_postgresql_has_are_named_and_can_be_left_out() {
    let database = tallybook_testkit::postgres().await.database("unreadable_export").await;
    let (program, url) = (Program::new(), database.url());
    program.run(&format!("migrate upgrade --database {url}")).ok();
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    let insert = "INSERT INTO portfolios (name, initial_capital, current_capital, currency, created_at, updated_at) VALUES \
                  ('a', 1, 1, 'USD', '2025-03-01', '2025-03-01'), ('b', 'NaN', 1, 'USD', 'infinity', '2025-03-01'), \
                  ('c', 1, 1e30, 'USD', '2025-03-01', '12025-03-01')";
    db.write(async |session| session.run(execute(insert, params![])).await).await.unwrap();
    let error = program.run(&format!("export portfolios - --database {url}")).fails(1);
    assert!(
        error.contains("portfolios, id 2, column initial_capital: expected a decimal, found NaN"),
        "{error}"
    );
    let command = format!("export portfolios - --skip-unreadable rejected.csv --database {url}");
    let run = program.run(&command);
    assert_eq!((run.code, run.out.lines().count()), (3, 2), "{}", run.err);
    let list = program.read("rejected.csv");
    for named in ["2,initial_capital", "2,created_at", "3,current_capital", "3,updated_at"] {
        assert!(list.contains(&format!("portfolios,{named},")), "{list}");
    }
    assert_eq!(list.lines().count(), 5);
}

/// Inserts a portfolio with these values for `created_at`, `updated_at` and `initial_capital`.
fn insert(program: &Program, values: &str) {
    let values = values.trim_start_matches('(');
    program.sqlite(&format!(
        "INSERT INTO portfolios (name, currency, current_capital, created_at, updated_at, initial_capital) \
         VALUES (hex(randomblob(8)), 'USD', 1, {values}"
    ));
}

/// The files whose name ends in `.part`.
fn parts(program: &Program) -> Vec<String> {
    let files = std::fs::read_dir(program.directory()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".part"));
    names.sort();
    names
}
