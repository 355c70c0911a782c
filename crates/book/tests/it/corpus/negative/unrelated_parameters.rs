//! Parameters that do not come from rows read before.
//!
//! If they coincide with keys of a matching column that was read before, they count as coming from it: a request
//! that lists all trades and then reads one by one those that the user named is a finding. Arguably it should be,
//! since the list has them all.

use tallybook::Database;
use tallybook::book::{PortfolioId, Portfolios, Trade, TradeId, TradeStatus, Trades};
use tallybook::{all, one, optional, params};

use crate::corpus::cases::cases;
use crate::corpus::ledger::{ALL, PORTFOLIOS};
use crate::support::time;

/// Identifiers that a user sent.
const CHOSEN: [i64; 6] = [3, 5, 8, 13, 21, 24];

fn checksum(trade: &Trade) -> i64 {
    trade.symbol.bytes().fold(trade.id.get() * 1_000, |sum, byte| sum + i64::from(byte))
}

cases! { in_a_scope:
    async fn names_that_must_be_free(db: &Database) {
        let mut session = db.read().await.unwrap();
        for name in ["growth", "income", "value", "pension", "house", "boat"] {
            assert_eq!(Portfolios::new(&mut session).get_by_name(name).await.unwrap(), None);
        }
    }

    async fn names_that_must_be_free_after_all_names_were_listed(db: &Database) {
        let mut session = db.read().await.unwrap();
        Portfolios::new(&mut session).get_many(ALL).await.unwrap();
        for name in ["growth", "income", "value", "pension", "house", "boat"] {
            assert_eq!(Portfolios::new(&mut session).get_by_name(name).await.unwrap(), None);
        }
    }

    async fn identifiers_out_of_a_file(db: &Database) {
        let mut session = db.read().await.unwrap();
        for id in CHOSEN {
            Trades::new(&mut session).get(TradeId::new(id)).await.unwrap();
        }
    }

    async fn identifiers_out_of_a_file_after_rows_of_another_table(db: &Database) {
        let mut session = db.read().await.unwrap();
        session.run(all::<(i64,)>("SELECT id FROM events", params![])).await.unwrap();
        for id in CHOSEN {
            Trades::new(&mut session).get(TradeId::new(id)).await.unwrap();
        }
    }

    async fn both_a_row_and_its_parent_out_of_a_file(db: &Database) {
        let mut session = db.read().await.unwrap();
        for id in CHOSEN {
            let trade = Trades::new(&mut session).get(TradeId::new(id)).await.unwrap().unwrap();
            assert_eq!(trade.id, TradeId::new(id));
            Trades::new(&mut session).get_with_executions(TradeId::new(id)).await.unwrap();
        }
    }

    // GROUP BY would count them in one statement, but the values are those of the program. After a list that
    // contains five of them it is suspected, like every text of a column of the same name.
    async fn a_count_for_each_status(db: &Database) {
        const COUNT: &str = "SELECT count(*) FROM trades WHERE status = $1";
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
        assert!(trades.iter().any(|trade| trade.status == TradeStatus::Filled));
        for status in [
            TradeStatus::Pending,
            TradeStatus::PartiallyFilled,
            TradeStatus::Filled,
            TradeStatus::Cancelled,
            TradeStatus::Rejected,
        ] {
            session.run(one::<(i64,)>(COUNT, params![status])).await.unwrap();
        }
    }

    async fn levels_that_are_identifiers_by_chance(db: &Database) {
        const LEVEL: &str = "SELECT id FROM events WHERE level = $1";
        let mut session = db.read().await.unwrap();
        session.run(all::<(i64,)>("SELECT id FROM events", params![])).await.unwrap();
        for level in 1..=10 {
            session.run(all::<(i64,)>(LEVEL, params![level])).await.unwrap();
        }
    }

    async fn identifiers_of_another_table_by_chance(db: &Database) {
        let mut session = db.read().await.unwrap();
        Portfolios::new(&mut session).get_many(ALL).await.unwrap();
        for id in 1..=PORTFOLIOS {
            Trades::new(&mut session).get(TradeId::new(id)).await.unwrap();
        }
    }

    async fn limits_that_are_identifiers_by_chance(db: &Database) {
        const NEWEST: &str = "SELECT symbol FROM trades ORDER BY created_at DESC LIMIT $1";
        let mut session = db.read().await.unwrap();
        Trades::new(&mut session).get_many(ALL).await.unwrap();
        for limit in 1..=10 {
            session.run(all::<(String,)>(NEWEST, params![limit])).await.unwrap();
        }
    }

    async fn a_report_for_each_day(db: &Database) {
        const DAY: &str = "SELECT count(*) FROM trades WHERE created_at >= $1 AND created_at < $2";
        let mut session = db.read().await.unwrap();
        Trades::new(&mut session).get_many(ALL).await.unwrap();
        for day in 0..7 {
            let bounds = params![time(day * 86_400), time((day + 1) * 86_400)];
            session.run(one::<(i64,)>(DAY, bounds)).await.unwrap();
        }
    }

    async fn a_report_for_the_moment_of_each_close(db: &Database) {
        const AT: &str = "SELECT count(*) FROM trades WHERE created_at = $1";
        let mut session = db.read().await.unwrap();
        for day in 0..7 {
            session.run(one::<(i64,)>(AT, params![time(day * 86_400)])).await.unwrap();
        }
    }

    async fn sums_with_different_bounds(db: &Database) {
        const ABOVE: &str = "SELECT count(*) FROM events WHERE id > $1 AND level BETWEEN $2 AND $3";
        let mut session = db.read().await.unwrap();
        session.run(all::<(i64,)>("SELECT id FROM events", params![])).await.unwrap();
        for bound in 1..=10 {
            session.run(one::<(i64,)>(ABOVE, params![bound * 10, bound, bound + 5])).await.unwrap();
        }
    }

    async fn a_search_for_different_words(db: &Database) {
        const SEARCH: &str = "SELECT id FROM notes WHERE title LIKE $1";
        let mut session = db.read().await.unwrap();
        session.run(all::<(i64, String)>("SELECT id, title FROM notes", params![])).await.unwrap();
        for word in ["%note%", "%1%", "%2%", "%3%", "%4%", "%5%"] {
            session.run(all::<(i64,)>(SEARCH, params![word])).await.unwrap();
        }
    }

    async fn sums_over_a_row(db: &Database) {
        const SUM: &str = "SELECT id FROM events WHERE id = $1";
        let mut session = db.read().await.unwrap();
        for trade in Trades::new(&mut session).get_many(ALL).await.unwrap() {
            session.run(optional::<(i64,)>(SUM, params![checksum(&trade)])).await.unwrap();
        }
    }

    async fn hashes_of_texts_of_a_row(db: &Database) {
        const BY_NAME: &str = "SELECT value FROM preferences WHERE name = $1";
        let mut session = db.read().await.unwrap();
        for trade in Trades::new(&mut session).get_many(ALL).await.unwrap() {
            let name = format!("{:x}", checksum(&trade));
            session.run(optional::<(String,)>(BY_NAME, params![name])).await.unwrap();
        }
    }

    async fn one_thing_of_many_kinds(db: &Database) {
        let mut session = db.read().await.unwrap();
        let portfolio = Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap().unwrap();
        for table in ["positions", "trades", "trading_sessions", "holdings", "lots"] {
            let count = format!("SELECT count(*) FROM {table} WHERE portfolio_id = $1");
            session.run(one::<(i64,)>(count, params![portfolio.id])).await.unwrap();
        }
    }
}
