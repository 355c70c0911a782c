//! What a user lacks is found out first, listed as a whole, with what grants it.

use tallybook_testkit::{Database, postgres};
use tokio_postgres::{Client, NoTls};

use crate::support::{AS_ALEMBIC_LEFT_IT, Program};

/// A user who may connect and nothing else, in a database of the owner's.
struct Stranger {
    owner: Client,
    database: Database,
    url: String,
}

impl Stranger {
    async fn new(name: &str) -> Self {
        let database = postgres().await.database(name).await;
        let (owner, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let user = database.name();
        owner.batch_execute(&format!("CREATE ROLE \"{user}\" LOGIN PASSWORD 'Secret'")).await.unwrap();
        let url = format!("postgresql://{user}:Secret@127.0.0.1:{}/{user}", database.port());
        Self { owner, database, url }
    }

    async fn may(&self, privilege: &str) {
        self.owner
            .batch_execute(&format!("GRANT {privilege} TO \"{}\"", self.database.name()))
            .await
            .unwrap();
    }

    /// The names of all tables.
    async fn tables(&self) -> Vec<String> {
        let sql = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace \
            ORDER BY 1";
        self.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Runs what a command told to run.
    async fn grant_all(&self, told: &str) {
        let grants: Vec<_> = told.lines().filter_map(|line| line.trim().strip_prefix("next: ")).collect();
        assert!(!grants.is_empty(), "{told}");
        for grant in grants {
            self.owner.batch_execute(grant).await.unwrap();
        }
    }

    /// Gives back what was granted, so that the role can go.
    async fn leave(self) {
        let user = self.database.name();
        self.owner
            .batch_execute(&format!("DROP OWNED BY \"{user}\" CASCADE; DROP ROLE \"{user}\""))
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_adoption_needs_is_told_by_its_dry_run_and_nothing_is_changed() {
    let stranger = Stranger::new("privileges_adopt").await;
    let program = Program::new();
    let run = |command: &str| program.run(&format!("{command} --database {}", stranger.url));
    program.run(&format!("migrate upgrade --database {}", stranger.database.url())).ok();
    stranger.owner.batch_execute(AS_ALEMBIC_LEFT_IT).await.unwrap();
    let before = stranger.tables().await;

    let dry = run("migrate adopt --dry-run");
    let told = format!("{}{}", dry.out, dry.err);
    assert_eq!(dry.code, 1, "{told}");
    assert!(told.contains("SELECT on alembic_version, which is tallybook's"), "{told}");
    assert!(told.contains("CREATE on the schema public"), "{told}");
    assert!(told.contains("GRANT CREATE ON SCHEMA public TO "), "{told}");
    let error = run("migrate adopt").fails(1);
    assert!(error.contains("SELECT on alembic_version") && error.contains("CREATE on the schema"), "{error}");
    assert!(error.contains("nothing was changed"), "{error}");

    stranger.may("SELECT ON alembic_version").await;
    let dry = run("migrate adopt --dry-run --json");
    let told: serde_json::Value =
        serde_json::from_str(&dry.out).unwrap_or_else(|error| panic!("{error}: {}{}", dry.out, dry.err));
    assert_eq!(dry.code, 1, "{told}");
    assert_eq!(told["version"], "5951c803aff7", "what it looked at is told as well");
    assert_eq!(told["missing_privileges"][0]["what"], "CREATE on the schema public");
    assert_eq!(stranger.tables().await, before);

    let error = run("migrate adopt").fails(1);
    stranger.grant_all(&error).await;
    assert!(run("migrate adopt").ok().contains("adopted"));
    let error = run("migrate release").fails(1);
    assert!(error.contains("INSERT, UPDATE, DELETE on alembic_version"), "{error}");
    stranger.grant_all(&error).await;
    run("migrate release").ok();
    stranger.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upgrade_needs_is_told_by_the_plan_and_what_that_says_is_enough() {
    let stranger = Stranger::new("privileges_upgrade").await;
    let program = Program::new();
    let run = |command: &str| program.run(&format!("{command} --database {}", stranger.url));
    program.run(&format!("migrate upgrade 0001 --database {}", stranger.database.url())).ok();
    let before = stranger.tables().await;

    let error = run("migrate current").fails(1);
    assert!(error.contains("SELECT on tallybook_revisions") && error.contains("GRANT SELECT ON"), "{error}");
    stranger.may("SELECT ON ALL TABLES IN SCHEMA public").await;

    let plan = run("migrate plan");
    assert_eq!(plan.code, 1, "{}{}", plan.out, plan.err);
    for missing in [
        "missing: the ownership of trades, which is tallybook's",
        "missing: the ownership of positions, which is tallybook's",
        "missing: CREATE on the schema public",
        "missing: REFERENCES on trading_sessions, which is tallybook's",
        "missing: INSERT, UPDATE, DELETE on tallybook_revisions",
    ] {
        assert!(plan.out.contains(missing), "{missing}: {}", plan.out);
    }
    let error = run("migrate upgrade").fails(1);
    assert!(error.contains("the ownership of trades") && error.contains("nothing was changed"), "{error}");
    assert!(!error.contains("must be owner"), "{error}");
    assert_eq!(stranger.tables().await, before);

    stranger.grant_all(&plan.out).await;
    assert!(!run("migrate plan").ok().contains("missing"));
    assert!(run("migrate upgrade").ok().contains("upgraded 0003"));
    let error = run("migrate downgrade base --force").fails(1);
    assert!(
        error.contains("the ownership of portfolios") && error.contains("nothing was changed"),
        "{error}"
    );
    run("migrate downgrade -1").ok();
    stranger.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_may_not_be_used_is_none_and_that_is_said() {
    let stranger = Stranger::new("privileges_usage").await;
    stranger.owner.batch_execute("CREATE SCHEMA hidden").await.unwrap();
    let program = Program::new();
    let url = format!("{}?options=-csearch_path%3Dhidden", stranger.url);
    let error = program.run(&format!("migrate upgrade --database {url}")).fails(1);
    assert!(error.contains("no current schema") && error.contains("hidden"), "{error}");
    assert!(error.contains("GRANT USAGE ON SCHEMA"), "{error}");
    stranger.leave().await;
}

#[test]
fn a_file_that_may_not_be_written_is_told_by_plan_and_dry_run() {
    let program = Program::new();
    program.run("migrate upgrade 0001 --database sqlite:///./book.db").ok();
    let path = program.directory().join("book.db");
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    sqlite.pragma_update(None, "journal_mode", "delete").unwrap();
    drop(sqlite);
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let plan = program.run("migrate plan --database sqlite:///./book.db");
    assert_eq!(plan.code, 1, "{}{}", plan.out, plan.err);
    assert!(
        plan.out.contains("missing: write permission on the file") && plan.out.contains("chmod u+w"),
        "{}",
        plan.out
    );
    let dry = program.run("migrate adopt --dry-run --database sqlite:///./book.db");
    assert!(
        format!("{}{}", dry.out, dry.err).contains("write permission on the file"),
        "{}{}",
        dry.out,
        dry.err
    );
    assert_eq!(dry.code, 1);
}
