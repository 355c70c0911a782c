//! Declarations against databases: the catalog, the statements and the planner.

use super::*;

/// Opens a database with these revisions.
async fn migrated(url: &str, revisions: &[Revision]) -> Database {
    let db = open(url).await;
    Migrator::new(&db, revisions).upgrade(&Target::Head).await.unwrap();
    db
}

/// Returns how many differences from its revisions block a database.
async fn blocking(db: &Database, revisions: &[Revision]) -> usize {
    let differences = Migrator::new(db, revisions).check().await.unwrap();
    differences.iter().filter(|one| one.is_blocking()).count()
}

/// Checks a database with these declarations.
async fn database(db: &Database, declarations: &[Declaration]) -> Findings {
    check::database(db, declarations).await.unwrap()
}

#[test]
fn the_step_of_a_missing_table_has_the_type_of_each_field() {
    let findings = check::revisions(&[], &[Declaration::of::<Kind>()]);
    let columns: Vec<_> = KINDS.iter().map(Column::source).collect();
    assert_eq!(
        findings.problems().next().unwrap().steps,
        [
            format!("Step::table(\"kinds\", &[{}])", columns.join(", ")),
            "Step::index(\"ix_kinds_parent\", \"kinds\", &[\"parent\"])".to_owned(),
        ]
    );
}

both_dialects! {
    async fn the_step_of_a_missing_table_ends_the_problem(url: &str) {
        const PASTED: &[Revision] = &[Revision::new("0001", "kinds", &[
            Step::table("kinds", KINDS),
            Step::index("ix_kinds_parent", "kinds", &["parent"]),
        ])];
        let db = migrated(url, PASTED).await;
        tallybook::check!(PASTED, db; Kind);
    }

    async fn tables_that_fit_their_database_pass(url: &str) {
        let db = migrated(url, REVISIONS).await;
        tallybook::check!(REVISIONS, db; Desk, Note);
        let findings = database(&db, &[Declaration::of::<Desk>(), Declaration::of::<Note>()]).await;
        assert_eq!(findings.to_string(), "0 problems, 0 notes");
    }

    async fn pasted_steps_end_the_problems(url: &str) {
        const LONGER: Revision = Revision::new("0002", "what check! printed", &[
            Step::sql("notes.author: VARCHAR(50)", "ALTER TABLE notes ALTER COLUMN author TYPE VARCHAR(50)", "ALTER TABLE notes ALTER COLUMN author TYPE VARCHAR(40)").on_sqlite("SELECT 1", "SELECT 1").alters("notes", Column::new("author", Type::Varchar(50))),
            Step::key("notes", "desk_id", Key::new("fk_notes_desk_id", "desks")),
            Step::validate("notes", "fk_notes_desk_id"),
            Step::column("notes", Column::new("price", Type::Numeric(20, 8)).default_per_dialect("0", "'0'")),
            Step::index("ix_notes_desk_id", "notes", &["desk_id"]),
            Step::index("ix_notes_written_at_id", "notes", &["written_at", "id"]),
            Step::unique_index("uq_notes_author", "notes", &["author"]),
        ]);
        let declarations = [with("author", |column| column.max = Some(50))];
        let bare = [ID, Column::new("desk_id", Type::Integer), AUTHOR, TEXT, WRITTEN_AT];
        let [first] = revisions(&bare, &[]);
        let db = migrated(url, &[first]).await;
        assert_eq!(check::revisions(&[first], &declarations).problems().count(), 6);
        let all = [first, LONGER];
        assert_eq!(check::revisions(&all, &declarations).to_string(), "0 problems, 0 notes");
        assert_eq!(blocking(&db, &all).await, 0, "before the upgrade");
        Migrator::new(&db, &all).upgrade(&Target::Head).await.unwrap();
        assert_found(&database(&db, &declarations).await, &[]);
        assert_eq!(blocking(&db, &all).await, 0, "after the upgrade");
    }

    async fn a_database_that_differs_from_its_revisions_is_told_from_its_catalog(url: &str) {
        let db = migrated(url, REVISIONS).await;
        run_script(url, "DROP INDEX ix_notes_desk_id").await;
        let findings = database(&db, &[Declaration::of::<Note>()]).await;
        assert_found(&findings, &["notes.desk_id: no index begins with the column of the relation\n    \
             struct:    a relation\n    \
             database:  indexes unique (id), unique (author), (written_at)\n    \
             paste:     Step::index(\"ix_notes_desk_id\", \"notes\", &[\"desk_id\"]),"]);
    }

    async fn a_type_is_told_from_the_catalog(url: &str) {
        let db = migrated(url, REVISIONS).await;
        let (script, expected) = match db.dialect() {
            Dialect::Postgres => (
                "ALTER TABLE notes ALTER price TYPE numeric(20, 2)",
                "notes.price: the column does not suit the field on Postgres: rounds digits after the point\n    \
                 struct:    an exact decimal of 20 digits, 8 after the point, not null\n    \
                 database:  numeric(20,2), not null\n    \
                 paste:     Step::sql(\"notes.price: NUMERIC(20, 8)\", \
                 \"ALTER TABLE notes ALTER COLUMN price TYPE NUMERIC(20, 8)\", \
                 \"ALTER TABLE notes ALTER COLUMN price TYPE numeric(20,2)\")\
                 .on_sqlite(\"SELECT 1\", \"SELECT 1\")\
                 .alters(\"notes\", Column::new(\"price\", Type::Numeric(20, 8))),\n    \
                 or change: #[table(numeric(20, 2))]",
            ),
            Dialect::Sqlite => (
                "ALTER TABLE notes DROP COLUMN price; ALTER TABLE notes ADD COLUMN price REAL NOT NULL DEFAULT 0",
                "notes.price: the column does not suit the field on Sqlite: rounds numbers of more than 15 digits\n    \
                 struct:    an exact decimal of 20 digits, 8 after the point, not null\n    \
                 database:  REAL, not null",
            ),
        };
        run_script(url, script).await;
        assert_found(&database(&db, &[Declaration::of::<Note>()]).await, &[expected]);
    }

    async fn a_table_that_does_not_exist_is_told(url: &str) {
        let db = open(url).await;
        let findings = database(&db, &[Declaration::of::<Desk>()]).await;
        assert_found(&findings, &["desks: there is no such table\n    \
             struct:    Desk of 2 columns\n    \
             database:  nothing\n    \
             paste:     Step::table(\"desks\", &[Column::new(\"id\", Type::Id), Column::new(\"name\", Type::Varchar(40))]),"]);
    }

    async fn a_statement_that_the_database_refuses_is_shown(url: &str) {
        let db = migrated(url, REVISIONS).await;
        let (script, problems) = match db.dialect() {
            Dialect::Postgres => (
                "ALTER TABLE desks DROP COLUMN name; \
                 ALTER TABLE desks ADD COLUMN name varchar(40) NOT NULL GENERATED ALWAYS AS ('desk') STORED",
                &["`create` is refused", "`update` is refused"][..],
            ),
            Dialect::Sqlite => (
                "CREATE TRIGGER log AFTER INSERT ON desks BEGIN INSERT INTO nowhere VALUES (1); END",
                &["`create` is refused"][..],
            ),
        };
        run_script(url, script).await;
        let findings = database(&db, &[Declaration::of::<Desk>()]).await;
        let found: Vec<_> = findings.problems().map(|finding| finding.problem.as_str()).collect();
        assert_eq!(found, problems);
        let refused = findings.problems().next().unwrap();
        assert_eq!(refused.declared, "INSERT INTO desks (name) VALUES ($1) RETURNING id, name");
        let reason = match db.dialect() {
            Dialect::Postgres => "cannot insert a non-DEFAULT value into column",
            Dialect::Sqlite => "no such table: main.nowhere",
        };
        assert!(refused.found.contains(reason), "{}", refused.found);
    }
}

#[tokio::test]
async fn a_relation_that_is_not_read_by_its_index_is_shown_with_its_plan() {
    let file = SqliteFile::new("useless_index");
    migrated(&file.url(), REVISIONS).await.close().await;
    // The planner believes that all rows have the same desk.
    let useless = "ANALYZE; INSERT INTO sqlite_stat1 VALUES ('notes', 'ix_notes_desk_id', '1000000 1000000')";
    run_script(&file.url(), useless).await;
    let findings = database(&open(&file.url()).await, &[Declaration::of::<Note>()]).await;
    let first_line = |plan: &str| plan.lines().next().unwrap_or_default().to_owned();
    let found: Vec<_> =
        findings.problems().map(|finding| (finding.problem.as_str(), first_line(&finding.found))).collect();
    assert_eq!(
        found,
        [
            ("`load_of desk_id` does not read by an index", "SCAN notes".to_owned()),
            ("`load_of_many desk_id` does not read by an index", "SCAN notes".to_owned()),
        ]
    );
}
