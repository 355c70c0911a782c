//! `tallybook migrate`.

use tallybook_testkit::both_dialects;

use crate::support::Program;

both_dialects! {
    async fn revisions_go_up_and_down_and_say_where_they_are(url: &str) {
        let program = Program::new();
        let variables = [("DATABASE_URL", url)];
        let run = |words: &str| program.run_with(words, &variables, "");

        assert!(run("migrate upgrade 0001").ok().contains("upgraded 0001"));
        assert_eq!(run("migrate current").ok(), "0001\n");
        let upgraded = run("migrate upgrade").ok();
        assert!(upgraded.contains("upgraded 0002") && upgraded.contains("upgraded 0003"), "{upgraded}");
        assert!(run("migrate upgrade").ok().contains("nothing to do"));
        assert!(run("migrate downgrade -1").ok().contains("rolled back 0003"));
        let history = run("migrate history --json").json();
        assert!(history["revisions"][0]["applied_at"].is_string(), "{history}");
        assert!(history["revisions"][2]["applied_at"].is_null(), "{history}");
        assert!(run("migrate downgrade base --force").ok().contains("rolled back 0001"));
        assert_eq!(run("migrate current --json").json()["current"], serde_json::Value::Null);
    }

    async fn a_goal_that_is_not_there_is_named_with_those_that_are(url: &str) {
        let error = Program::new().run(&format!("migrate upgrade 0009 --database {url}")).fails(1);
        assert!(error.contains("0009") && error.contains("0001, 0002, 0003"), "{error}");
    }

    async fn a_command_that_needs_a_book_says_what_to_run_first(url: &str) {
        let program = Program::new();
        let error = program.run(&format!("export trades --database {url}")).fails(1);
        assert!(error.contains("tallybook migrate upgrade"), "{error}");
        program.run(&format!("migrate upgrade 0001 --database {url}")).ok();
        let error = program.run(&format!("seed --database {url}")).fails(1);
        assert!(error.contains("0001") && error.contains("next: tallybook migrate upgrade"), "{error}");
    }

    async fn what_holds_data_goes_back_by_force_only(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("seed --portfolios 2 --trades 50").fails(1);
        run("migrate upgrade").ok();
        run("seed --portfolios 2 --trades 50").ok();
        let error = run("migrate downgrade base").fails(1);
        assert!(error.contains("table trades holds 50 rows") && error.contains("--force"), "{error}");
        assert_eq!(run("migrate current").ok(), "0003\n");
        run("migrate downgrade base --force").ok();
    }

    async fn a_plan_tells_the_statements_and_locks(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("migrate upgrade 0001").ok();
        let plan = run("migrate plan").ok();
        assert!(plan.contains("ix_trades_portfolio_status ON trades (portfolio_id, status)"), "{plan}");
        assert!(plan.contains("locks:") && plan.contains("loses:  the values of trades.session_id"), "{plan}");
        let steps = &run("migrate plan --json").json()["revisions"][0]["steps"];
        assert_eq!(steps.as_array().unwrap().len(), 6);
        assert!(run("migrate plan 0001").ok().contains("nothing to do"));
    }

    async fn drift_is_shown_and_fails(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("migrate upgrade").ok();
        assert!(run("migrate check").ok().contains("is what its revisions say"));
        let db = tallybook::Database::open(tallybook::Settings::new(url).unwrap()).await.unwrap();
        let drop = tallybook::execute("DROP INDEX ix_trades_symbol", tallybook::params![]);
        db.write(async |session| -> tallybook::Result<u64> { session.run(drop).await }).await.unwrap();
        db.close().await;
        let found = run("migrate check");
        assert_eq!(found.code, 1);
        assert!(found.out.contains("blocking: trades, index ix_trades_symbol: expected CREATE INDEX"), "{}", found.out);
        let found = run("migrate check --json");
        let told: serde_json::Value = serde_json::from_str(&found.out).unwrap();
        assert_eq!((found.code, &told["ok"]), (1, &serde_json::json!(false)));
    }

    async fn progress_is_a_line_of_json_an_event(url: &str) {
        let out = Program::new().run_with("migrate upgrade --json", &[("DATABASE_URL", url)], "").ok();
        let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().any(|line| line["event"] == "done" && line["revision"] == "0002"), "{out}");
        assert_eq!(lines.last().unwrap()["changes"].as_array().unwrap().len(), 3);
    }

    async fn rows_that_forbid_a_unique_index_are_in_the_json_of_progress_and_result(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        run("migrate upgrade 0002").ok();
        let db = tallybook::Database::open(tallybook::Settings::new(url).unwrap()).await.unwrap();
        for text in [
            "INSERT INTO portfolios (id, name, initial_capital, current_capital, currency, created_at, updated_at) \
             VALUES (1, 'one', 0, 0, 'USD', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
            "INSERT INTO positions (id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, \
             position_type, created_at, updated_at) SELECT id, 1, 'SECRET', 1, 1, 1, 0, 0, 'LONG', '2026-01-01 00:00:00', \
             '2026-01-01 00:00:00' FROM (SELECT 4 AS id UNION SELECT 9) AS ids",
        ] {
            let statement = tallybook::execute(text, tallybook::params![]);
            db.write(async |session| -> tallybook::Result<u64> { session.run(statement).await }).await.unwrap();
        }
        db.close().await;
        let out = run("migrate upgrade --json").ok();
        assert!(!out.contains("SECRET"), "{out}");
        let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let event = lines.iter().find(|line| line["event"] == "not_unique").unwrap();
        assert_eq!((&event["revision"], &event["rows"]["table"]), (&"0003".into(), &"positions".into()));
        let rows = &lines.last().unwrap()["changes"][0]["not_unique"][0];
        assert_eq!(rows, &event["rows"]);
        assert_eq!(rows["groups"], serde_json::json!([{ "ids": ["4", "9"], "more": 0 }]));
        assert_eq!(rows["more"], 0);
    }

    async fn only_what_alembic_made_is_adopted(url: &str) {
        let program = Program::new();
        let run = |words: &str| program.run_with(words, &[("DATABASE_URL", url)], "");
        let error = run("migrate adopt").fails(1);
        assert!(error.contains("alembic_version") || error.contains("the file does not exist"), "{error}");
        run("migrate upgrade 0001").ok();
        let error = run("migrate adopt --dry-run").fails(1);
        assert!(error.contains("nothing to adopt"), "{error}");
        let error = run("migrate release").fails(1);
        assert!(error.contains("Alembic never had this database"), "{error}");
        let error = run("migrate repair 0003").fails(1);
        assert!(error.contains("not applied"), "{error}");
    }
}
