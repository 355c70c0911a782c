//! The task that watches a node, on a connection of its own: a full pool is not a sick node.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::cool_down::cool_down;
use super::router::Router;
use super::status::{NodeRole, NodeState};
use crate::driver::{Connection, Observation, Role};
use crate::error::{Error, Kind};
use crate::random::random;

/// A node that does not answer for so long gets no new reads.
const SUSPECT_AFTER: Duration = Duration::from_millis(250);
/// A node that does not answer for so long, or can't be connected to, is given up.
const DOWN_AFTER: Duration = Duration::from_secs(1);
/// Between two questions, however urgent.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// Questions are this part of the interval earlier or later, so that programs don't ask all at once.
const JITTER: f64 = 0.2;

/// Asks a node, again and again, until the router is gone.
pub(super) async fn watch(router: Weak<Router>, node: usize, mut connection: Option<Connection>) {
    loop {
        let Some(alive) = open(&router) else { return };
        let (pause, prod) = (alive.pause(node), alive.nodes[node].prod.clone());
        drop(alive);
        tokio::select! {
            () = sleep(pause) => {}
            () = async { sleep(LEAST_PAUSE).await; prod.notified().await } => {}
        }
        let Some(alive) = open(&router) else { return };
        alive.ask(node, &mut connection).await;
        alive.elect();
    }
}

/// The router, unless it is gone or closed.
fn open(router: &Weak<Router>) -> Option<Arc<Router>> {
    router.upgrade().filter(|router| !router.is_closed())
}

impl Router {
    /// Asks a node once and writes down what it answered.
    pub(super) async fn ask(&self, node: usize, connection: &mut Option<Connection>) {
        match self.answer(node, connection).await {
            Ok((observation, sent)) => self.heard(node, observation, sent),
            Err(problem) => {
                *connection = None;
                self.missed(node, problem);
            }
        }
    }

    /// A connection that was kept may have ended without the server being down, so one is made anew.
    async fn answer(
        &self,
        node: usize,
        connection: &mut Option<Connection>,
    ) -> Result<(Observation, Instant), String> {
        let limit = DOWN_AFTER.as_secs_f64();
        let silent = || format!("no answer within {limit:.1} s");
        let late = |_| format!("no connection within {limit:.1} s");
        if let Some(kept) = connection {
            match self.observe(node, kept).await {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(_)) => {}
                None => return Err(silent()),
            }
        }
        let connector = &self.nodes[node].connector;
        let connect = timeout(DOWN_AFTER, connector.connect(Role::Read)).await;
        let fresh = connect.map_err(late)?.map_err(|error| reason(&error))?;
        let answer = self.observe(node, connection.insert(fresh)).await;
        answer.ok_or_else(silent)?.map_err(|error| reason(&error))
    }

    /// The answer, and when the question was sent; none within the time.
    async fn observe(
        &self,
        node: usize,
        connection: &mut Connection,
    ) -> Option<Result<(Observation, Instant), Error>> {
        let sent = Instant::now();
        let mut observing = pin!(connection.observe());
        let answer = match timeout(SUSPECT_AFTER, &mut observing).await {
            Ok(answer) => answer,
            Err(_) => {
                self.suspect(node, format!("no answer for {:.2} s", SUSPECT_AFTER.as_secs_f64()));
                self.nodes[node].health.is_only_slow();
                timeout(DOWN_AFTER - SUSPECT_AFTER, observing).await.ok()?
            }
        };
        Some(answer.and_then(|answer| Ok((answer.ok_or_else(not_a_server)?, sent))))
    }

    fn heard(&self, node: usize, seen: Observation, sent: Instant) {
        let health = &self.nodes[node].health;
        {
            let mut known = health.known();
            known.observation = Some(seen);
            known.latency = Some(sent.elapsed());
            known.failures = 0;
        }
        health.started_at(seen.started);
        if health.is_down() {
            // Attempts to connect that hang from before would hold places in its pool.
            self.nodes[node].fall();
        }
        let system = self.primary.system();
        if system != 0 && seen.system != system {
            let reason = format!(
                "it belongs to another cluster: its system identifier is {}, the primary's {system}",
                seen.system
            );
            return self.give_up(node, NodeRole::Unknown, reason);
        }
        match (seen.standby, self.nodes[node].is_candidate) {
            (true, _) => self.heard_replica(node, seen, sent),
            (false, true) => self.heard_primary(node, seen, sent),
            (false, false) => {
                let reason = "it takes writes, so it is no replica; name it in DATABASE_URL if it is to be the primary";
                self.give_up(node, NodeRole::Primary, reason.to_owned());
            }
        }
    }

    fn heard_primary(&self, node: usize, seen: Observation, sent: Instant) {
        if self.primary.last() == Some(node) {
            self.history().add(sent, seen.lsn);
        }
        self.nodes[node].acknowledged.reached(sent, seen.lsn);
        // Whether it may be written to is for the election to say.
        let is_replaced = seen.timeline < self.primary.timeline();
        if !is_replaced {
            self.tell(node, NodeRole::Primary, NodeState::Up, String::new());
            self.primary.changed.notify_waiters();
        }
    }

    fn heard_replica(&self, node: usize, seen: Observation, sent: Instant) {
        let health = &self.nodes[node].health;
        let follows = health.replayed_to(seen.timeline, seen.lsn);
        let primary = self.primary.now(self);
        let (timeline, max) = (self.primary.timeline(), self.replica.max_staleness);
        if primary.is_some() && follows < timeline {
            health.covered_until(None);
            let reason = format!("it follows timeline {follows}, and the primary is on {timeline}");
            return self.tell(node, NodeRole::Replica, NodeState::Lagging, reason);
        }
        let (covered, last) = {
            let history = self.history();
            (history.covered(seen.lsn), history.last())
        };
        health.covered_until(covered);
        let has_all = last.is_none_or(|last| seen.lsn >= last);
        let paused = if seen.paused { "; its replay is paused" } else { "" };
        let is_late = covered.is_none_or(|covered| sent.saturating_duration_since(covered) > max);
        // Without a primary it is as fresh as any can be known to be.
        if is_late && (primary.is_some() || !has_all) {
            let bytes = last.map_or(0, |last| last.saturating_sub(seen.lsn));
            let age = match covered {
                Some(covered) => format!("{:.1} s", sent.saturating_duration_since(covered).as_secs_f64()),
                None => "longer than is remembered".to_owned(),
            };
            let reason = format!("it is behind by {age}, {bytes} bytes{paused}");
            return self.tell(node, NodeRole::Replica, NodeState::Lagging, reason);
        }
        let reason = paused.trim_start_matches("; ").to_owned();
        self.tell(node, NodeRole::Replica, NodeState::Up, reason);
    }

    fn missed(&self, node: usize, problem: String) {
        let role = {
            let mut known = self.nodes[node].health.known();
            known.failures += 1;
            known.role
        };
        self.give_up(node, role, problem);
    }

    /// Writes down that a node is not used, and ends what waits for it.
    pub(super) fn give_up(&self, node: usize, role: NodeRole, reason: String) {
        self.tell(node, role, NodeState::Down, reason);
        self.nodes[node].fall();
    }

    /// Keeps new reads away from a node until it was asked.
    pub(super) fn suspect(&self, node: usize, reason: String) {
        let (role, state) = {
            let known = self.nodes[node].health.known();
            (known.role, known.state)
        };
        if matches!(state, NodeState::Up | NodeState::Lagging) {
            self.tell(node, role, NodeState::Suspect, reason);
        }
    }

    /// Writes down how a node is, and says so in the log if that is new.
    pub(super) fn tell(&self, node: usize, role: NodeRole, state: NodeState, reason: String) {
        let Some(node) = self.nodes.get(node) else { return };
        let logged = reason.clone();
        if !node.health.set(role, state, reason) {
            return;
        }
        let name = &node.name;
        match state {
            NodeState::Up => {
                tracing::info!(target: "tallybook::routing", node = name, %role, "up");
            }
            _ => {
                tracing::warn!(target: "tallybook::routing", node = name, %role, %state, reason = logged, "not up");
            }
        }
    }

    /// How long to leave a node alone. One that may be the primary is asked often while there is none.
    fn pause(&self, node: usize) -> Duration {
        let interval =
            self.replica.check_interval.mul_f64(1.0 + JITTER * (2.0 * random() - 1.0)).max(LEAST_PAUSE);
        let failures = self.nodes[node].health.known().failures;
        let is_needed = self.nodes[node].is_candidate && self.primary.now(self).is_none();
        match failures {
            0 => interval,
            _ if is_needed => interval,
            failures => cool_down(failures).mul_f64(1.0 - JITTER * random()),
        }
    }
}

/// What is wrong, without the name of the node, which stands beside it.
fn reason(error: &Error) -> String {
    match error.kind() {
        Kind::Connect { problem, .. } => problem.clone(),
        _ => error.without_values(),
    }
}

fn not_a_server() -> Error {
    Error::connect("a file", "it is no server")
}
