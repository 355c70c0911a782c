//! `tallybook serve` and `tallybook token` as processes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tallybook_testkit::both_dialects;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Program;

/// A running service. It is killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) fn start(program: &Program, words: &str) -> Self {
        Self::run(program, &format!("serve {words}"))
    }

    /// Starts a command that serves at an address of its choice and prints it.
    pub(crate) fn run(program: &Program, words: &str) -> Self {
        let mut child = program
            .command(&format!("{words} --json --listen 127.0.0.1:0"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not serve: {line:?}"));
        let address = said["address"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
        Self { child, address: address.parse().unwrap() }
    }

    /// Sends a request on a connection of its own. `None` if the service went away before it answered.
    async fn ask(&self, method: &str, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "-", &Value::Null).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Returns whether a request holds a connection of the pool.
    async fn has_busy_connection(&self) -> bool {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let counts =
            answer.lines().filter(|line| line.starts_with("db_client_connection_count_connections{"));
        let mut used = counts.filter(|line| line.contains("state=\"used\""));
        used.any(|line| !line.ends_with(" 0"))
    }

    /// Waits until the process has ended by itself, and returns its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn on_nothing_it_makes_a_book_and_serves_it() {
    let program = Program::new();
    let served = Served::start(&program, "");
    assert_eq!(served.get("/v1/portfolios?limit=5").await, json!({ "rows": [], "next": null }));
    assert_eq!(served.get("/readyz").await, json!({ "status": "ready", "writes": true }));
    served.signal("-TERM");
    assert_eq!(served.ended(), Some(0));
    program.run("migrate check").ok();
}

#[test]
fn the_lines_of_the_readme_work() {
    let readme = include_str!("../../../../README.md");
    let lines: Vec<_> = readme.lines().filter(|line| line.starts_with("curl -s ")).collect();
    assert_eq!(lines.len(), 3);
    let program = Program::new();
    let served = Served::start(&program, "");
    for line in lines {
        let line = line.replace("localhost:8080", &format!("localhost:{}", served.address.port()));
        let ran = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(answer.get("status"), None, "{line}: {answer}");
        assert!(answer.get("id").is_some() || answer["rows"][0]["name"] == "Mine", "{line}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_for_a_change_that_runs() {
    let program = Program::new();
    let served = Served::start(&program, "");
    let other = rusqlite::Connection::open(program.directory().join("tallybook.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = json!({ "name": "pension", "initial_capital": "1", "currency": "USD" });
    let change = served.ask("POST", "/v1/portfolios", "k", &body);
    let end = async {
        // The change holds a connection while it waits for the lock; metrics take none.
        while !served.has_busy_connection().await {}
        served.signal("-TERM");
        while TcpStream::connect(served.address).await.is_ok() {}
        other.execute_batch("COMMIT").unwrap();
    };
    let (answer, ()) = tokio::join!(change, end);
    assert_eq!(answer.unwrap().0, 201);
    assert_eq!(served.ended(), Some(0));
}

#[test]
fn a_book_that_lacks_revisions_is_left_as_it_is() {
    let program = Program::new();
    program.run("migrate upgrade 0002").ok();
    let refused = program.run("serve --listen 127.0.0.1:0").fails(1);
    assert!(refused.contains("lacks the revisions 0003\nnext: tallybook migrate upgrade"), "{refused}");
}

#[test]
fn an_address_that_others_reach_needs_tls_or_a_proxy_and_a_token() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let refused = program.run("serve --listen 0.0.0.0:0").fails(1);
    assert!(refused.contains("--tls-certificate") && refused.contains("--plain-http"), "{refused}");
    let refused = program.run("serve --listen 0.0.0.0:0 --plain-http").fails(1);
    assert!(refused.contains("next: tallybook token create"), "{refused}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let program = Program::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = program.run(&format!("serve --listen {address}")).fails(1);
    assert!(refused.contains(&format!("cannot listen on {address}")), "{refused}");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    assert!(program.run("token list").ok().contains("next: tallybook token create"));
    let made = program.run("token create reports --scope read --rate 50");
    let text = made.ok();
    assert!(text.starts_with("tbk_1_") && text.trim().len() == 6 + 64, "{text}");
    let again = program.run("token create reports").fails(1);
    assert!(again.contains("a token \"reports\" exists already"), "{again}");
    let listed = program.run("token list --json").json();
    assert_eq!((&listed[0]["name"], &listed[0]["requests_per_second"]), (&json!("reports"), &json!(50)));
    assert!(!listed.to_string().contains(&text.trim()[6..]));
    program.run("token revoke reports").ok();
    assert_ne!(program.run("token list --json").json()[0]["revoked_at"], Value::Null);
    assert!(program.run("token revoke desk").fails(1).contains("there is no token \"desk\""));
}

/// A client that creates orders until the service is gone, and one more without an answer.
async fn order_until_killed(served: &Served, portfolio: i64, client: usize) -> (Vec<(String, i64)>, String) {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let key = format!("{client}-{number}");
        match served.ask("POST", "/v1/trades", &key, &order(portfolio, &key)).await {
            Some((201, row)) => acknowledged.push((key, row["id"].as_i64().unwrap())),
            Some((status, body)) => panic!("{status}: {body}"),
            None => return (acknowledged, key),
        }
    }
    unreachable!()
}

fn order(portfolio: i64, key: &str) -> Value {
    json!({
        "portfolio_id": portfolio, "symbol": "AAPL", "action": "BUY", "quantity": "1", "order_type": "MARKET",
        "decision_rationale": key,
    })
}

both_dialects! {
    async fn a_killed_service_lost_nothing_and_a_repeated_key_has_one_effect(url: &str) {
        let program = Program::new();
        let database = format!("--database {url}");
        program.run(&format!("migrate upgrade {database}")).ok();
        let served = Served::start(&program, &database);
        let body = json!({ "name": "pension", "initial_capital": "1", "currency": "USD" });
        let portfolio = served.ask("POST", "/v1/portfolios", "p", &body).await.unwrap().1["id"].as_i64().unwrap();

        let clients = join_all((0..8).map(|client| order_until_killed(&served, portfolio, client)));
        let kill = async {
            while served.get("/v1/trades?limit=1000").await["rows"].as_array().unwrap().len() < 50 {}
            served.signal("-KILL");
        };
        let (clients, ()) = tokio::join!(clients, kill);

        let served = Served::start(&program, &database);
        for (acknowledged, unanswered) in &clients {
            for (key, id) in acknowledged {
                assert_eq!(served.get(&format!("/v1/trades/{id}")).await["decision_rationale"], **key);
            }
            let again = served.ask("POST", "/v1/trades", unanswered, &order(portfolio, unanswered)).await.unwrap();
            assert_eq!(again.0, 201, "{}", again.1);
        }
        let mut path = "/v1/trades?limit=1000".to_owned();
        let mut keys = Vec::new();
        loop {
            let page = served.get(&path).await;
            let rows = page["rows"].as_array().unwrap();
            keys.extend(rows.iter().map(|row| row["decision_rationale"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/trades?limit=1000&after={next}");
        }
        keys.sort_unstable();
        let mut expected: Vec<_> = clients
            .iter()
            .flat_map(|(acknowledged, unanswered)| acknowledged.iter().map(|(key, _)| key).chain([unanswered]).cloned())
            .collect();
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
}
