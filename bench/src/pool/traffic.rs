//! What a hot check-out sends and receives.

use anyhow::Result;
use serde::Serialize;
use tallybook_testkit::Cluster;

use super::options::Plan;
use super::peers;
use crate::proxy::Proxy;

/// What went over the wire for so many check-outs without a statement.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    pub(super) pool: &'static str,
    pub(super) checkouts: u32,
    pub(super) bytes: u64,
}

/// Every pool reaches the server through one proxy; only one of them works at a time.
pub(super) async fn measure(server: &Cluster, plan: &Plan) -> Result<Vec<Traffic>> {
    let proxy = Proxy::to(server.port()).await?;
    let direct = server.url("postgres");
    let port = |port: u16| format!("@127.0.0.1:{port}/");
    let contestants = peers::all(&direct.replace(&port(server.port()), &port(proxy.port()))).await?;
    let mut traffic = Vec::new();
    for contestant in &contestants {
        contestant.warm().await?;
        // Short enough for the first check-out to be still a hot one.
        let before = proxy.settled().await?;
        contestant.repeat(plan.counted_checkouts).await?;
        let bytes = (proxy.settled().await? - before).bytes();
        traffic.push(Traffic { pool: contestant.name(), checkouts: plan.counted_checkouts, bytes });
    }
    Ok(traffic)
}
