//! `tallybook check book`.

use tallybook_testkit::{both_dialects, run_script};

use crate::record::Desk;
use crate::support::Program;

/// Opens a book with two fills that balances.
async fn kept(url: &str) -> Desk {
    let desk = Desk::open(url).await;
    let (buy, sell) = (desk.buy, desk.sell);
    let lines = format!("trade_id,execution_id,quantity,price\n{buy},1,40,10.5\n{sell},2,15,12\n");
    desk.run("record -", &lines).ok();
    desk
}

const DAMAGE: &str = "UPDATE portfolios SET current_capital = 5; UPDATE positions SET quantity = 26, average_cost = 10.500000000000002";

both_dialects! {
    async fn a_book_that_balances_ends_with_0(url: &str) {
        let desk = kept(url).await;
        let told = desk.run("check book", "").ok();
        let expected = "checked 1 portfolios, 1 positions, 0 trading sessions, 2 trades, 2 executions\n\
                        the book balances: every figure is what its executions say\n";
        assert_eq!(told, expected);
        let told = desk.run("check book --json", "").json();
        let checked = serde_json::json!({"portfolios": 1, "positions": 1, "trades": 2, "executions": 2, "trading_sessions": 0});
        let expected = serde_json::json!({"balanced": true, "checked": checked, "differences": 0, "kinds": {}, "shown": []});
        assert_eq!(told, expected);
    }

    async fn differences_are_shown_with_what_they_mean_and_end_with_3(url: &str) {
        let desk = kept(url).await;
        run_script(url, DAMAGE).await;
        let run = desk.run("check book", "");
        assert_eq!(run.code, 3, "{}", run.err);
        let rows: Vec<Vec<_>> = run.out.lines().map(|line| line.split_whitespace().collect()).collect();
        for expected in [
            &["missing_fill", "positions", "1", "1", "AAPL", "quantity", "26", "25"][..],
            &["float_rounding", "positions", "1", "1", "AAPL", "average_cost", "10.500000000000002", "10.5"],
            &["wrong_cash", "portfolios", "1", "1", "current_capital", "5", "99760"],
        ] {
            assert!(rows.iter().any(|row| row == expected), "{expected:?}: {}", run.out);
        }
        assert!(run.out.contains("A program added floats"), "{}", run.out);
        assert!(run.out.contains("next: tallybook check book --repair"), "{}", run.out);
        let run = desk.run("check book --json", "");
        assert_eq!(run.code, 3);
        let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(told["kinds"], serde_json::json!({"float_rounding": 1, "missing_fill": 1, "wrong_cash": 1}));
        assert_eq!(told["shown"][0], serde_json::json!({
            "kind": "missing_fill", "table": "positions", "id": 1, "portfolio": 1, "symbol": "AAPL", "column": "quantity",
            "found": "26", "expected": "25",
        }));
    }

    async fn a_repair_is_printed_and_changes_nothing(url: &str) {
        let desk = kept(url).await;
        run_script(url, DAMAGE).await;
        let run = desk.run("check book --repair", "");
        assert_eq!(run.code, 3);
        assert!(run.out.contains("UPDATE portfolios SET current_capital = 99760, updated_at = "), "{}", run.out);
        assert!(run.out.contains("WHERE id = 1 AND quantity = 26 AND average_cost = 10.500000000000002;"), "{}", run.out);
        assert_eq!(desk.run("check book", "").code, 3, "it only prints");

        run_script(url, &run.out).await;

        desk.run("check book", "").ok();
        let told = desk.run("check book --repair", "").ok();
        assert_eq!(told, "-- the book balances; there is nothing to repair\n");
    }

    async fn a_repair_asks_before_it_changes_anything(url: &str) {
        let desk = kept(url).await;
        run_script(url, DAMAGE).await;
        for answer in ["", "no\n", "y\n"] {
            let error = desk.run("check book --repair --apply", answer).fails(1);
            assert!(error.contains("2 rows are changed in one transaction"), "{error}");
            assert!(error.contains("nothing was changed\nnext: tallybook check book --repair --apply"), "{error}");
            assert_eq!(desk.run("check book", "").code, 3);
        }

        let told = desk.run("check book --repair --apply", "yes\n").ok();

        assert!(told.contains("repaired: 2 rows updated, 0 positions inserted, 0 deleted"), "{told}");
        desk.run("check book", "").ok();
    }

    async fn what_executions_do_not_say_stays(url: &str) {
        let desk = kept(url).await;
        run_script(url, "UPDATE trades SET action = 'HOLD' WHERE id = 2; UPDATE trades SET filled_quantity = 41 WHERE id = 1").await;
        let run = desk.run("check book --repair --apply --yes --json", "");
        assert_eq!(run.code, 3);
        let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(told["repaired"], serde_json::json!({"updated": 1, "inserted": 0, "deleted": 0, "left": 1}));
        let run = desk.run("check book", "");
        assert_eq!(run.code, 3);
        assert!(run.out.contains("next: correct these rows by hand"), "{}", run.out);
    }

    async fn fifty_differences_are_shown_and_all_on_request(url: &str) {
        let desk = Desk::open(url).await;
        let order = "INSERT INTO trades (portfolio_id, symbol, action, quantity, order_type, status, filled_quantity, created_at, \
                     updated_at) VALUES (1, 'AAPL', 'BUY', 5, 'MARKET', 'CANCELLED', 1, '2025-01-01 00:00:00', '2025-01-01 00:00:00');";
        run_script(url, &order.repeat(60)).await;
        let shown = |run: crate::support::Run| {
            assert_eq!(run.code, 3, "{}", run.err);
            run.out.lines().filter(|line| line.trim_start().starts_with("missing_fill")).count()
        };
        let run = desk.run("check book", "");
        assert!(run.out.contains("… and 10 more; --all shows them"), "{}", run.out);
        assert_eq!(shown(run), 50);
        assert_eq!(shown(desk.run("check book --all", "")), 60);
    }

    async fn hostile_texts_reach_no_terminal(url: &str) {
        let desk = kept(url).await;
        run_script(url, "UPDATE executions SET symbol = 'x\u{1b}[2J\u{202e}'; UPDATE trades SET status = 'it''s\u{9b}1m' WHERE id = 1").await;
        run_script(url, "UPDATE trades SET filled_quantity = 100, quantity = 40 WHERE id = 1").await;
        for words in ["check book", "check book --repair", "check book --json"] {
            let run = desk.run(words, "");
            let is_safe = |text: &str| !text.contains(['\u{1b}', '\u{202e}', '\u{9b}']);
            assert!(run.code == 3 && is_safe(&run.out) && is_safe(&run.err), "{}", run.out);
        }
    }
}

#[test]
fn a_database_without_a_book_cannot_be_checked() {
    let program = Program::new();
    let error = program.run("check book").fails(1);
    assert!(error.contains("next:") || error.contains("does not exist"), "{error}");
    program.sqlite("CREATE TABLE notes (id integer)");
    assert!(program.run("check book").fails(1).contains("next: tallybook migrate upgrade"));
}

#[test]
fn only_a_repair_can_be_applied() {
    for words in ["check book --apply", "check book --repair --yes", "check", "check books"] {
        Program::new().run(words).fails(2);
    }
}
