//! Probing: one task per node, on a connection of its own, because a full pool does not make a node
//! unhealthy.
//!
//! A node is marked down only if nothing on it answers. If the probe cannot connect, because the password
//! changed or the server is full, it uses an idle pooled connection, and any other answer of the server
//! counts too.

use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::join;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, ErrorDetail};
use tallybook_sql::replication::Observation;
use tokio::time::{sleep, timeout};

use super::backoff::backoff;
use super::router::Router;
use super::status::{NodeRole, NodeState};
use super::watch::{FailureKind, ProbeFailure, Watch};
use crate::driver::Connection;
use crate::postgres::{is_login_refused, refusal};
use crate::random::jittered;

/// A node that does not answer for this long gets no new reads.
const SUSPECT_AFTER: Duration = Duration::from_millis(250);
/// One of several nodes is marked down if it does not answer for this long, or cannot be connected to.
const DOWN_AFTER: Duration = Duration::from_secs(1);
/// The only node is marked down after two failures of this length. Nothing could replace it, and it may just
/// be slow.
const ALONE_DOWN_AFTER: Duration = Duration::from_secs(5);
/// The only node is probed once a session lasts this long.
const HELD: Duration = Duration::from_secs(1);
/// Minimum pause between two probes.
const MIN_PAUSE: Duration = Duration::from_millis(20);
/// Probes are early or late by this fraction of the interval, so that processes do not probe in step.
const JITTER: f64 = 0.2;

/// The answer of a node, and when the probe was sent.
type Answer = (Observation, Instant);

/// Probes a node until the router is closed or dropped.
pub(super) async fn watch(router: Weak<Router>, node: usize, mut watch: Watch) {
    loop {
        let Some(alive) = open(&router) else { return };
        let pause = watch.pause().unwrap_or_else(|| alive.pause(node));
        let wake = alive.nodes[node].wake.clone();
        drop(alive);
        tokio::select! {
            () = sleep(pause) => {}
            () = async { sleep(MIN_PAUSE).await; wake.notified().await } => {}
        }
        let Some(alive) = open(&router) else { return };
        if !alive.needs_probe(node, &mut watch) {
            watch.close_if_idle();
            continue;
        }
        alive.probe(node, &mut watch).await;
        alive.elect();
    }
}

/// Returns the router, unless it is closed or dropped.
fn open(router: &Weak<Router>) -> Option<Arc<Router>> {
    router.upgrade().filter(|router| !router.is_closed())
}

impl Router {
    /// Returns whether to probe a node. The only node is left alone while it is a healthy primary and no
    /// session lasts long.
    fn needs_probe(&self, node: usize, watch: &mut Watch) -> bool {
        let node = &self.nodes[node];
        let (role, state) = {
            let known = node.health.known();
            (known.role, known.state)
        };
        self.has_others()
            || (role, state) != (NodeRole::Primary, NodeState::Up)
            || node.writes.identity().standby
            || node.writes.longest_held().is_some_and(|held| held >= HELD)
            // Connections of migrations belong to no pool.
            || watch.has_unpooled_for(HELD, node.connector.open(), node.writes.size())
    }

    fn down_after(&self) -> Duration {
        if self.has_others() { DOWN_AFTER } else { ALONE_DOWN_AFTER }
    }

    /// Probes a node once and records the result.
    pub(super) async fn probe(&self, node: usize, watch: &mut Watch) {
        let answer = self.answer(node, watch).await;
        if let Some(change) = watch.take_change() {
            let name = &self.nodes[node].name;
            match change {
                "" => {
                    tracing::info!(target: "tallybook::routing", node = name, "probed on a connection of its own again");
                }
                reason => {
                    tracing::warn!(target: "tallybook::routing", node = name, reason, "no connection of its own to probe it");
                }
            }
        }
        let unwatched = if answer.is_ok() { watch.problem() } else { "" };
        unwatched.clone_into(&mut self.nodes[node].health.known().unwatched);
        match answer {
            Ok((observation, sent)) => self.record_observation(node, observation, sent),
            Err(failure) => self.record_missed(node, failure, watch),
        }
    }

    /// Probes a node on the probe's own connection, else on an idle pooled one.
    async fn answer(&self, node: usize, watch: &mut Watch) -> Result<Answer, ProbeFailure> {
        let connector = &self.nodes[node].connector;
        let mut before = connector.answers();
        if watch.is_backing_off()
            && let Some(answer) = self.probe_pool(node).await
        {
            return Ok(answer);
        }
        let (own, pooled) = {
            let mut own = pin!(self.probe_own(node, watch));
            let mut answered = timeout(SUSPECT_AFTER, &mut own).await.ok();
            if answered.is_none() {
                // Earlier answers may have been on the wire before the node fell silent.
                before = connector.answers();
                answered = timeout(self.down_after() - 2 * SUSPECT_AFTER, &mut own).await.ok();
            }
            match answered {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(failure)) => (Err(failure), self.probe_pool(node).await),
                None => join(own, self.probe_pool(node)).await,
            }
        };
        let failure = match own {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let is_alive = pooled.is_some()
            || connector.answers() != before
            || (failure.kind == FailureKind::Refused && connector.open() > 0);
        if is_alive {
            watch.failed(&failure.problem, pooled.is_none());
        }
        match pooled {
            Some(answer) => Ok(answer),
            None if is_alive => Err(ProbeFailure { kind: FailureKind::Alive, ..failure }),
            None => Err(failure),
        }
    }

    /// Probes on the kept connection. If that has closed, which a healthy server may do too, opens another
    /// one.
    async fn probe_own(&self, node: usize, watch: &mut Watch) -> Result<Answer, ProbeFailure> {
        let limit = self.down_after();
        let silent = |what: &str| ProbeFailure {
            problem: format!("no {what} within {:.1} s", limit.as_secs_f64()),
            kind: FailureKind::Silent,
            is_login_refused: false,
        };
        if let Some(kept) = &mut watch.connection {
            match self.observe(node, kept).await {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(_)) => watch.connection = None,
                None => {
                    watch.connection = None;
                    return Err(silent("answer"));
                }
            }
        }
        let connector = &self.nodes[node].connector;
        let connect = timeout(limit, connector.connect(Role::Read)).await;
        let mut fresh =
            connect.map_err(|_| silent("connection"))?.map_err(|error| ProbeFailure::by(&error))?;
        let answer = self.observe(node, &mut fresh).await;
        let answer = answer.ok_or_else(|| silent("answer"))?.map_err(|error| ProbeFailure::by(&error))?;
        watch.connected(fresh);
        Ok(answer)
    }

    /// Probes on the first idle pooled connection that is alive.
    async fn probe_pool(&self, node: usize) -> Option<Answer> {
        let asked = async {
            while let Some(mut pooled) = self.nodes[node].writes.try_acquire_unchecked(Location::caller()) {
                let sent = Instant::now();
                match pooled.observe().await {
                    Ok(seen) => return Some((seen?, sent)),
                    Err(error) if error.is_connection_lost() => {}
                    Err(_) => return None,
                }
            }
            None
        };
        timeout(SUSPECT_AFTER, asked).await.ok()?
    }

    /// Sends a probe and returns the answer with its start time, or `None` after the time limit.
    async fn observe(&self, node: usize, connection: &mut Connection) -> Option<Result<Answer, Error>> {
        let sent = Instant::now();
        let mut observing = pin!(connection.observe());
        let answer = match timeout(SUSPECT_AFTER, &mut observing).await {
            Ok(answer) => answer,
            Err(_) => {
                self.nodes[node].mark_suspect(format!("no answer for {:.2} s", SUSPECT_AFTER.as_secs_f64()));
                self.nodes[node].health.mark_slow();
                timeout(self.down_after() - SUSPECT_AFTER, observing).await.ok()?
            }
        };
        Some(answer.and_then(|answer| Ok((answer.ok_or_else(not_a_server)?, sent))))
    }

    /// Records the answer to a probe that was sent at `sent`.
    pub(super) fn record_observation(&self, node: usize, seen: Observation, sent: Instant) {
        let health = &self.nodes[node].health;
        {
            let mut known = health.known();
            known.observation = Some(seen);
            known.latency = Some(sent.elapsed());
            known.failures = 0;
            known.is_login_refused = false;
        }
        health.set_started(seen.started);
        if !self.has_others() {
            return self.nodes[node].set_state(
                NodeRole::from_standby(seen.standby),
                NodeState::Up,
                String::new(),
            );
        }
        if health.is_down() {
            // Connects that hang since before would occupy places in the pool.
            self.nodes[node].disconnect();
        }
        if let Some(system) = self.primary.other_system(&seen, self.nodes[node].is_candidate) {
            let reason = format!(
                "it belongs to another cluster: its system identifier is {}, that of the others {system}",
                seen.system
            );
            return self.nodes[node].mark_down(NodeRole::Unknown, reason);
        }
        match (seen.standby, self.nodes[node].is_candidate) {
            (true, _) => self.record_replica(node, seen, sent),
            (false, true) => self.record_primary(node, seen, sent),
            (false, false) => {
                let reason = "it takes writes, so it is not a replica; list it in DATABASE_URL if it may be the primary";
                self.nodes[node].mark_down(NodeRole::Primary, reason.to_owned());
            }
        }
    }

    fn record_primary(&self, node: usize, seen: Observation, sent: Instant) {
        if self.primary.last() == Some(node) {
            self.primary.history().add(sent, seen.lsn);
        }
        self.nodes[node].acknowledged.reached(sent, seen.lsn);
        // The election decides whether it may be written to.
        let is_replaced = seen.timeline < self.primary.timeline();
        if !is_replaced {
            self.nodes[node].set_state(NodeRole::Primary, NodeState::Up, String::new());
            self.primary.changed.notify_waiters();
        }
    }

    pub(super) fn record_replica(&self, node: usize, seen: Observation, sent: Instant) {
        let health = &self.nodes[node].health;
        let follows = health.replayed_to(seen.timeline, seen.lsn);
        let primary = self.primary.now(&self.nodes);
        let (timeline, max) = (self.primary.timeline(), self.replica.max_staleness);
        if primary.is_some() && follows < timeline {
            health.set_covered(None);
            let reason = format!("it follows timeline {follows}, and the primary is on {timeline}");
            return self.nodes[node].set_state(NodeRole::Replica, NodeState::Lagging, reason);
        }
        let (covered, last, has_all) = {
            let history = self.primary.history();
            (history.covered(seen.lsn), history.last(), history.is_reached(follows, seen.lsn))
        };
        health.set_covered(covered);
        let paused = if seen.paused { "; its replay is paused" } else { "" };
        let is_late = covered.is_none_or(|covered| sent.saturating_duration_since(covered) > max);
        // Without a primary, it is as fresh as any replica is known to be.
        if is_late && (primary.is_some() || !has_all) {
            let age = match covered {
                Some(covered) => format!("{:.1} s", sent.saturating_duration_since(covered).as_secs_f64()),
                None => "more than the recorded history".to_owned(),
            };
            let reason = match last {
                Some(last) => {
                    format!("it is behind by {age}, {} bytes{paused}", last.saturating_sub(seen.lsn))
                }
                None => format!("another replica has more{paused}"),
            };
            return self.nodes[node].set_state(NodeRole::Replica, NodeState::Lagging, reason);
        }
        let reason = match last {
            Some(_) => paused.trim_start_matches("; ").to_owned(),
            None => format!("its age is unknown: no primary{paused}"),
        };
        self.nodes[node].set_state(NodeRole::Replica, NodeState::Up, reason);
    }

    fn record_missed(&self, node: usize, failure: ProbeFailure, watch: &mut Watch) {
        let ProbeFailure { problem, kind, is_login_refused } = failure;
        let health = &self.nodes[node].health;
        if kind == FailureKind::Alive {
            self.nodes[node].mark_suspect(problem);
            health.mark_slow();
            return;
        }
        watch.node_down();
        let (role, failures) = {
            let mut known = health.known();
            known.failures += 1;
            known.is_login_refused = is_login_refused;
            (known.role, known.failures)
        };
        match (self.has_others(), kind) {
            (true, _) => self.nodes[node].mark_down(role, problem),
            // A proxy that accepts no new connections may still carry open ones.
            (false, FailureKind::Refused | FailureKind::Unreachable) => {
                self.nodes[node].set_state(role, NodeState::Down, problem);
            }
            (false, _) if failures == 1 => self.nodes[node].mark_suspect(problem),
            (false, _) => self.nodes[node].mark_down(role, problem),
        }
    }

    /// Returns the pause before the next probe. While there is no primary, candidates are probed at the
    /// normal interval.
    fn pause(&self, node: usize) -> Duration {
        let interval = jittered(self.replica.check_interval, 1.0 - JITTER..1.0 + JITTER).max(MIN_PAUSE);
        let failures = self.nodes[node].health.known().failures;
        let is_needed = self.nodes[node].is_candidate && self.primary.now(&self.nodes).is_none();
        match failures {
            0 => interval,
            _ if is_needed => interval,
            failures => jittered(backoff(failures), 1.0 - JITTER..1.0),
        }
    }
}

impl ProbeFailure {
    /// Keeps the problem without the name of the node, which messages add.
    fn by(error: &Error) -> Self {
        let problem = match error.detail() {
            ErrorDetail::Connect { problem, .. } => problem.clone(),
            _ => error.without_values(),
        };
        let kind = if refusal(error).is_some() { FailureKind::Refused } else { FailureKind::Unreachable };
        Self { problem, kind, is_login_refused: is_login_refused(error) }
    }
}

fn not_a_server() -> Error {
    Error::connect("a file", "it is not a server")
}
