//! The advised revision is the source of a revision that runs.

use std::collections::BTreeSet;

use tallybook::migrate::{Migrator, Revision, Step, Target};
use tallybook_advise::{Options, advise};

use crate::market;

/// Declares the steps, and returns them with their source.
macro_rules! steps {
    ($($step:expr,)*) => {
        const REVISIONS: &[Revision] = &[Revision::new("0042", "advised indexes", &[$($step),*])];
        const SOURCES: &[&str] = &[$(stringify!($step)),*];
    };
}

steps! {
    Step::index("ix_jobs_created_where_status", "jobs", &["created"]).filter("status = 'open'"),
    Step::index("ix_orders_symbol_day_price", "orders", &["symbol", "day DESC", "price"]),
    Step::index("ix_fills_order_id", "fills", &["order_id"]),
    Step::index("ix_orders_account_id", "orders", &["account_id"]),
    Step::index("ix_accounts_city", "accounts", &["city"]).dropped(),
    Step::index("ix_orders_kind_again", "orders", &["kind"]).dropped(),
    Step::index("ix_orders_note", "orders", &["note"]).dropped(),
}

/// Returns source without the spaces that a formatter may change.
fn squeezed(source: &str) -> String {
    source.trim().trim_end_matches(',').chars().filter(|c| !c.is_whitespace()).collect()
}

tallybook_testkit::both_dialects! {
    async fn the_printed_steps_compile_and_run_and_then_there_is_nothing_to_add_or_drop(url: &str) {
        market::create(url).await;
        let db = market::work(url).await;
        let advice = advise(&db, &db.workload(), &Options::default()).await.unwrap();
        let revision = advice.revision("0042");
        let printed: BTreeSet<_> =
            revision.rust.lines().filter(|line| line.trim_start().starts_with("Step::")).map(squeezed).collect();
        assert_eq!(printed, SOURCES.iter().map(|source| squeezed(source)).collect());
        assert!(revision.rust.contains(r#"Revision::new("0042", "advised indexes", &["#), "{}", revision.rust);
        assert_eq!(revision.sql.len(), 7);

        Migrator::new(&db, REVISIONS).upgrade(&Target::Head).await.unwrap();
        let later = advise(&db, &db.workload(), &Options::default()).await.unwrap();
        assert_eq!((later.add, later.drop), (vec![], vec![]));
        db.close().await;
    }
}
