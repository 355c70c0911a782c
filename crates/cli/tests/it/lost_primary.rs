//! Commands while the primary is down and a replica answers.

use tallybook::{Database, Settings};
use tallybook_testkit::Cluster;

use crate::support::Program;

/// The variables of a primary that is down, and of its replica.
struct Outage {
    primary: Cluster,
    replica: Cluster,
}

impl Outage {
    fn begin() -> Self {
        let primary = Cluster::start().unwrap();
        Program::new().run(&format!("migrate upgrade --database {}", primary.url("postgres"))).ok();
        let replica = primary.standby().unwrap();
        replica.catch_up(&primary).unwrap();
        primary.kill().unwrap();
        Self { primary, replica }
    }

    fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("DATABASE_URL", self.primary.url("postgres")),
            ("DB_READ_REPLICA_URL", self.replica.url("postgres")),
            ("DB_ENABLE_READ_REPLICA", "true".to_owned()),
        ]
    }

    fn run(&self, program: &Program, words: &str) -> crate::support::Run {
        let variables = self.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        program.run_with(words, &variables, "")
    }
}

#[test]
fn a_command_fails_and_names_the_server() {
    let outage = Outage::begin();
    let program = Program::new();
    program.write("trades.csv", "id\n");
    program.write("fills.csv", "trade_id,execution_id,quantity,price\n");
    for words in [
        "migrate upgrade",
        "migrate check",
        "seed --portfolios 1 --trades 1",
        "import trades trades.csv",
        "record fills.csv",
        "export trades",
        "check book",
    ] {
        let error = outage.run(&program, words).fails(1);
        assert!(error.contains("Connection refused"), "{words}: {error}");
        assert!(error.contains(&format!("127.0.0.1:{}", outage.primary.port())), "{words}: {error}");
        assert!(!error.contains(outage.primary.password()), "{words}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_was_started_then_can_be_watched() {
    let outage = tokio::task::block_in_place(Outage::begin);
    let program = Program::new();
    let variables = outage.variables();
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.clone())
    };
    let mut settings = Settings::from_lookup(lookup).unwrap();
    let socket = program.directory().join("figures.sock");
    settings.monitor.socket = Some(socket.clone());
    let _db = Database::open(settings).await.unwrap();
    let report = program.run(&format!("watch --once --json {}", socket.display())).json();
    let states: Vec<_> = report["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["role"].as_str().unwrap(), node["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("unknown", "down"), ("replica", "up")]);
    let text = program.run(&format!("watch --once {}", socket.display())).ok();
    assert!(text.contains("its age is unknown"), "{text}");
}
