//! The service over a primary and a replica, one of which fails.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use tallybook::{Database, Settings};
use tallybook_server::{ServiceSettings, router};
use tallybook_testkit::Cluster;
use tokio::task::block_in_place;

use crate::support::{Service, prepare};

/// A primary with a replica.
struct Pair {
    primary: Cluster,
    replica: Cluster,
}

impl Pair {
    /// Starts both, with the tables of the book and of the service.
    async fn start() -> Self {
        let primary = block_in_place(Cluster::start).unwrap();
        prepare(primary.url("postgres")).await;
        let replica = block_in_place(|| primary.standby()).unwrap();
        block_in_place(|| replica.catch_up(&primary)).unwrap();
        Self { primary, replica }
    }

    /// The URL of both, either of which may be the primary.
    fn candidates(&self) -> String {
        let first = format!("127.0.0.1:{}", self.primary.port());
        let both = format!("{first},127.0.0.1:{}", self.replica.port());
        self.primary.url("postgres").replace(&first, &both)
    }

    async fn service(&self) -> Service {
        let settings = Settings::from_lookup(|name| match name {
            "DATABASE_URL" => Some(self.candidates()),
            "DB_READ_REPLICA_URL" => Some(self.replica.url("postgres")),
            "DB_ENABLE_READ_REPLICA" => Some("true".to_owned()),
            "DB_REPLICA_CHECK_INTERVAL" => Some("0.2".to_owned()),
            "DB_POOL_TIMEOUT" => Some("2".to_owned()),
            _ => None,
        });
        let db = Database::open(settings.unwrap()).await.unwrap();
        Service { routes: router(&db, ServiceSettings::default()), db }
    }
}

/// Reads in eight tasks until `fault` has ended, and a hundred times each after it. Returns the failed answers.
async fn reads_beside(service: &Service, fault: impl Future<Output = ()>) -> Vec<String> {
    let is_over = AtomicBool::new(false);
    let readers = (0..8).map(async |_| {
        let mut failed = Vec::new();
        let mut after = 0;
        while after < 100 {
            if is_over.load(Ordering::Relaxed) {
                after += 1;
            }
            let answer = service.get("/v1/portfolios?limit=5").await;
            if answer.status.as_u16() != 200 {
                failed.push(answer.text());
            }
        }
        failed
    });
    let fault = async {
        fault.await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (failed, ()) = tokio::join!(join_all(readers), fault);
    failed.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_the_replica_is_killed_or_hangs() {
    let pair = Pair::start().await;
    let service = pair.service().await;
    let failed = reads_beside(&service, async { block_in_place(|| pair.replica.hang()).unwrap() }).await;
    block_in_place(|| pair.replica.resume()).unwrap();
    assert_eq!(failed, Vec::<String>::new());
    let failed = reads_beside(&service, async { block_in_place(|| pair.replica.kill()).unwrap() }).await;
    assert_eq!(failed, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_primary_reads_go_on_and_writes_are_refused_until_the_replica_is_promoted() {
    let pair = Pair::start().await;
    let service = pair.service().await;
    let failed = reads_beside(&service, async { block_in_place(|| pair.primary.kill()).unwrap() }).await;
    assert_eq!(failed, Vec::<String>::new());
    let body = json!({ "name": "pension", "initial_capital": "1", "currency": "USD" });
    let refused = service.post("/v1/portfolios", &body).await;
    refused.problem(503, "unavailable");
    assert_eq!(service.get("/readyz").await.expect(200)["writes"], false);

    block_in_place(|| pair.replica.promote()).unwrap();
    loop {
        let answer = service.post("/v1/portfolios", &body).await;
        match answer.status.as_u16() {
            201 => break,
            503 => tokio::task::yield_now().await,
            _ => panic!("{}", answer.text()),
        }
    }
    let rows = service.get("/v1/portfolios").await.expect(200);
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_without_a_primary_reads_and_says_that_it_does_not_write() {
    let pair = Pair::start().await;
    block_in_place(|| pair.primary.kill()).unwrap();
    let service = pair.service().await;
    service.get("/v1/portfolios").await.expect(200);
    assert_eq!(service.get("/readyz").await.expect(200), json!({ "status": "ready", "writes": false }));
    let body = json!({ "name": "pension", "initial_capital": "1", "currency": "USD" });
    service.post("/v1/portfolios", &body).await.problem(503, "unavailable");
    block_in_place(|| pair.primary.start_again()).unwrap();
    while service.post("/v1/portfolios", &body).await.status.as_u16() != 201 {
        tokio::task::yield_now().await;
    }
}
