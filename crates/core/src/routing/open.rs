//! Opening the router: the first probes, the first primary, and the tasks that go on probing.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tallybook_sql::error::Result;
use tokio::time::sleep;

use super::node::Node;
use super::prober::watch;
use super::router::{RECHECK_INTERVAL, Router};
use super::status::{NodeRole, NodeState};
use super::watch::Watch;
use crate::observe::Log;
use crate::settings::Settings;

/// Time limit for measuring staleness at start-up. Until then reads go to the primary, whose fallback budget
/// is small.
const INITIAL_PROBE_LIMIT: Duration = Duration::from_secs(1);

impl Router {
    /// Finds the primary, and starts a probing task for each node.
    ///
    /// # Errors
    /// If the primary is unreachable or ambiguous. An unreachable replica is not an error.
    pub(crate) async fn open(settings: &Settings, log: &Log) -> Result<Arc<Self>> {
        let router = Arc::new(Self::new(settings, log));
        let is_single = !router.has_others();
        if is_single {
            router.nodes[0].health.set(NodeRole::Primary, NodeState::Up, String::new());
        } else {
            router.initial_probe().await?;
        }
        drop(router.write(Location::caller(), router.acquire_deadline()).await?);
        if is_single {
            let standby = router.nodes[0].writes.identity().standby;
            router.nodes[0].health.set(NodeRole::from_standby(standby), NodeState::Up, String::new());
        }
        // One server of several behind a single node says nothing about the others.
        if is_single && router.nodes[0].connector.leads_to_one_server() {
            tokio::spawn(watch(Arc::downgrade(&router), 0, Watch::default()));
        }
        Ok(router)
    }

    /// Probes all nodes for the first time, then starts their tasks.
    async fn initial_probe(self: &Arc<Self>) -> Result<()> {
        let mut watches: Vec<_> = self.nodes.iter().map(|_| Watch::default()).collect();
        let started = Instant::now();
        self.probe_all(&mut watches).await;
        // Staleness is measured against the primary, so the second probe is the first that can measure it.
        self.probe_all(&mut watches).await;
        while self.staleness_unknown() && started.elapsed() < INITIAL_PROBE_LIMIT {
            sleep(RECHECK_INTERVAL).await;
            self.probe_all(&mut watches).await;
        }
        for (node, kept) in watches.into_iter().enumerate() {
            tokio::spawn(watch(Arc::downgrade(self), node, kept));
        }
        if self.primary.now(&self.nodes).is_some() {
            return Ok(());
        }
        self.stop_watching();
        Err(self.no_primary(started.elapsed()))
    }

    /// Probes all nodes that have not failed, and elects the primary.
    async fn probe_all(&self, watches: &mut [Watch]) {
        let asked = watches.iter_mut().enumerate().map(async |(node, watch)| {
            if self.nodes[node].health.known().failures == 0 {
                self.probe(node, watch).await;
            }
        });
        join_all(asked).await;
        self.elect();
    }

    /// Returns whether no replica is known to be fresh enough, but some may be.
    fn staleness_unknown(&self) -> bool {
        let is_unknown = |node: &Node| node.health.is_readable() && node.health.covered().is_none();
        self.replica.enabled
            && !self.nodes.iter().any(|node| node.health.is_up())
            && self.nodes.iter().any(is_unknown)
    }
}
