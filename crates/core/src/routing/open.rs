//! Opening the router: the first probes, the first primary, and the tasks that go on probing.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::replication::Observation;
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
    /// If the primary is ambiguous, or if neither it nor a replica can be used. An unreachable replica is not an
    /// error, and neither is an unreachable primary while a replica serves reads.
    pub(crate) async fn open(settings: &Settings, log: &Log) -> Result<Arc<Self>> {
        let router = Arc::new(Self::new(settings, log));
        match router.has_others() {
            true => router.open_several().await?,
            false => router.open_single().await?,
        }
        Ok(router)
    }

    /// Connects to the only node.
    async fn open_single(self: &Arc<Self>) -> Result<()> {
        let node = &self.nodes[0];
        node.health.set(NodeRole::Primary, NodeState::Up, String::new());
        drop(self.write(Location::caller(), self.acquire_deadline()).await?);
        let standby = node.writes.identity().standby;
        node.health.set(NodeRole::from_standby(standby), NodeState::Up, String::new());
        // One server of several behind a single node says nothing about the others.
        if node.connector.leads_to_one_server() {
            tokio::spawn(watch(Arc::downgrade(self), 0, Watch::default()));
        }
        Ok(())
    }

    /// Probes all nodes, starts their tasks, and connects to the primary. Without one, a replica is enough.
    async fn open_several(self: &Arc<Self>) -> Result<()> {
        let started = Instant::now();
        let watches = self.initial_probe(started).await;
        if self.primary.now(&self.nodes).is_none() {
            self.begin_without_primary(started.elapsed())?;
        }
        for (node, kept) in watches.into_iter().enumerate() {
            tokio::spawn(watch(Arc::downgrade(self), node, kept));
        }
        let connected = match self.primary.now(&self.nodes) {
            Some(_) => self.write(Location::caller(), self.acquire_deadline()).await.map(drop),
            None => Ok(()),
        };
        let has_primary = self.primary.now(&self.nodes).is_some();
        match connected {
            Err(error) if has_primary || self.readable().next().is_none() => {
                self.stop_watching();
                return Err(error);
            }
            // The primary may be lost a moment after it was found.
            Ok(()) | Err(_) => {}
        }
        if !has_primary {
            tracing::warn!(
                target: "tallybook::routing",
                primary = self.candidates(),
                "opened without a primary: replicas serve reads of unknown age, and writes fail until a server of \
                 DATABASE_URL takes them"
            );
        }
        Ok(())
    }

    /// Probes all nodes for the first time.
    async fn initial_probe(&self, started: Instant) -> Vec<Watch> {
        let mut watches: Vec<_> = self.nodes.iter().map(|_| Watch::default()).collect();
        self.probe_all(&mut watches).await;
        // Staleness is measured against the primary, so the second probe is the first that can measure it.
        self.probe_all(&mut watches).await;
        while self.staleness_unknown() && started.elapsed() < INITIAL_PROBE_LIMIT {
            sleep(RECHECK_INTERVAL).await;
            self.probe_all(&mut watches).await;
        }
        watches
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

    /// Begins as if the primary had been lost a moment ago. What the most advanced replica has takes the place of
    /// the primary's last known position, so that no usual read goes to a replica that has less.
    ///
    /// # Errors
    /// If several servers take writes, the settings have a wrong login for the primary, no replica can be read from,
    /// or the replicas belong to several clusters.
    pub(super) fn begin_without_primary(&self, after: Duration) -> Result<()> {
        let replicas: Vec<_> = self.readable().collect();
        let best = replicas.iter().map(|(_, seen)| seen).max_by_key(|seen| (seen.timeline, seen.lsn));
        let Some(best) = best.filter(|_| self.primary.conflict().is_none() && !self.is_login_refused())
        else {
            return Err(self.not_opened(after));
        };
        if replicas.iter().any(|(_, seen)| seen.system != best.system) {
            return Err(self.several_clusters(&replicas));
        }
        self.primary.begin_without(best);
        for (node, seen) in &replicas {
            self.record_replica(*node, *seen, Instant::now());
        }
        Ok(())
    }

    /// Returns the replicas that reads may go to, with their latest observation.
    fn readable(&self) -> impl Iterator<Item = (usize, Observation)> {
        let nodes = self.nodes.iter().enumerate().filter(|_| self.replica.enabled);
        nodes.filter(|(_, node)| node.health.is_readable()).filter_map(|(number, node)| {
            let seen = node.health.known().observation?;
            Some((number, seen))
        })
    }

    /// Returns whether every candidate refuses the user, the password or the database. None of them is down then.
    fn is_login_refused(&self) -> bool {
        self.nodes.iter().filter(|node| node.is_candidate).all(|node| node.health.known().is_login_refused)
    }

    /// Returns why the database can't be opened, `after` having looked for a primary.
    fn not_opened(&self, after: Duration) -> Error {
        let was_reached = |node: &Node| node.is_candidate && node.health.known().role != NodeRole::Unknown;
        match self.primary.conflict().is_some() || self.nodes.iter().any(was_reached) {
            true => self.no_primary(after),
            false => Error::connect("a primary", self.candidates()),
        }
    }

    fn several_clusters(&self, replicas: &[(usize, Observation)]) -> Error {
        let describe =
            |(node, seen): &(usize, Observation)| format!("{} (system {})", self.name(*node), seen.system);
        let clusters = replicas.iter().map(describe).collect::<Vec<_>>().join(", ");
        let problem = format!(
            "they belong to several clusters, and without a primary nothing tells which is the right one: {clusters}; {}",
            self.candidates()
        );
        Error::connect("the replicas", problem)
    }
}
