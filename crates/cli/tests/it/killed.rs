//! The program, killed at moments all over its run, and started again with the same words.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tallybook::{Database, Settings};
use tallybook::{Row, all, execute, params};
use tallybook_testkit::both_dialects;

use crate::support::{Program, Run};

/// The tables that Alembic made beside the book's, up to [`VERSION`].
const BESIDE: [&str; 8] = [
    "agent_configs",
    "run_logs",
    "vendor_configs",
    "risk_metrics",
    "users",
    "api_keys",
    "audit_logs",
    "agent_llm_configs",
];
const VERSION: &str = "c1e38cfe113f";

/// What is counted: what every revision has.
const COUNTED: &str = "SELECT \
     (SELECT count(*) FROM portfolios), (SELECT count(*) FROM positions), (SELECT count(*) FROM executions), \
     (SELECT count(*) FROM trading_sessions), count(*), CAST(sum(id) AS bigint), CAST(sum(portfolio_id) AS bigint), \
     CAST(sum(length(symbol) + length(status) + length(action)) AS bigint) FROM trades";

#[derive(Debug, PartialEq, Row)]
struct Rows {
    portfolios: i64,
    positions: i64,
    executions: i64,
    trading_sessions: i64,
    trades: i64,
    ids: i64,
    parents: i64,
    letters: i64,
}

/// A book whose commands are killed.
struct Victim<'a> {
    program: Program,
    url: &'a str,
    rows: Rows,
    kills: u32,
}

/// A command with where it leads, what a program that came to its end says, and the command that leads back.
struct Operation {
    words: &'static str,
    from: Option<&'static str>,
    to: Option<&'static str>,
    end: &'static str,
    back: &'static str,
}

const IN_THE_BOOK: [Operation; 3] = [
    Operation {
        words: "migrate downgrade 0001 --force",
        from: Some("0003"),
        to: Some("0001"),
        end: "rolled back 0002",
        back: "migrate upgrade",
    },
    Operation {
        words: "migrate downgrade -1 --force",
        from: Some("0003"),
        to: Some("0002"),
        end: "rolled back 0003",
        back: "migrate upgrade",
    },
    Operation {
        words: "migrate upgrade",
        from: Some("0001"),
        to: Some("0003"),
        end: "upgraded 0003",
        back: "migrate downgrade 0001 --force",
    },
];

const WITH_ALEMBIC: [Operation; 2] = [
    Operation {
        words: "migrate adopt",
        from: None,
        to: Some("0001"),
        end: "adopted",
        back: "migrate release",
    },
    Operation {
        words: "migrate release",
        from: Some("0001"),
        to: None,
        end: "handed back",
        back: "migrate adopt",
    },
];

async fn sql(url: &str, text: String) {
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    let statement = execute(text, params![]);
    db.write(async |session| -> tallybook::Result<u64> { session.run(statement).await }).await.unwrap();
    db.close().await;
}

async fn rows(url: &str) -> Rows {
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    let mut rows = db.read().await.unwrap().run(all::<Rows>(COUNTED, params![])).await.unwrap();
    db.close().await;
    rows.pop().unwrap()
}

impl<'a> Victim<'a> {
    /// A book at its newest revision with so many trades.
    async fn new(url: &'a str, trades: u32, kills: u32) -> Self {
        let program = Program::new();
        program.run(&format!("migrate upgrade --database {url}")).ok();
        program.run(&format!("seed --portfolios 50 --trades {trades} --database {url}")).ok();
        Self { program, url, rows: rows(url).await, kills }
    }

    fn run(&self, words: &str) -> Run {
        self.program.run_with(words, &[("DATABASE_URL", self.url)], "")
    }

    fn current(&self) -> Option<String> {
        self.run("migrate current --json").json()["current"].as_str().map(str::to_owned)
    }

    /// Starts a command and kills it after a while; what it had printed by then, and whether it had ended by itself.
    fn killed(&self, words: &str, after: Duration) -> (String, bool) {
        let mut child = self
            .program
            .command(words)
            .env("DATABASE_URL", self.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(after);
        child.kill().unwrap(); // SIGKILL
        let output = child.wait_with_output().unwrap();
        let has_ended = output.status.code().is_some();
        (String::from_utf8_lossy(&output.stdout).into_owned(), has_ended)
    }

    /// Kills a command at moments that are spread evenly over its run, and runs it again after each.
    async fn survives(&self, operation: &Operation) {
        let Operation { words, from, to, end, back } = operation;
        // Two runs that are not killed, of which the shorter one tells how long one takes.
        let mut length = Duration::MAX;
        for _ in 0..2 {
            let start = Instant::now();
            self.run(words).ok();
            length = length.min(start.elapsed());
            self.run(back).ok();
        }
        let mut inside = 0;
        for number in 0..self.kills {
            let moment = length.mul_f64(f64::from(2 * number + 1) / f64::from(2 * self.kills));
            assert_eq!(self.current().as_deref(), *from);
            let (told, has_ended) = self.killed(words, moment);
            let place = format!("`{words}` killed after {moment:?} of {length:?}, {told:?}");
            assert_eq!(rows(self.url).await, self.rows, "{place}");
            inside += u32::from(!has_ended);
            // Who was told the end does not run it again.
            if !told.contains(end) {
                let again = self.run(words);
                let is_there_already = again.code == 1 && self.current().as_deref() == *to;
                assert!(again.code == 0 || is_there_already, "{place}: {}{}", again.out, again.err);
            }
            assert_eq!(self.current().as_deref(), *to, "{place}");
            assert_eq!(rows(self.url).await, self.rows, "{place}");
            self.run(back).ok();
        }
        assert_eq!(rows(self.url).await, self.rows, "{words}");
        // How many, depends on how busy the machine was when the length was measured.
        assert!(inside > 0, "`{words}`: none of {} kills came before its end", self.kills);
    }

    /// Makes the book one that Alembic made.
    async fn hand_to_alembic(&self) {
        self.run("migrate downgrade 0001 --force").ok();
        for table in ["revisions", "steps", "events", "pending", "needs"] {
            sql(self.url, format!("DROP TABLE IF EXISTS tallybook_{table}")).await;
        }
        for table in BESIDE {
            sql(self.url, format!("CREATE TABLE {table} (id integer NOT NULL PRIMARY KEY)")).await;
        }
        sql(
            self.url,
            "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)".to_owned(),
        )
        .await;
        sql(self.url, format!("INSERT INTO alembic_version VALUES ('{VERSION}')")).await;
    }
}

async fn kills(url: &str, trades: u32, kills: u32) {
    let victim = Victim::new(url, trades, kills).await;
    for operation in &IN_THE_BOOK[..2] {
        victim.survives(operation).await;
    }
    victim.run("migrate downgrade 0001 --force").ok();
    victim.survives(&IN_THE_BOOK[2]).await;
    victim.hand_to_alembic().await;
    victim.survives(&WITH_ALEMBIC[0]).await;
    victim.run("migrate adopt").ok();
    victim.survives(&WITH_ALEMBIC[1]).await;
}

both_dialects! {
    async fn a_command_that_is_killed_and_run_again_keeps_every_row_and_goes_no_further(url: &str) {
        kills(url, 3_000, 3).await;
    }
}

/// What `./scripts/test --long` runs besides.
mod long {
    use std::time::Duration;

    use tallybook_testkit::takes_at_most;

    use super::kills;

    const LIMIT: Duration = Duration::from_secs(3 * 3600);

    #[ignore = "takes many minutes: ./scripts/test --long"]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn fifty_kills_of_each_command_lose_no_row_of_300_000_on_sqlite() {
        takes_at_most(LIMIT);
        kills(&tallybook_testkit::SqliteFile::new("fifty_kills").url(), 300_000, 50).await;
    }

    #[ignore = "takes many minutes: ./scripts/test --long"]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn fifty_kills_of_each_command_lose_no_row_of_300_000_on_postgres() {
        takes_at_most(LIMIT);
        let database = tallybook_testkit::postgres().await.database("fifty_kills").await;
        kills(database.url(), 300_000, 50).await;
    }
}
