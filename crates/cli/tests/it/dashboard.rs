//! `tallybook serve --demo` and `tallybook watch --web`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::served::Served;
use crate::support::Program;
use crate::watched::Watched;

/// The events that a dashboard sends.
struct Events(BufReader<TcpStream>);

impl Events {
    fn of(served: &Served) -> Self {
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.write_all(b"GET /live/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// Waits for an event with data that are wanted, and returns what is wanted of it.
    fn wait<T>(&mut self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream goes on");
            let data = line.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap());
            if let Some(found) = data.as_ref().and_then(&wanted) {
                return found;
            }
        }
    }
}

fn has_some(tick: &Value, list: &str) -> Option<()> {
    (!tick[list].as_array()?.is_empty()).then_some(())
}

#[test]
fn the_demo_shows_work_a_loop_and_slow_statements_and_leaves_nothing() {
    let program = Program::new();
    program.write(".env", "DATABASE_URL=sqlite:///./mine.db\n");
    let served = Served::start(&program, "--demo");
    let mut events = Events::of(&served);
    let database = events.wait(|hello| Some(hello["source"]["database"].as_str()?.to_owned()));
    let file = database.strip_prefix("sqlite:///").unwrap().to_owned();
    assert!(Path::new(&file).exists(), "{file}");
    events.wait(|tick| {
        has_some(tick, "statements")?;
        has_some(tick, "findings")?;
        has_some(tick, "events")
    });
    served.signal("-INT");
    assert_eq!(served.ended(), Some(0));
    assert!(!Path::new(&file).parent().unwrap().exists(), "{file}");
    assert!(!program.directory().join("mine.db").exists());
}

#[test]
fn the_demo_takes_no_database_and_no_address_that_others_reach() {
    let program = Program::new();
    let named = program.run("serve --demo --database sqlite:///./mine.db").fails(1);
    assert!(named.contains("takes no --database"), "{named}");
    let open = program.run("serve --demo --listen 0.0.0.0:0").fails(1);
    assert!(open.contains("loopback address only"), "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_watched_in_a_browser_by_its_socket() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    let served = Served::run(&program, &watched.words("watch --web"));
    let mut events = Events::of(&served);
    events.wait(|hello| (hello["source"]["has_database"] == false).then_some(()));
    watched.read(7).await;
    let calls = |tick: &Value| {
        let statements = tick["statements"].as_array()?.iter();
        let mut reads =
            statements.filter(|statement| statement["text"].as_str().unwrap().contains("title from"));
        reads.find(|statement| statement["calls"] == 7).map(drop)
    };
    events.wait(calls);
    served.signal("-TERM");
    assert_eq!(served.ended(), Some(0));
}

#[test]
fn a_program_that_does_not_run_or_an_open_address_is_refused() {
    let program = Program::new();
    let nobody = program.run("watch --web nothing.sock").fails(1);
    assert!(nobody.contains("no program serves nothing.sock") && nobody.contains("next:"), "{nobody}");
    let open = program.run("watch --web nothing.sock --listen 0.0.0.0:0").fails(1);
    assert!(open.contains("asks for no token"), "{open}");
}
