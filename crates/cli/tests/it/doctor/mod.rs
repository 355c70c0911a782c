//! `tallybook doctor`, on databases in which something is really broken.

mod connections;
mod replication;
mod schema;
mod server;
mod settings;
mod sqlite;

use serde_json::Value;
use tokio_postgres::NoTls;

use crate::support::Program;

/// What the doctor said.
struct Report {
    code: i32,
    /// As JSON.
    told: Value,
    /// Everything that it printed, on both outputs, as JSON and as text.
    all: String,
}

/// Runs it on a database, without any variable.
fn doctor(url: &str) -> Report {
    doctor_with(&Program::new(), &[("DATABASE_URL", url)])
}

/// Runs it on a primary and replicas.
fn doctor_of(primary: &str, replicas: &[&str]) -> Report {
    let replicas = replicas.join(",");
    let variables =
        [("DATABASE_URL", primary), ("DB_ENABLE_READ_REPLICA", "true"), ("DB_READ_REPLICA_URL", &*replicas)];
    doctor_with(&Program::new(), &variables)
}

fn doctor_with(program: &Program, variables: &[(&str, &str)]) -> Report {
    let run = program.run_with("doctor --json", variables, "");
    let text = program.run_with("doctor", variables, "");
    let told =
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err));
    let report = Report { code: run.code, told, all: [run.out, run.err, text.out, text.err].concat() };
    assert_eq!(report.told["exit_code"], report.code, "{}", report.all);
    let is_there = |severity: &str| report.findings().iter().any(|finding| finding["severity"] == severity);
    let expected = if is_there("critical") { 4 } else { 3 * i32::from(is_there("warning")) };
    assert_eq!(report.code, expected, "{}", report.all);
    report
}

impl Report {
    fn findings(&self) -> &[Value] {
        self.told["findings"].as_array().unwrap()
    }

    /// The findings of a check.
    fn of(&self, check: &str) -> Vec<&Value> {
        self.findings().iter().filter(|finding| finding["check"] == check).collect()
    }

    /// That there is a finding of this severity, whose text holds this, and next to do is that.
    #[track_caller]
    fn has(&self, severity: &str, check: &str, what: &str, next: &str) {
        let is_it = |finding: &&&Value| {
            finding["severity"] == severity
                && finding["what"].as_str().unwrap().contains(what)
                && finding["next"].to_string().contains(next)
        };
        let found = self.of(check);
        let found = found.iter().find(is_it);
        let found =
            found.unwrap_or_else(|| panic!("no {severity} {check} with {what:?} and {next:?}: {}", self.all));
        assert!(!found["why"].as_str().unwrap().is_empty(), "{found}");
        assert!(!found["next"].as_array().unwrap().is_empty(), "{found}");
    }

    /// That a check was made on all nodes, and found nothing.
    #[track_caller]
    fn passed(&self, check: &str) {
        assert!(self.of(check).is_empty(), "{check}: {}", self.all);
        for node in self.told["nodes"].as_array().unwrap() {
            assert!(node["passed"].as_array().unwrap().contains(&check.into()), "{check}: {node}");
        }
    }
}

/// Runs SQL on a PostgreSQL server, outside of a transaction if it is one statement.
async fn sql(url: &str, statements: &str) {
    connect(url).await.batch_execute(statements).await.unwrap();
}

/// A session that lasts until it is dropped.
async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Makes the book.
fn migrate(url: &str) {
    Program::new().run(&format!("migrate upgrade --database {url}")).ok();
}
