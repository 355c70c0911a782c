//! `tallybook import` and `tallybook export`.

use tallybook_testkit::both_engines;

use crate::support::Program;

const HEADER: &str = "name,initial_capital,current_capital,currency,created_at,updated_at";

fn portfolio(name: &str, capital: &str) -> String {
    format!("{name},{capital},{capital},USD,2025-01-02 03:04:05.000006,2025-01-02 03:04:05\n")
}

both_engines! {
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

    async fn a_bad_line_imports_nothing_and_is_named(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let cases = [
            ("x,NaN,1,USD,2025-01-01 00:00:00,2025-01-01 00:00:00", "line 3, column initial_capital: \"NaN\": expected a decimal"),
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
        ("name,name", "stands there twice"),
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
    std::fs::create_dir(program.directory().join("trades.csv.part")).unwrap();
    program.run("export trades trades.csv").fails(1);
    assert_eq!(program.read("trades.csv"), "precious");
}
