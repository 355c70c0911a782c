//! The known state of a node: what every read looks at in atomics, the rest behind a lock.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tallybook_sql::lock::lock;
use tallybook_sql::replication::Observation;

use super::status::{NodeRole, NodeState};

/// The health of one node.
pub(super) struct Health {
    /// Origin of `covered`.
    epoch: Instant,
    serves: AtomicU8,
    /// Start time of the server. A restarted server may be at an older position.
    started: AtomicI64,
    replayed: AtomicU64,
    /// Replay position at which a read waited in vain.
    stalled: AtomicU64,
    timeline: AtomicU32,
    /// Microseconds since `epoch`, plus one: the node has every commit before that time. 0 means unknown.
    covered: AtomicU64,
    known: Mutex<Known>,
}

/// The sessions that the node may serve.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Serves {
    Nothing,
    /// Reads that accept the node's actual staleness.
    StaleReads,
    Reads,
    Writes,
    /// Ordinary reads if no other replica qualifies. The node answers slowly, which is still better than
    /// loading the primary.
    SlowReads,
}

/// The latest findings about a node.
pub(super) struct Known {
    pub(super) state: NodeState,
    pub(super) reason: String,
    pub(super) since: Instant,
    pub(super) role: NodeRole,
    pub(super) observation: Option<Observation>,
    pub(super) latency: Option<Duration>,
    /// Consecutive failed probes.
    pub(super) failures: u32,
    /// The last probe failed because the server refused the user, the password or the database.
    pub(super) is_login_refused: bool,
    /// Why the probe has no connection of its own although the node is alive.
    pub(super) unwatched: String,
    /// Role and state that the log shows.
    logged: Option<(NodeRole, NodeState)>,
}

impl Health {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            serves: AtomicU8::new(Serves::Nothing as u8),
            started: AtomicI64::new(0),
            replayed: AtomicU64::new(0),
            stalled: AtomicU64::new(u64::MAX),
            timeline: AtomicU32::new(0),
            covered: AtomicU64::new(0),
            known: Mutex::new(Known {
                state: NodeState::Down,
                reason: "it was not probed yet".to_owned(),
                since: epoch,
                role: NodeRole::Unknown,
                observation: None,
                latency: None,
                failures: 0,
                is_login_refused: false,
                unwatched: String::new(),
                logged: None,
            }),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Sets role and state. Returns whether to log the change; `Suspect` is too short-lived to be logged.
    pub(super) fn set(&self, role: NodeRole, state: NodeState, reason: String) -> bool {
        let mut known = self.known();
        let serves = match (role, state) {
            (NodeRole::Replica, NodeState::Up) => Serves::Reads,
            (NodeRole::Replica, NodeState::Lagging) => Serves::StaleReads,
            (NodeRole::Primary, NodeState::Up | NodeState::Suspect) => Serves::Writes,
            _ => Serves::Nothing,
        };
        self.serves.store(serves as u8, Ordering::Release);
        let is_new = (known.role, known.state) != (role, state);
        if is_new {
            known.since = Instant::now();
        }
        (known.role, known.state, known.reason) = (role, state, reason);
        let is_news = state != NodeState::Suspect && known.logged != Some((role, state));
        if is_news {
            known.logged = Some((role, state));
        }
        is_news
    }

    /// Keeps a suspect replica for reads that no other replica can serve.
    pub(super) fn mark_slow(&self) {
        let known = self.known();
        if (known.role, known.state) == (NodeRole::Replica, NodeState::Suspect) {
            self.serves.store(Serves::SlowReads as u8, Ordering::Release);
        }
    }

    /// Returns whether the node is marked down.
    pub(super) fn is_down(&self) -> bool {
        self.known().state == NodeState::Down
    }

    /// Returns whether the node is a replica that answers slowly.
    pub(super) fn is_slow(&self) -> bool {
        self.serves.load(Ordering::Acquire) == Serves::SlowReads as u8
    }

    /// Raises the replay position and the timeline, and returns the timeline. Neither ever decreases: a
    /// replica without a connection to its primary reports the timeline of its last restart point.
    pub(super) fn replayed_to(&self, timeline: u32, lsn: u64) -> u32 {
        let before = self.timeline.fetch_max(timeline, Ordering::AcqRel);
        self.replayed.fetch_max(lsn, Ordering::AcqRel);
        before.max(timeline)
    }

    /// Records that the node has every commit before `moment`.
    pub(super) fn set_covered(&self, moment: Option<Instant>) {
        let micros = moment.map_or(0, |moment| self.micros(moment) + 1);
        self.covered.store(micros, Ordering::Release);
    }

    /// Returns the known replay position.
    pub(super) fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Acquire)
    }

    /// Records the start time of the server. After a restart, the old position no longer holds.
    pub(super) fn set_started(&self, started: i64) {
        let _known = self.known();
        if self.started.swap(started, Ordering::AcqRel) != started {
            self.covered.store(0, Ordering::Release);
            self.replayed.store(0, Ordering::Release);
            self.timeline.store(0, Ordering::Release);
        }
    }

    /// Raises the replay position to one that a read reported, if it is from the same server start.
    pub(super) fn advance(&self, started: i64, lsn: u64) {
        let _known = self.known();
        if self.is_same_start(started) {
            self.replayed.fetch_max(lsn, Ordering::AcqRel);
        }
    }

    /// Returns whether the known position is from this server start.
    pub(super) fn is_same_start(&self, started: i64) -> bool {
        self.started.load(Ordering::Acquire) == started
    }

    /// Records that a read waited in vain for the node to replay.
    pub(super) fn mark_stalled(&self) {
        self.stalled.store(self.replayed.load(Ordering::Acquire), Ordering::Release);
    }

    /// Returns whether the node has not replayed anything since a read waited in vain.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire) == self.replayed.load(Ordering::Acquire)
    }

    /// Returns whether the node is a replica that answers, however stale.
    pub(super) fn is_readable(&self) -> bool {
        let serves = self.serves.load(Ordering::Acquire);
        serves == Serves::Reads as u8 || serves == Serves::StaleReads as u8
    }

    /// Returns whether the node accepted writes at its last probe and is not down.
    pub(super) fn is_writable(&self) -> bool {
        self.serves.load(Ordering::Acquire) == Serves::Writes as u8
    }

    /// Returns whether the node is a replica that is fit for ordinary reads.
    pub(super) fn is_up(&self) -> bool {
        self.serves.load(Ordering::Acquire) == Serves::Reads as u8
    }

    /// Returns whether the node has every commit before `moment`.
    pub(super) fn covers(&self, moment: Instant) -> bool {
        self.covered.load(Ordering::Acquire) > self.micros(moment)
    }

    /// Returns the known replay position if the node follows this timeline.
    pub(super) fn on_timeline(&self, timeline: u32) -> Option<u64> {
        let replayed = self.replayed.load(Ordering::Acquire);
        (self.timeline.load(Ordering::Acquire) == timeline).then_some(replayed)
    }

    /// Returns the time before which the node has every commit.
    pub(super) fn covered(&self) -> Option<Instant> {
        let micros = self.covered.load(Ordering::Acquire);
        Some(self.epoch + Duration::from_micros(micros.checked_sub(1)?))
    }

    fn micros(&self, moment: Instant) -> u64 {
        moment.saturating_duration_since(self.epoch).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_known_of_one_start_of_the_server() {
        let epoch = Instant::now();
        let health = Health::new(epoch);
        health.set_started(1);
        health.replayed_to(3, 1000);
        health.set_covered(Some(epoch));
        health.set_started(1);
        assert_eq!((health.on_timeline(3), health.covered()), (Some(1000), Some(epoch)));
        health.set_started(2);
        assert_eq!((health.replayed(), health.on_timeline(3), health.covered()), (0, None, None));
        health.advance(1, 900);
        assert_eq!(health.replayed(), 0, "a late answer of the start before");
        health.advance(2, 400);
        assert_eq!(health.replayed(), 400);
    }

    #[test]
    fn neither_timeline_nor_position_go_back_while_a_server_runs() {
        let health = Health::new(Instant::now());
        assert_eq!(health.replayed_to(3, 1000), 3);
        assert_eq!(health.replayed_to(2, 900), 3);
        assert_eq!(health.on_timeline(3), Some(1000));
    }

    #[test]
    fn a_moment_is_covered_if_it_is_before_the_recorded_one() {
        let epoch = Instant::now();
        let at = |micros| epoch + Duration::from_micros(micros);
        let health = Health::new(epoch);
        assert!(!health.covers(epoch), "nothing was recorded");
        health.set_covered(Some(at(10)));
        assert_eq!([9, 10, 11].map(|micros| health.covers(at(micros))), [true, true, false]);
        health.set_covered(None);
        assert!(!health.covers(epoch));
    }

    #[test]
    fn a_node_serves_what_its_role_and_state_allow() {
        use NodeRole::{Primary, Replica, Unknown};
        use NodeState::{Down, Lagging, Suspect, Up};
        let health = Health::new(Instant::now());
        let serves = |role, state| {
            health.set(role, state, String::new());
            let answers = [
                (health.is_writable(), "writes"),
                (health.is_up(), "ordinary reads"),
                (health.is_readable(), "stale reads"),
                (health.is_slow(), "slow reads"),
            ];
            answers.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect::<Vec<_>>()
        };
        for state in [Up, Suspect] {
            assert_eq!(serves(Primary, state), ["writes"]);
        }
        assert_eq!(serves(Replica, Up), ["ordinary reads", "stale reads"]);
        assert_eq!(serves(Replica, Lagging), ["stale reads"]);
        let nothing =
            [(Primary, Down), (Primary, Lagging), (Replica, Suspect), (Replica, Down), (Unknown, Up)];
        for (role, state) in nothing {
            assert_eq!(serves(role, state), [""; 0], "{role} {state}");
        }
        health.mark_slow();
        assert!(!health.is_slow(), "it is no replica that is a suspect");
        health.set(Replica, Suspect, String::new());
        health.mark_slow();
        assert!(health.is_slow() && !health.is_up());
    }
}
