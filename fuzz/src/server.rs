//! A server of PostgreSQL that sends what the fuzzer says, and a client that believes it as far as it should.
//!
//! An input is a list of lines. A line is a message: its type, and its body, of which the length is added. `~` is a zero byte and
//! `%0a` any byte. A line that begins with `!` is sent as it is, without type and length, and `|` waits for the client. So a
//! conversation is a readable seed, and the fuzzer reaches what is behind the login.

use std::path::PathBuf;
use std::time::Duration;

use tallybook_postgres::config::PostgresTarget;
use tallybook_postgres::{Connection, Connector};
use tallybook_sql::driver::Role;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::{all, execute, one, params, value::Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Time after which a client hangs. The server hangs up after its last line, so nothing has to be waited for.
const HANGS: Duration = Duration::from_secs(20);

/// Time after which the server goes on although it heard nothing: the client waits for it.
const QUIET: Duration = Duration::from_millis(2);

/// A server, with the runtime of both sides.
struct Stage {
    runtime: tokio::runtime::Runtime,
    listener: UnixListener,
    directory: PathBuf,
    connector: Connector,
}

thread_local! {
    static STAGE: Stage = Stage::new();
}

/// The client neither panics nor hangs.
pub(super) fn serve(data: &[u8]) {
    STAGE.with(|stage| stage.serve(&script(data)));
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::current().id();
        let directory =
            std::env::temp_dir().join(format!("tallybook-fuzz-{}-{thread:?}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(".s.PGSQL.5432");
        let _ = std::fs::remove_file(&path);
        let listener = runtime.block_on(async { UnixListener::bind(path) }).unwrap();
        let url = format!("//somebody:secret@/book?host={}", directory.display());
        let connector = Connector::new(&PostgresTarget::read(&url).unwrap());
        Self { runtime, listener, directory, connector }
    }

    fn serve(&self, script: &[Vec<u8>]) {
        self.runtime.block_on(async {
            let client = async {
                if let Ok(mut connection) = self.connector.connect(Role::Write).await {
                    work(&mut connection).await;
                }
            };
            let server = async {
                while let Ok((stream, _)) = self.listener.accept().await {
                    tokio::spawn(play(stream, script.to_vec()));
                }
            };
            let ended = async {
                tokio::select! {
                    () = client => {}
                    () = server => unreachable!("it listens for ever"),
                }
            };
            tokio::time::timeout(HANGS, ended).await.expect("the client hangs");
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// All that a session does. Each step may fail.
async fn work(connection: &mut Connection) {
    let pairs = || {
        all::<(i64, Option<String>)>(
            "SELECT n, 'number ' || n FROM generate_series(1::bigint, $1) AS n",
            params![3],
        )
    };
    for framing in [TransactionFraming::default(), TransactionFraming::default().snapshot()] {
        let batch = (pairs(), one::<(i64,)>("SELECT $1", params![5]), execute("SELECT 1", params![]));
        let _ = connection.execute(pairs(), framing, None).await.finish();
        let _ = connection.execute(batch, framing, None).await.finish();
    }
    let begins = TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
    let opens = TransactionFraming { opens_cursor: true, ..begins };
    let executed = connection.execute(pairs(), opens, None).await;
    if let (Some(mut query), Ok(())) = (executed.batch, executed.outcome) {
        let mut rows = connection.rows();
        while std::future::poll_fn(|context| rows.poll_page(context, &mut query)).await.end.is_none() {}
    }
    let _ = connection.execute((), begins, None).await.finish();
    if let Ok(mut load) = connection.load("notes", &["id", "title"]).await {
        let _ = load.write(&[Value::Int(1), Value::Text("one".to_owned())]).await;
        let _ = load.finish().await;
    }
    let _ = connection.commit().await;
    let ends = TransactionFraming { end: Some(End::Commit), ..begins };
    let _ = connection.execute(execute("INSERT INTO notes VALUES (1)", params![]), ends, None).await.finish();
    let _ = connection.script("SELECT 1; SELECT 2").await;
    let _ = connection.observe().await;
    let _ = connection.reset().await;
    let _ = connection.clean().await;
    let _ = connection.ping().await;
    let _ = (connection.is_closed(), connection.has_changed_settings());
}

/// Returns the bytes that are sent each time the client has sent something.
fn script(data: &[u8]) -> Vec<Vec<u8>> {
    let mut script = vec![Vec::new()];
    for line in data.split(|&byte| byte == b'\n') {
        let last = script.last_mut().expect("it begins with one");
        match line {
            [] => {}
            [b'|', ..] => script.push(Vec::new()),
            [b'!', bytes @ ..] => last.extend(decoded(bytes)),
            [tag, body @ ..] => {
                let body = decoded(body);
                last.push(*tag);
                last.extend((body.len() as u32 + 4).to_be_bytes());
                last.extend(body);
            }
        }
    }
    script
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        let number = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let escaped = (first == b'%').then(|| number(others.get(..2)?)).flatten();
        bytes.push(match (escaped, first) {
            (Some(byte), _) => byte,
            (None, b'~') => 0,
            (None, byte) => byte,
        });
        rest = if escaped.is_some() { &others[2..] } else { others };
    }
    bytes
}

async fn play(mut client: UnixStream, script: Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut heard = vec![0; 16 << 10];
    for bytes in script {
        if let Ok(length) = tokio::time::timeout(QUIET, client.read(&mut heard)).await
            && length? == 0
        {
            return Ok(());
        }
        client.write_all(&bytes).await?;
    }
    client.shutdown().await?;
    // What the client still says is heard, so that it reads what was sent before the end.
    while client.read(&mut heard).await? > 0 {}
    Ok(())
}
