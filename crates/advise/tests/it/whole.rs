//! The whole advice for a market.

use tallybook::Dialect;
use tallybook_advise::{Advice, AdvisedIndex, DropReason, Options, advise, compare};

use crate::market;

/// Returns an index as text.
pub(crate) fn described(index: &AdvisedIndex) -> String {
    let keys =
        index.keys.iter().map(|key| format!("{}{}", key.column, if key.is_desc { " DESC" } else { "" }));
    let filter = index.filter.as_ref().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    format!("{} ({}){filter}", index.table, keys.collect::<Vec<_>>().join(", "))
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort();
    items
}

/// Returns the reason why a statement got no index.
pub(crate) fn refusal<'a>(advice: &'a Advice, sql: &str) -> &'a str {
    let text = tallybook_sql::fingerprint::shape(sql);
    let found = advice.refusals.iter().find(|refusal| *refusal.statement == *text);
    found.map_or_else(|| panic!("{text}: {:#?}", advice.refusals), |refusal| &refusal.reason)
}

tallybook_testkit::both_dialects! {
    async fn the_missing_and_the_useless_indexes_of_a_market_are_found_and_nothing_else(url: &str) {
        market::create(url).await;
        let db = market::work(url).await;
        let advice = advise(&db, &db.workload(), &Options::default()).await.unwrap();

        assert_eq!(
            sorted(advice.add.iter().map(described)),
            [
                "fills (order_id)",
                "jobs (created) WHERE status = 'open'",
                "orders (account_id)",
                "orders (symbol, day DESC, price)",
            ],
            "{advice:#?}"
        );
        for index in &advice.add {
            assert_eq!(index.gains.len(), 1, "{index:#?}");
            assert!(index.gains[0].saving() > 0.8, "{index:#?}");
            assert!(index.bytes > 0 && index.insert_with > 0.0, "{index:#?}");
        }
        let dropped = sorted(advice.drop.iter().map(|index| (index.name.as_str(), index.reason as u8)));
        assert_eq!(
            dropped,
            [
                ("ix_accounts_city", DropReason::Unused as u8),
                ("ix_orders_kind_again", DropReason::Duplicate as u8),
                ("ix_orders_note", DropReason::Unused as u8),
            ]
        );
        // PostgreSQL also counts the rows that were inserted and deleted.
        let stale: Vec<_> = advice.stale.iter().map(|stale| stale.table.as_str()).filter(|name| *name != "events").collect();
        assert_eq!(stale, ["prices"]);

        let keys = if db.dialect() == Dialect::Sqlite { "the primary key serves it" } else { "accounts_pkey serves it" };
        assert_eq!(refusal(&advice, market::BY_PRIMARY_KEY), keys);
        assert!(refusal(&advice, market::OF_TINY_TABLE).starts_with("options has 40 rows"));
        assert_eq!(refusal(&advice, market::OF_STALE_TABLE), "ix_prices_symbol serves it");
        assert_eq!(refusal(&advice, market::BY_PREFIX), "ix_fills_trader_price serves it");
        assert!(refusal(&advice, market::RARE_READ).starts_with("its writes would cost more than its reads save"));
        db.close().await;
    }

    async fn what_was_promised_is_gained_once_the_advice_is_applied(url: &str) {
        market::create(url).await;
        let db = market::work(url).await;
        let earlier = advise(&db, &db.workload(), &Options::default()).await.unwrap();
        assert_eq!(earlier.add.len(), 4, "{earlier:#?}");
        for index in &earlier.add {
            // In a transaction, which this test's sessions are.
            market::run(&db, &index.sql.replace("CONCURRENTLY ", "")).await;
        }
        market::run(&db, "ANALYZE").await;
        market::read(&db).await;
        let later = advise(&db, &db.workload(), &Options::default()).await.unwrap();
        assert_eq!(later.add, []);
        assert!(later.stale.iter().all(|stale| stale.table != "prices"), "{:?}", later.stale);
        let outcomes = compare(&earlier, &later);
        assert_eq!(outcomes.len(), 4);
        for outcome in outcomes {
            let gained = outcome.saving().unwrap();
            assert!((gained - outcome.promised_saving()).abs() < 0.05, "{outcome:#?}");
            assert!(outcome.time_now.is_some());
        }
        db.close().await;
    }
}
