//! The service in a process of its own, and an HTTP client.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A time that tests store, as JSON.
pub(crate) const TIME: &str = "2025-03-01T09:30:00.123456Z";

#[test]
#[ignore = "a program that other tests run"]
fn the_backend() {
    crate::backend::main().unwrap();
}

/// The running service. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts the service on a database; nothing but `DATABASE_URL` differs between two databases.
    pub(crate) fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["program::the_backend", "--exact", "--ignored", "--nocapture"])
            .env("DATABASE_URL", url)
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let listening =
            lines.find_map(|line| Some(line.split_once("listening on http://")?.1.parse().unwrap()));
        // The test harness of the process writes a result at its end.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: listening.expect("it listens") }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = head(method, path, headers, body.len());
        request.push_str(&body);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// Returns the body of an answer with status 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send("GET", path, &[], &Value::Null).await.expect(200)
    }

    /// Returns the row that was created.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.send("POST", path, &[], &body).await.expect(201)
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        self.send("PUT", path, &[], &body).await.expect(200)
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Value {
        self.send("PATCH", path, &[], &body).await.expect(200)
    }

    /// Returns the body of a refusal with this status.
    pub(crate) async fn refused(&self, status: u16, method: &str, path: &str, body: Value) -> Value {
        self.send(method, path, &[], &body).await.expect(status)
    }

    /// Creates a portfolio with a capital of 1,000.
    pub(crate) async fn portfolio(&self, name: &str) -> Value {
        self.post(
            "/portfolios",
            json!({
                "name": name, "initial_capital": "1000", "current_capital": "1000", "currency": "USD",
                "created_at": TIME, "updated_at": TIME,
            }),
        )
        .await
    }

    /// Creates a market order of a portfolio, placed in this minute.
    pub(crate) async fn trade(&self, portfolio: &Value, symbol: &str, minute: u32) -> Value {
        let time = format!("2025-03-01T09:{minute:02}:00Z");
        self.post(
            "/trades",
            json!({
                "portfolio_id": portfolio, "symbol": symbol, "action": "BUY", "quantity": "10", "order_type": "MARKET",
                "created_at": time, "updated_at": time,
            }),
        )
        .await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a request line and its headers.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{more}\r\n"
    )
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads the only answer of a connection.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Returns the body of an answer that has this status: JSON, or else a text.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()))
    }
}

/// Takes a time out of a row and checks that it is later than [`TIME`].
#[track_caller]
pub(crate) fn take_later(row: &mut Value, column: &str) {
    let time = row.as_object_mut().unwrap().remove(column).unwrap();
    assert!(time.as_str().unwrap() > TIME, "{column}: {time}");
}
