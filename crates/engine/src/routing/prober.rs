//! The task that watches a node, on a connection of its own: a full pool is not a sick node.
//!
//! A node is given up only if nothing of it answers: where the watch can't connect, because the password was changed or
//! the server is full, a connection of the pool is asked instead, and whatever was answered meanwhile counts.

use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::join;
use tokio::time::{sleep, timeout};

use super::cool_down::cool_down;
use super::router::Router;
use super::status::{NodeRole, NodeState};
use super::watch::{Missed, Sign, Watch};
use crate::driver::{Connection, Observation, Role, refusal};
use crate::error::{Error, Kind};
use crate::random::random;

/// A node that does not answer for so long gets no new reads.
const SUSPECT_AFTER: Duration = Duration::from_millis(250);
/// One of several nodes that does not answer for so long, or can't be connected to, is given up.
const DOWN_AFTER: Duration = Duration::from_secs(1);
/// The only node is given up when it does not answer for so long, and then again: nothing can take its place, and what
/// it does may be slow and good.
const ALONE_DOWN_AFTER: Duration = Duration::from_secs(5);
/// The only node is asked when a session is held for so long.
const HELD: Duration = Duration::from_secs(1);
/// Between two questions, however urgent.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// Questions are this part of the interval earlier or later, so that programs don't ask all at once.
const JITTER: f64 = 0.2;

/// What a node answered, and when it was asked.
type Answer = (Observation, Instant);

/// Asks a node, again and again, until the router is gone.
pub(super) async fn watch(router: Weak<Router>, node: usize, mut watch: Watch) {
    loop {
        let Some(alive) = open(&router) else { return };
        let pause = watch.pause().unwrap_or_else(|| alive.pause(node));
        let prod = alive.nodes[node].prod.clone();
        drop(alive);
        tokio::select! {
            () = sleep(pause) => {}
            () = async { sleep(LEAST_PAUSE).await; prod.notified().await } => {}
        }
        let Some(alive) = open(&router) else { return };
        if !alive.is_to_be_asked(node, &mut watch) {
            watch.rests();
            continue;
        }
        alive.ask(node, &mut watch).await;
        alive.elect();
    }
}

/// The router, unless it is gone or closed.
fn open(router: &Weak<Router>) -> Option<Arc<Router>> {
    router.upgrade().filter(|router| !router.is_closed())
}

impl Router {
    /// Whether there is a reason to ask a node. The only one is left alone as long as it is a primary, as far as its last
    /// new connection tells, and answers within a moment.
    fn is_to_be_asked(&self, node: usize, watch: &mut Watch) -> bool {
        let node = &self.nodes[node];
        let (role, state) = {
            let known = node.health.known();
            (known.role, known.state)
        };
        self.has_others()
            || (role, state) != (NodeRole::Primary, NodeState::Up)
            || node.writes.identity().standby
            || node.writes.longest_held().is_some_and(|held| held >= HELD)
            // Those of runners of revisions are no pool's.
            || watch.sees_others_for(HELD, node.connector.open(), node.writes.size())
    }

    fn down_after(&self) -> Duration {
        if self.has_others() { DOWN_AFTER } else { ALONE_DOWN_AFTER }
    }

    /// Asks a node once and writes down what it answered.
    pub(super) async fn ask(&self, node: usize, watch: &mut Watch) {
        let answer = self.answer(node, watch).await;
        if let Some(change) = watch.change() {
            let name = &self.nodes[node].name;
            match change {
                "" => {
                    tracing::info!(target: "tallybook::routing", node = name, "watched on a connection of its own again");
                }
                reason => {
                    tracing::warn!(target: "tallybook::routing", node = name, reason, "no connection to watch it by");
                }
            }
        }
        let unwatched = if answer.is_ok() { watch.problem() } else { "" };
        unwatched.clone_into(&mut self.nodes[node].health.known().unwatched);
        match answer {
            Ok((observation, sent)) => self.heard(node, observation, sent),
            Err(missed) => self.missed(node, missed, watch),
        }
    }

    /// What the node answers on the watch's own connection, else what it answers on one of its pool.
    async fn answer(&self, node: usize, watch: &mut Watch) -> Result<Answer, Missed> {
        let connector = &self.nodes[node].connector;
        let mut before = connector.answers();
        if watch.is_patient()
            && let Some(answer) = self.answer_of_pool(node).await
        {
            return Ok(answer);
        }
        let (own, pooled) = {
            let mut own = pin!(self.own_answer(node, watch));
            let mut told = timeout(SUSPECT_AFTER, &mut own).await.ok();
            if told.is_none() {
                // What was answered until now may have been on its way before the node fell silent.
                before = connector.answers();
                told = timeout(self.down_after() - 2 * SUSPECT_AFTER, &mut own).await.ok();
            }
            match told {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(missed)) => (Err(missed), self.answer_of_pool(node).await),
                None => join(own, self.answer_of_pool(node)).await,
            }
        };
        let missed = match own {
            Ok(answer) => return Ok(answer),
            Err(missed) => missed,
        };
        let is_alive = pooled.is_some()
            || connector.answers() != before
            || (missed.sign == Sign::Refused && connector.open() > 0);
        if is_alive {
            watch.failed(&missed.problem, pooled.is_none());
        }
        match pooled {
            Some(answer) => Ok(answer),
            None if is_alive => Err(Missed { sign: Sign::Alive, ..missed }),
            None => Err(missed),
        }
    }

    /// A connection that was kept may have ended without the server being down, so one is made anew.
    async fn own_answer(&self, node: usize, watch: &mut Watch) -> Result<Answer, Missed> {
        let limit = self.down_after();
        let silent = |what: &str| Missed {
            problem: format!("no {what} within {:.1} s", limit.as_secs_f64()),
            sign: Sign::Silent,
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
        let mut fresh = connect.map_err(|_| silent("connection"))?.map_err(|error| Missed::by(&error))?;
        let answer = self.observe(node, &mut fresh).await;
        let answer = answer.ok_or_else(|| silent("answer"))?.map_err(|error| Missed::by(&error))?;
        watch.connected(fresh);
        Ok(answer)
    }

    /// What the node answers on the first connection of its pool that is at rest and alive.
    async fn answer_of_pool(&self, node: usize) -> Option<Answer> {
        let asked = async {
            while let Some(mut lent) = self.nodes[node].writes.checkout_unchecked(Location::caller()) {
                let sent = Instant::now();
                match lent.observe().await {
                    Ok(seen) => return Some((seen?, sent)),
                    Err(error) if error.is_connection_lost() => {}
                    Err(_) => return None,
                }
            }
            None
        };
        timeout(SUSPECT_AFTER, asked).await.ok()?
    }

    /// The answer, and when the question was sent; none within the time.
    async fn observe(&self, node: usize, connection: &mut Connection) -> Option<Result<Answer, Error>> {
        let sent = Instant::now();
        let mut observing = pin!(connection.observe());
        let answer = match timeout(SUSPECT_AFTER, &mut observing).await {
            Ok(answer) => answer,
            Err(_) => {
                self.suspect(node, format!("no answer for {:.2} s", SUSPECT_AFTER.as_secs_f64()));
                self.nodes[node].health.is_only_slow();
                timeout(self.down_after() - SUSPECT_AFTER, observing).await.ok()?
            }
        };
        Some(answer.and_then(|answer| Ok((answer.ok_or_else(not_a_server)?, sent))))
    }

    /// Writes down what a node answered to a question that was sent at `sent`.
    pub(super) fn heard(&self, node: usize, seen: Observation, sent: Instant) {
        let health = &self.nodes[node].health;
        {
            let mut known = health.known();
            known.observation = Some(seen);
            known.latency = Some(sent.elapsed());
            known.failures = 0;
        }
        health.started_at(seen.started);
        if !self.has_others() {
            return self.tell(node, role(seen.standby), NodeState::Up, String::new());
        }
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

    fn missed(&self, node: usize, missed: Missed, watch: &mut Watch) {
        let Missed { problem, sign } = missed;
        let health = &self.nodes[node].health;
        if sign == Sign::Alive {
            self.suspect(node, problem);
            health.is_only_slow();
            return;
        }
        watch.gave_up();
        let (role, failures) = {
            let mut known = health.known();
            known.failures += 1;
            (known.role, known.failures)
        };
        match (self.has_others(), sign) {
            (true, _) => self.give_up(node, role, problem),
            // A proxy that takes no new connections may still carry those that are open.
            (false, Sign::Refused | Sign::Unreachable) => self.tell(node, role, NodeState::Down, problem),
            (false, _) if failures == 1 => self.suspect(node, problem),
            (false, _) => self.give_up(node, role, problem),
        }
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

impl Missed {
    /// What is wrong, without the name of the node, which stands beside it.
    fn by(error: &Error) -> Self {
        let problem = match error.kind() {
            Kind::Connect { problem, .. } => problem.clone(),
            _ => error.without_values(),
        };
        let sign = if refusal(error).is_some() { Sign::Refused } else { Sign::Unreachable };
        Self { problem, sign }
    }
}

pub(super) fn role(standby: bool) -> NodeRole {
    if standby { NodeRole::Replica } else { NodeRole::Primary }
}

fn not_a_server() -> Error {
    Error::connect("a file", "it is no server")
}
