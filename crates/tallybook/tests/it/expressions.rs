//! Defaults, checks and enum types: steps make them, and `check` compares them with the catalog.

use tallybook::migrate::{Column, EnumType, Migrator, Revision, Step, Target, Type};
use tallybook::{Database, Dialect};
use tallybook_testkit::both_dialects;

use crate::support::{open, read, try_write, write};

const SIDE: EnumType = EnumType::new("side", &["buy", "sell", "it's"]);

const ORDERS: Revision = Revision::new(
    "0001",
    "orders",
    &[
        Step::enum_type(SIDE),
        Step::table(
            "orders",
            &[
                Column::new("id", Type::BigId),
                Column::new("side", Type::Enum(SIDE)),
                Column::new("quantity", Type::Integer).default("1").check("quantity > 0 AND quantity < 1000"),
                Column::new("status", Type::Varchar(20)).default("'new'"),
                Column::new("is_open", Type::Boolean).default_per_dialect("true", "1"),
            ],
        ),
    ],
);

const LIMITS: Revision = Revision::new(
    "0002",
    "limits",
    &[
        Step::column("orders", Column::new("price", Type::Integer).null().default("0").check("price >= 0")),
        Step::validate("orders", "orders_price_check"),
        Step::check("ck_orders_value", "orders", "price * quantity < 100000"),
        Step::validate("orders", "ck_orders_value"),
    ],
);

const ALL: &[Revision] = &[ORDERS, LIMITS];

async fn upgraded(url: &str) -> Database {
    let db = open(url).await;
    Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap();
    db
}

async fn differences(db: &Database) -> Vec<String> {
    let found = Migrator::new(db, ALL).check().await.unwrap();
    found.iter().inspect(|one| assert!(one.is_blocking(), "{one}")).map(ToString::to_string).collect()
}

/// Changes the text of a definition: by `ALTER TABLE` on PostgreSQL, by making the table again on SQLite.
async fn plant(db: &Database, postgres: &str, sqlite: (&str, &str)) {
    if db.dialect() == Dialect::Postgres {
        for sql in postgres.split("; ") {
            write(db, sql.to_owned()).await;
        }
        return;
    }
    let [(sql,)] = &read::<(String,)>(db, "SELECT sql FROM sqlite_master WHERE name = 'orders'").await[..]
    else {
        panic!("there is one table")
    };
    assert!(sql.contains(sqlite.0), "{sql}");
    write(db, "DROP TABLE orders").await;
    write(db, sql.replace(sqlite.0, sqlite.1)).await;
}

both_dialects! {
    async fn what_steps_make_is_equal_goes_down_and_up_again(url: &str) {
        let db = upgraded(url).await;
        let migrator = Migrator::new(&db, ALL);
        assert_eq!(migrator.check().await.unwrap(), []);
        migrator.downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(migrator.check().await.unwrap(), []);
        write(&db, "INSERT INTO orders (side, quantity) VALUES ('buy', 999)").await;
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().len(), 1);
        assert_eq!(migrator.check().await.unwrap(), []);
        write(&db, "DELETE FROM orders").await;
        migrator.downgrade(&Target::Base).await.unwrap();
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().len(), 2);
    }

    async fn defaults_fill_in_and_checks_refuse(url: &str) {
        let db = upgraded(url).await;
        write(&db, "INSERT INTO orders (side) VALUES ('it''s')").await;
        let row = read::<(i64, String, i64, String, bool, i64)>(
            &db,
            "SELECT id, CAST(side AS text), CAST(quantity AS bigint), status, is_open, CAST(price AS bigint) FROM orders",
        );
        assert_eq!(row.await, [(1, "it's".to_owned(), 1, "new".to_owned(), true, 0)]);
        for refused in ["quantity = 0", "quantity = 1000", "price = -1", "price = 100000"] {
            let error = try_write(&db, format!("UPDATE orders SET {refused}")).await.unwrap_err();
            assert!(error.is_check_violation(), "{refused}: {error}");
        }
        assert!(try_write(&db, "UPDATE orders SET side = 'hold'").await.is_err());
    }

    async fn rows_that_violate_a_new_check_stop_the_upgrade_and_are_kept(url: &str) {
        let db = open(url).await;
        const BROKEN: &[Revision] = &[
            ORDERS,
            Revision::new("0002", "whole", &[
                Step::check("ck_orders_status", "orders", "status <> 'old'"),
                Step::validate("orders", "ck_orders_status"),
            ]),
        ];
        let migrator = Migrator::new(&db, BROKEN);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        write(&db, "INSERT INTO orders (side, status) VALUES ('buy', 'old'), ('buy', 'new')").await;
        let error = migrator.upgrade(&Target::Head).await.unwrap_err().to_string();
        assert!(error.contains("ck_orders_status"), "{error}");
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM orders").await, [(2,)]);
        write(&db, "UPDATE orders SET status = 'new'").await;
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().len(), 1);
        assert_eq!(migrator.check().await.unwrap(), []);
    }

    async fn a_plan_shows_the_statements_of_checks(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        let plan = migrator.plan(&Target::Head).await.unwrap();
        let steps = &plan[0].steps;
        let sql: Vec<_> = steps.iter().map(|step| step.up.sql.clone()).collect();
        match db.dialect() {
            Dialect::Postgres => {
                assert_eq!(sql, [
                    vec![
                        "ALTER TABLE orders ADD COLUMN price INTEGER DEFAULT 0",
                        "ALTER TABLE orders ADD CONSTRAINT orders_price_check CHECK (price >= 0) NOT VALID",
                    ],
                    vec!["ALTER TABLE orders VALIDATE CONSTRAINT orders_price_check"],
                    vec!["ALTER TABLE orders ADD CONSTRAINT ck_orders_value CHECK (price * quantity < 100000) NOT VALID"],
                    vec!["ALTER TABLE orders VALIDATE CONSTRAINT ck_orders_value"],
                ]);
                assert!(steps[2].up.lock.starts_with("ACCESS EXCLUSIVE on orders"), "{}", steps[2].up.lock);
                assert_eq!(steps[2].back.sql, ["ALTER TABLE orders DROP CONSTRAINT ck_orders_value"]);
            }
            Dialect::Sqlite => {
                assert_eq!(sql[0], ["ALTER TABLE orders ADD COLUMN price INTEGER DEFAULT 0 CHECK (price >= 0)"]);
                assert!(sql[2][0].contains("CONSTRAINT ck_orders_value CHECK (price * quantity < 100000)"), "{}", sql[2][0]);
                assert!(steps[2].up.rewrites && !steps[2].back.sql[0].contains("ck_orders_value"));
            }
        }
    }

    async fn another_default_is_named(url: &str) {
        let db = upgraded(url).await;
        plant(&db, "ALTER TABLE orders ALTER status SET DEFAULT 'old'", ("'new'", "'old'")).await;
        let (found, note) = match db.dialect() {
            Dialect::Postgres => ("'old'::character varying", ""),
            Dialect::Sqlite => ("'old'", " (compared as text: SQLite has no normal form)"),
        };
        assert_eq!(differences(&db).await, [format!("orders, default of status: expected 'new', found {found}{note}")]);
    }

    async fn a_missing_default_is_named(url: &str) {
        let db = upgraded(url).await;
        plant(&db, "ALTER TABLE orders ALTER quantity DROP DEFAULT", ("DEFAULT 1 CHECK", "CHECK")).await;
        assert_eq!(differences(&db).await, ["orders, default of quantity: expected 1, found nothing"]);
    }

    async fn another_check_is_named(url: &str) {
        let db = upgraded(url).await;
        plant(
            &db,
            "ALTER TABLE orders DROP CONSTRAINT ck_orders_value; \
             ALTER TABLE orders ADD CONSTRAINT ck_orders_value CHECK (price * quantity < 100001)",
            ("price * quantity < 100000", "price * quantity < 100001"),
        )
        .await;
        let found = match db.dialect() {
            Dialect::Postgres => "CHECK (((price * quantity) < 100001))",
            Dialect::Sqlite => "CHECK (price * quantity < 100001) (compared as text: SQLite has no normal form)",
        };
        assert_eq!(
            differences(&db).await,
            [format!("orders, check ck_orders_value: expected CHECK (price * quantity < 100000), found {found}")]
        );
    }

    async fn a_missing_check_of_a_column_is_named(url: &str) {
        let db = upgraded(url).await;
        plant(
            &db,
            "ALTER TABLE orders DROP CONSTRAINT orders_quantity_check",
            (" CHECK (quantity > 0 AND quantity < 1000)", ""),
        )
        .await;
        let others = match db.dialect() {
            Dialect::Postgres => "CHECK (((price * quantity) < 100000)) and CHECK ((price >= 0))",
            Dialect::Sqlite => {
                "CHECK (side IN ('buy', 'sell', 'it''s')) and CHECK (price >= 0) and CHECK (price * quantity < 100000) \
                 (compared as text: SQLite has no normal form)"
            }
        };
        let expected = "orders, check of quantity: expected CHECK (quantity > 0 AND quantity < 1000), found no such check, only";
        assert_eq!(differences(&db).await, [format!("{expected} {others}")]);
    }

    async fn a_text_that_means_the_same_is_equal_where_the_database_has_a_normal_form(url: &str) {
        let db = upgraded(url).await;
        plant(
            &db,
            "ALTER TABLE orders DROP CONSTRAINT orders_quantity_check; \
             ALTER TABLE orders ADD CONSTRAINT other CHECK ((((quantity > 0)) AND (quantity<1000)))",
            ("CHECK (quantity > 0 AND quantity < 1000)", "constraint other check ((QUANTITY>0 and quantity  < 1000))"),
        )
        .await;
        assert_eq!(differences(&db).await, [""; 0]);
    }

    async fn a_column_that_exists_without_its_check_is_left_as_it_is(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        write(&db, "ALTER TABLE orders ADD COLUMN price INTEGER DEFAULT 0").await;
        let error = migrator.upgrade(&Target::Head).await.unwrap_err().to_string();
        assert!(error.contains("orders, check of price: expected CHECK (price >= 0), found no such check, only CHECK"), "{error}");
    }
}

mod on_postgres {
    use super::*;

    async fn database(name: &str) -> (tallybook_testkit::Database, Database) {
        let database = tallybook_testkit::postgres().await.database(name).await;
        let db = upgraded(database.url()).await;
        (database, db)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn other_labels_are_named() {
        let (_database, db) = database("labels").await;
        write(&db, "ALTER TYPE side RENAME VALUE 'sell' TO 'SELL'").await;
        let expected =
            "side, enum type: expected ENUM ('buy', 'sell', 'it''s'), found ENUM ('buy', 'SELL', 'it''s')";
        assert_eq!(differences(&db).await, [expected]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_check_that_nobody_validated_is_named() {
        let (_database, db) = database("unvalidated").await;
        write(&db, "ALTER TABLE orders DROP CONSTRAINT ck_orders_value").await;
        write(
            &db,
            "ALTER TABLE orders ADD CONSTRAINT ck_orders_value CHECK (price * quantity < 100000) NOT VALID",
        )
        .await;
        let expected = "orders, check ck_orders_value: expected CHECK (price * quantity < 100000), found a check that is not validated";
        assert_eq!(differences(&db).await, [expected]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_may_not_make_temporary_tables_is_told_that_nothing_was_compared() {
        let (database, db) = database("no_temporary").await;
        write(&db, "DO $$ BEGIN CREATE ROLE comparer; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
            .await;
        write(&db, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO comparer").await;
        write(&db, "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM public', current_database()); END $$").await;
        let url = format!("{}?options=-crole%3Dcomparer", database.url());
        let found = differences(&open(&url).await).await;
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(
            found.iter().all(
                |one| one.contains("could not be compared: permission denied to create temporary tables")
            ),
            "{found:#?}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn comparing_leaves_nothing_behind() {
        let (_database, db) = database("nothing_behind").await;
        assert_eq!(differences(&db).await, [""; 0]);
        let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'tallybook_expected%'";
        assert_eq!(read::<(i64,)>(&db, left).await, [(0,)]);
    }
}
