//! Loops over relations whose columns are not named after their tables: foreign keys confirm them.

use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::{Confidence, Database, all, execute, params};

use crate::support::{eventually, open, write};

const TABLES: [&str; 4] = [
    "CREATE TABLE users (id integer PRIMARY KEY)",
    "CREATE TABLE people (id integer PRIMARY KEY)",
    "CREATE TABLE orders (id integer PRIMARY KEY, owner_id integer REFERENCES users, user_id integer REFERENCES people (id))",
    "CREATE TABLE visits (id integer PRIMARY KEY, owner_id integer, user_id integer)",
];

async fn fill(db: &Database) {
    for table in ["users", "people"] {
        write(db, format!("INSERT INTO {table} VALUES (101), (102), (103), (104)")).await;
    }
    for table in ["orders", "visits"] {
        let rows = "(1, 101, 104), (2, 102, 103), (3, 103, 102), (4, 104, 101)";
        write(db, format!("INSERT INTO {table} VALUES {rows}")).await;
    }
}

/// Another program created the tables before the database is opened.
async fn with_tables(url: &str) -> Database {
    let other = open(url).await;
    for table in TABLES {
        write(&other, table).await;
    }
    fill(&other).await;
    other.close().await;
    open(url).await
}

/// Reads a column, then the rows that belong to each of its values, one by one.
async fn in_a_loop(db: &Database, column: &str, of: &str, child: &str, by: &str) {
    let mut session = db.read().await.unwrap();
    let first = session.run(all::<(i64,)>(format!("SELECT {column} FROM {of} ORDER BY id"), params![])).await;
    for (value,) in first.unwrap() {
        let each = format!("SELECT id FROM {child} WHERE {by} = $1");
        session.run(all::<(i64,)>(each, params![value])).await.unwrap();
    }
}

/// Returns the statements of the confirmed loops.
fn found(db: &Database) -> Vec<String> {
    let findings = db.findings().into_iter().filter(|finding| finding.confidence == Confidence::Confirmed);
    findings.map(|finding| finding.statement).collect()
}

async fn is_found(db: &Database, column: &str, of: &str, child: &str, by: &str) {
    let statement = format!("select id from {child} where {by} = ?");
    // They are read in the background.
    eventually("the loop is found", async || {
        in_a_loop(db, column, of, child, by).await;
        found(db).contains(&statement)
    })
    .await;
}

tallybook_testkit::both_dialects! {
    async fn a_loop_is_found_by_the_foreign_key_of_its_column(url: &str) {
        let db = with_tables(url).await;
        is_found(&db, "id", "users", "orders", "owner_id").await;
        is_found(&db, "id", "people", "orders", "user_id").await;
        is_found(&db, "owner_id", "orders", "users", "id").await;
    }

    async fn where_nothing_refers_nothing_is_found(url: &str) {
        let db = with_tables(url).await;
        // From here on the foreign keys are known.
        is_found(&db, "id", "users", "orders", "owner_id").await;
        for _ in 0..3 {
            in_a_loop(&db, "id", "users", "visits", "owner_id").await;
            in_a_loop(&db, "id", "people", "visits", "user_id").await;
            in_a_loop(&db, "owner_id", "visits", "people", "id").await;
            in_a_loop(&db, "id", "users", "orders", "user_id").await;
        }
        let found: Vec<_> = found(&db).into_iter().filter(|text| !text.contains("orders where owner_id")).collect();
        // By its name, `user_id` is the identifier of `users`.
        let by_name = ["select id from orders where user_id = ?"];
        assert_eq!(found, by_name);
    }

    async fn a_table_that_is_made_while_the_database_is_open_is_known_soon(url: &str) {
        let db = open(url).await;
        for table in TABLES {
            write(&db, table).await;
        }
        fill(&db).await;
        is_found(&db, "id", "users", "orders", "owner_id").await;
    }

    async fn what_revisions_made_is_known_when_they_are_applied(url: &str) {
        const STEPS: &[Step] = &[
            Step::table("members", &[Column::new("id", Type::Id)]),
            Step::table("letters", &[Column::new("id", Type::Id), Column::new("author_id", Type::Integer).references("members")]),
        ];
        let db = open(url).await;
        Migrator::new(&db, &[Revision::new("0001", "letters", STEPS)]).upgrade(&Target::Head).await.unwrap();
        let fill = ["INSERT INTO members VALUES (101), (102), (103)", "INSERT INTO letters VALUES (1, 101), (2, 102), (3, 103)"];
        let fill: Vec<_> = fill.into_iter().map(|sql| execute(sql, params![])).collect();
        db.write(async |session| session.run(fill).await).await.unwrap();
        in_a_loop(&db, "id", "members", "letters", "author_id").await;
        assert_eq!(found(&db), ["select id from letters where author_id = ?"]);
    }
}
