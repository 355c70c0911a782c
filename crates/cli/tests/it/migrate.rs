//! `tallybook migrate`.

use tallybook_testkit::both_engines;

use crate::support::Program;

both_engines! {
    async fn revisions_go_up_and_down_and_say_where_they_are(url: &str) {
        let program = Program::new();
        let variables = [("DATABASE_URL", url)];
        let run = |words: &str| program.run_with(words, &variables, "");

        assert!(run("migrate current").ok().starts_with("base"));
        assert!(run("migrate upgrade 0001").ok().contains("upgraded 0001"));
        assert_eq!(run("migrate current").ok(), "0001\n");
        assert!(run("migrate upgrade").ok().contains("upgraded 0002"));
        assert!(run("migrate upgrade").ok().contains("nothing to do"));
        assert!(run("migrate downgrade -1").ok().contains("rolled back 0002"));
        let history = run("migrate history --json").json();
        assert!(history["revisions"][0]["applied_at"].is_string(), "{history}");
        assert!(history["revisions"][1]["applied_at"].is_null(), "{history}");
        assert!(run("migrate downgrade base --force").ok().contains("rolled back 0001"));
        assert_eq!(run("migrate current --json").json()["current"], serde_json::Value::Null);
    }

    async fn a_goal_that_is_not_there_is_named_with_those_that_are(url: &str) {
        let error = Program::new().run(&format!("migrate upgrade 0009 --database {url}")).fails(1);
        assert!(error.contains("0009") && error.contains("0001, 0002"), "{error}");
    }

    async fn a_command_that_needs_a_book_says_what_to_run_first(url: &str) {
        let program = Program::new();
        let error = program.run(&format!("export trades --database {url}")).fails(1);
        assert!(error.contains("next: tallybook migrate upgrade"), "{error}");
        program.run(&format!("migrate upgrade 0001 --database {url}")).ok();
        let error = program.run(&format!("seed --database {url}")).fails(1);
        assert!(error.contains("0001") && error.contains("next: tallybook migrate upgrade"), "{error}");
    }
}
