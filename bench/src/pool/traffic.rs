//! What a hot check-out sends and receives.

use anyhow::Result;
use serde::Serialize;
use tallybook_testkit::Cluster;

use super::options::Plan;
use super::peers;
use super::proxy::Proxy;

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
        let before = proxy.settled().await?;
        // The quiet before the count must not make the first check-out a cold one.
        contestant.warm().await?;
        let warm = proxy.settled().await? - before;
        contestant.warm().await?;
        contestant.repeat(plan.counted_checkouts).await?;
        let all = proxy.settled().await? - before;
        let bytes = all.saturating_sub(2 * warm);
        traffic.push(Traffic { pool: contestant.name(), checkouts: plan.counted_checkouts, bytes });
    }
    Ok(traffic)
}
