//! `tallybook seed`.

use tallybook_testkit::both_dialects;

use crate::support::Program;

const TABLES: [&str; 5] = ["portfolios", "positions", "trades", "executions", "trading_sessions"];

/// All tables of a freshly seeded book as CSV.
fn seeded(program: &Program, url: &str, seed: u32) -> String {
    program.run(&format!("migrate upgrade --database {url}")).ok();
    program.run(&format!("seed --portfolios 30 --trades 3000 --seed {seed} --database {url}")).ok();
    TABLES.map(|table| program.run(&format!("export {table} --database {url}")).ok()).concat()
}

#[test]
fn the_same_seed_gives_the_same_book_and_another_another() {
    let program = Program::new();
    let one = seeded(&program, "sqlite:///./one.db", 7);
    assert_eq!(one, seeded(&program, "sqlite:///./two.db", 7));
    assert_ne!(one, seeded(&program, "sqlite:///./three.db", 8));
}

both_dialects! {
    async fn both_dialects_get_the_same_book(url: &str) {
        let program = Program::new();
        assert_eq!(seeded(&program, url, 7), seeded(&program, "sqlite:///./reference.db", 7));
    }

    async fn a_book_that_holds_something_is_not_seeded_again(url: &str) {
        let program = Program::new();
        let before = seeded(&program, url, 1);
        let error = program.run(&format!("seed --database {url}")).fails(1);
        assert!(error.contains("only an empty book"), "{error}");
        let after = TABLES.map(|table| program.run(&format!("export {table} --database {url}")).ok()).concat();
        assert_eq!(before, after);
    }

    async fn a_seeded_book_adds_up(url: &str) {
        use tallybook::{Database, Settings, one, params};

        seeded(&Program::new(), url, 3);
        let mut session = Database::open(Settings::new(url).unwrap()).await.unwrap().read().await.unwrap();
        let mut wrong = async |sql: &'static str| session.run(one::<(i64,)>(sql, params![])).await.unwrap().0;
        // Filled quantities are the sums of their executions: whole numbers here, so that SQL may add.
        assert_eq!(wrong(
            "SELECT count(*) FROM trades t WHERE abs(t.filled_quantity - coalesce(\
             (SELECT sum(e.quantity) FROM executions e WHERE e.trade_id = t.id), 0)) > 0.00001",
        ).await, 0);
        assert_eq!(wrong("SELECT count(*) FROM trades WHERE filled_quantity > quantity").await, 0);
        assert_eq!(wrong("SELECT count(*) FROM positions WHERE quantity < 0").await, 0);
        assert_eq!(wrong(
            "SELECT count(*) FROM trades t JOIN trading_sessions s ON s.id = t.session_id \
             WHERE s.portfolio_id <> t.portfolio_id OR t.created_at < s.started_at OR t.created_at >= s.stopped_at",
        ).await, 0);
        assert!(wrong("SELECT count(*) FROM trades WHERE session_id IS NOT NULL").await > 1_000);
        assert!(wrong("SELECT count(*) FROM trades WHERE status = 'PARTIALLY_FILLED'").await > 50);
    }
}
