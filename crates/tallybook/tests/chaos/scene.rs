//! A primary, its replicas, and a database opened on them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tallybook::{Database, NodeState, NodeStatus, Settings};
use tallybook_testkit::{Cluster, Error, Proxy};
use tokio::task::block_in_place;
use tokio_postgres::error::SqlState;
use tokio_postgres::{NoTls, SimpleQueryMessage};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Time limit of tests that are long on purpose.
pub(crate) const LONG: Duration = Duration::from_secs(2 * 3600);

/// Time limit of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) primary: Cluster,
    pub(crate) replicas: Vec<Cluster>,
}

impl Scene {
    /// Starts a primary with the tables of the load, and two replicas.
    pub(crate) async fn new() -> Self {
        Self::build(|primary| [primary.standby().unwrap(), primary.standby().unwrap()]).await
    }

    /// Starts the same; the log of the first replica is on a disk that can be filled.
    pub(crate) async fn with_log_disk() -> Self {
        Self::build(|primary| [primary.standby_with_log_disk().unwrap(), primary.standby().unwrap()]).await
    }

    async fn build(replicas: impl FnOnce(&Cluster) -> [Cluster; 2]) -> Self {
        let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse::<Targets>().ok());
        let lines = tracing_subscriber::fmt::layer().with_test_writer();
        // Only the first scene of the program starts the log.
        let _ = tracing_subscriber::registry().with(lines).with(wanted.unwrap_or_default()).try_init();
        let primary = block_in_place(|| Cluster::start().unwrap());
        let tables = "CREATE TABLE entry (id bigint PRIMARY KEY, writer bigint NOT NULL);
            CREATE TABLE beat (writer bigint PRIMARY KEY, at bigint NOT NULL);
            INSERT INTO beat SELECT number, 0 FROM generate_series(0, 99) AS number";
        sql(&primary, tables).await;
        let replicas = block_in_place(|| replicas(&primary)).into();
        Self { primary, replicas }
    }

    /// Returns settings with the servers' own addresses, and the primary's alone in `DATABASE_URL`.
    pub(crate) fn settings(&self) -> Settings {
        let replicas: Vec<_> = self.replicas.iter().map(|replica| replica.url("postgres")).collect();
        settings(&self.primary.url("postgres"), &replicas)
    }

    /// Returns settings in which any of the servers may be the primary.
    pub(crate) fn settings_for_promotion(&self) -> Settings {
        let mut settings = self.settings();
        let port = |cluster: &Cluster| format!("127.0.0.1:{}", cluster.port());
        let all: Vec<_> = [&self.primary].into_iter().chain(&self.replicas).map(port).collect();
        let url = self.primary.url("postgres").replace(&all[0], &all.join(","));
        settings.database_url = Settings::new(&url).unwrap().database_url;
        settings
    }

    /// Starts a proxy in front of each replica and returns settings that go through them.
    pub(crate) async fn proxies(&self) -> (Vec<Proxy>, Settings) {
        let mut proxies = Vec::new();
        for replica in &self.replicas {
            proxies.push(Proxy::start(replica.port()).await);
        }
        let through = |(proxy, replica): (&Proxy, &Cluster)| proxy.url(&replica.url("postgres"));
        let urls: Vec<_> = proxies.iter().zip(&self.replicas).map(through).collect();
        (proxies, settings(&self.primary.url("postgres"), &urls))
    }
}

pub(crate) fn settings(primary: &str, replicas: &[String]) -> Settings {
    let url = |url: &str| Settings::new(url).unwrap().database_url;
    let mut settings = Settings::new(primary).unwrap();
    // As many as there are tasks, so that no connection is opened for a single read.
    settings.pool.size = 20;
    settings.replica.enabled = true;
    settings.replica.urls = replicas.iter().map(|replica| url(replica)).collect();
    settings
}

/// Opens a database and waits until all its nodes are up.
pub(crate) async fn open(settings: Settings) -> Database {
    let db = Database::open(settings).await.unwrap();
    eventually("all nodes are up", async || db.nodes().iter().all(|node| node.state == NodeState::Up)).await;
    db
}

/// Returns the status of the node at a port.
pub(crate) fn node(db: &Database, port: u16) -> NodeStatus {
    let end = format!(":{port}");
    let nodes = db.nodes();
    nodes.into_iter().find(|node| node.name.ends_with(&end)).expect("there is a node at that port")
}

/// Waits until the node at a port is up and serves reads.
pub(crate) async fn is_used(db: &Database, port: u16) {
    eventually("the node is up", async || node(db, port).state == NodeState::Up).await;
    let served = node(db, port).served;
    eventually("the node gets reads", async || node(db, port).served > served).await;
}

/// Runs a slow operation on a server without blocking the tasks of this thread.
pub(crate) fn done<T>(work: impl FnOnce() -> Result<T, Error>) -> T {
    block_in_place(work).unwrap()
}

/// Runs SQL directly on a server and returns the first value.
pub(crate) async fn sql(cluster: &Cluster, sql: &str) -> String {
    column(cluster, sql).await.into_iter().next().unwrap_or_default()
}

/// Returns the ids of all entries on a server.
pub(crate) async fn entries(cluster: &Cluster) -> HashSet<i64> {
    let ids = column(cluster, "SELECT id FROM entry").await;
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

async fn column(cluster: &Cluster, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(&cluster.url("postgres"), NoTls).await.unwrap();
    tokio::spawn(connection);
    // A standby cancels a query whose snapshot its replay can't keep, as that of the call which lets it go on.
    let messages = loop {
        match client.simple_query(sql).await {
            Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {}
            outcome => break outcome.unwrap(),
        }
    };
    let values = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    values.collect()
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !met().await {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
