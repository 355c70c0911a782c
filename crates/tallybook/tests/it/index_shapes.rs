//! Indexes of expressions, of some rows and in descending order.

use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::{Database, Dialect};
use tallybook_testkit::both_dialects;

use crate::support::{differences, open, try_write, write};

const USERS: Revision = Revision::new(
    "0001",
    "users",
    &[Step::table(
        "users",
        &[
            Column::new("id", Type::Id),
            Column::new("email", Type::Text),
            Column::new("desk", Type::Integer),
            Column::new("is_active", Type::Boolean),
            Column::new("seen", Type::Integer),
        ],
    )],
);

const INDEXES: Revision = Revision::new(
    "0002",
    "indexes",
    &[
        Step::unique_index("ix_users_email", "users", &["lower(email)"]).filter("is_active"),
        Step::index("ix_users_seen", "users", &["desk", "seen DESC"]),
        Step::index("ix_users_sum", "users", &["(desk + seen)"]),
        Step::unique_index("ix_users_desk", "users", &["desk"]).filter_per_dialect("seen > 10", "10 < seen"),
    ],
);

const ALL: &[Revision] = &[USERS, INDEXES];

async fn upgraded(url: &str) -> Database {
    let db = open(url).await;
    Migrator::new(&db, ALL).upgrade(&Target::Head).await.unwrap();
    db
}

both_dialects! {
    async fn they_are_built_found_equal_and_taken_back(url: &str) {
        let db = upgraded(url).await;
        let migrator = Migrator::new(&db, ALL);
        assert_eq!(differences(&db, ALL).await, [""; 0]);
        write(&db, "INSERT INTO users (email, desk, is_active, seen) VALUES ('a@x', 1, true, 1), ('A@x', 1, false, 2)").await;
        let twice = "INSERT INTO users (email, desk, is_active, seen) VALUES ('A@X', 1, true, 3)";
        assert!(try_write(&db, twice).await.unwrap_err().is_unique_violation());
        migrator.downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(write(&db, twice).await, 1);
        let error = migrator.upgrade(&Target::Head).await.unwrap_err().to_string();
        assert!(error.contains("ix_users_email"), "{error}");
        write(&db, "DELETE FROM users WHERE email = 'A@X'").await;
        assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().len(), 1);
        assert_eq!(differences(&db, ALL).await, [""; 0]);
    }

    async fn a_plan_shows_their_statements(url: &str) {
        let db = open(url).await;
        let migrator = Migrator::new(&db, ALL);
        migrator.upgrade(&Target::Steps(1)).await.unwrap();
        let plan = migrator.plan(&Target::Head).await.unwrap();
        let sql: Vec<_> = plan[0].steps.iter().flat_map(|step| step.up.sql.clone()).collect();
        let (how, last) = match db.dialect() {
            Dialect::Postgres => (" CONCURRENTLY", "seen > 10"),
            Dialect::Sqlite => ("", "10 < seen"),
        };
        assert_eq!(sql, [
            format!("CREATE UNIQUE INDEX{how} ix_users_email ON users (lower(email)) WHERE is_active"),
            format!("CREATE INDEX{how} ix_users_seen ON users (desk, seen DESC)"),
            format!("CREATE INDEX{how} ix_users_sum ON users ((desk + seen))"),
            format!("CREATE UNIQUE INDEX{how} ix_users_desk ON users (desk) WHERE {last}"),
        ]);
    }

    async fn another_condition_order_or_expression_is_named(url: &str) {
        let db = upgraded(url).await;
        for (name, other) in [
            ("ix_users_email", "CREATE UNIQUE INDEX ix_users_email ON users (lower(email)) WHERE NOT is_active"),
            ("ix_users_seen", "CREATE INDEX ix_users_seen ON users (desk, seen)"),
            ("ix_users_sum", "CREATE INDEX ix_users_sum ON users ((desk - seen))"),
            ("ix_users_desk", "CREATE UNIQUE INDEX ix_users_desk ON users (desk)"),
        ] {
            write(&db, format!("DROP INDEX {name}")).await;
            write(&db, other).await;
        }
        let (last, found): (_, [&str; 4]) = match db.dialect() {
            Dialect::Postgres => ("seen > 10", [
                "CREATE UNIQUE INDEX ix_users_email ON public.users USING btree (lower(email)) WHERE (NOT is_active)",
                "CREATE INDEX ix_users_seen ON public.users USING btree (desk, seen)",
                "CREATE INDEX ix_users_sum ON public.users USING btree (((desk - seen)))",
                "CREATE UNIQUE INDEX ix_users_desk ON public.users USING btree (desk)",
            ]),
            Dialect::Sqlite => ("10 < seen", [
                "CREATE UNIQUE INDEX ix_users_email ON users (lower(email)) WHERE NOT is_active (compared as text: SQLite has no normal form)",
                "CREATE INDEX ix_users_seen ON users (desk, seen) (compared as text: SQLite has no normal form)",
                "CREATE INDEX ix_users_sum ON users ((desk - seen)) (compared as text: SQLite has no normal form)",
                "CREATE UNIQUE INDEX ix_users_desk ON users (desk) (compared as text: SQLite has no normal form)",
            ]),
        };
        let wanted = [
            "CREATE UNIQUE INDEX ix_users_email ON users (lower(email)) WHERE is_active".to_owned(),
            "CREATE INDEX ix_users_seen ON users (desk, seen DESC)".to_owned(),
            "CREATE INDEX ix_users_sum ON users ((desk + seen))".to_owned(),
            format!("CREATE UNIQUE INDEX ix_users_desk ON users (desk) WHERE {last}"),
        ];
        let names = ["email", "seen", "sum", "desk"];
        let expected: Vec<_> = (0..4)
            .map(|n| format!("blocks: users, index ix_users_{}: expected {}, found {}", names[n], wanted[n], found[n]))
            .collect();
        assert_eq!(differences(&db, ALL).await, expected);
    }

    async fn the_same_index_of_another_name_is_benign(url: &str) {
        let db = upgraded(url).await;
        write(&db, "DROP INDEX ix_users_seen").await;
        write(&db, "CREATE INDEX other ON users (desk, seen DESC)").await;
        let found = match db.dialect() {
            Dialect::Postgres => "CREATE INDEX other ON public.users USING btree (desk, seen DESC)",
            Dialect::Sqlite => "CREATE INDEX other ON users (desk, seen DESC)",
        };
        let expected = format!("benign: users, index ix_users_seen: expected CREATE INDEX ix_users_seen ON users (desk, seen DESC), found {found}");
        assert_eq!(differences(&db, ALL).await, [expected]);
    }

    async fn a_unique_index_of_an_expression_makes_no_column_unique(url: &str) {
        const UNIQUE: &[Revision] = &[Revision::new("0001", "codes", &[Step::table(
            "codes",
            &[Column::new("id", Type::Id), Column::new("code", Type::Integer).unique(), Column::new("name", Type::Text)],
        )])];
        let db = open(url).await;
        Migrator::new(&db, UNIQUE).upgrade(&Target::Head).await.unwrap();
        write(&db, "DROP TABLE codes").await;
        let id = match db.dialect() {
            Dialect::Postgres => "serial",
            Dialect::Sqlite => "INTEGER",
        };
        write(&db, format!("CREATE TABLE codes (id {id} PRIMARY KEY, code INTEGER NOT NULL, name TEXT NOT NULL)")).await;
        write(&db, "CREATE UNIQUE INDEX ix_codes ON codes (code, lower(name))").await;
        write(&db, "CREATE UNIQUE INDEX ix_names ON codes (lower(name))").await;
        let found = Migrator::new(&db, UNIQUE).check().await.unwrap();
        let blocking: Vec<_> = found.iter().filter(|one| one.is_blocking()).map(ToString::to_string).collect();
        assert_eq!(blocking, ["codes, column code: expected unique, found not unique"]);
    }
}
