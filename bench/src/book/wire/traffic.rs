//! Messages on the wire.

use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;
use tallybook_testkit::Cluster;

use super::title;
use crate::book::peers::{self, BY_HAND};
use crate::book::questions::Questions;
use crate::book::target::Target;
use crate::book::work::Work;
use crate::proxy::{Passed, Proxy};

/// How often all questions are asked before the messages count: statements are prepared then.
const WARM_UP: u32 = 3;

/// The messages that a peer sent and received.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    peer: &'static str,
    work: Work,
    operations: u64,
    passed: Passed,
}

/// Every peer goes through a proxy of its own.
pub(super) async fn measure(
    server: &Cluster,
    questions: &Arc<Questions>,
    works: &[Work],
) -> Result<Vec<Traffic>> {
    let mut traffic = Vec::new();
    for &peer in BY_HAND.iter().filter(|peer| peer.is_on(Target::Postgres)) {
        let proxy = Proxy::to(server.port()).await?;
        let url =
            server.url("postgres").replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
        // The proxy can't tell the answer to a request for TLS from a message.
        let url = format!("{url}?sslmode=disable");
        let contestant = peers::by_hand(peer, &url, questions).await?;
        for &work in works {
            for _ in 0..WARM_UP {
                contestant.check(work).await?;
            }
            let before = proxy.settled().await?;
            contestant.check(work).await?;
            let passed = proxy.settled().await? - before;
            let operations = questions.of(work).len() as u64;
            traffic.push(Traffic { peer: contestant.name(), work, operations, passed });
        }
    }
    traffic.sort_by_key(|traffic| traffic.work.place());
    Ok(traffic)
}

impl Traffic {
    pub(super) fn row(&self) -> [String; 7] {
        let Self { peer, work, operations, passed: Passed { to_server, to_client } } = self;
        let each = |count: u64| {
            let each = count as f64 / *operations as f64;
            if each.fract() == 0.0 { format!("{each:.0}") } else { format!("{each:.1}") }
        };
        [
            title(*work, peer),
            each(to_server.messages()),
            each(to_server.of('S') + to_server.of('Q')),
            each(to_server.bytes),
            each(to_client.messages()),
            each(to_client.of('Z')),
            each(to_client.bytes),
        ]
    }
}
