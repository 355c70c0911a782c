//! What is known of a node: the little that each read looks at in atomics, the rest behind a lock.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::status::{NodeRole, NodeState};
use crate::driver::Observation;

/// The health of one node.
pub(super) struct Health {
    /// `covered` counts from here.
    epoch: Instant,
    serves: AtomicU8,
    /// When the server started: what is known of its position is not true of the next start.
    started: AtomicI64,
    replayed: AtomicU64,
    /// Where its replay stood still when somebody waited for it in vain.
    stalled: AtomicU64,
    timeline: AtomicU32,
    /// Microseconds, and one more: it has everything that was committed before; 0 for never.
    covered: AtomicU64,
    known: Mutex<Known>,
}

/// What it may be used for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Serves {
    Nothing,
    /// Reads that are no fresher than it is, though not the usual ones.
    Late,
    Reads,
    Writes,
    /// The usual reads, where no other replica is fit: it is slow to answer, and the primary should not pay for that.
    SlowReads,
}

/// What was found out last.
pub(super) struct Known {
    pub(super) state: NodeState,
    pub(super) reason: String,
    pub(super) since: Instant,
    pub(super) role: NodeRole,
    pub(super) observation: Option<Observation>,
    pub(super) latency: Option<Duration>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Why there is no connection to watch it by, although it is alive.
    pub(super) unwatched: String,
    /// What the log says of it.
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
                reason: "it was not asked yet".to_owned(),
                since: epoch,
                role: NodeRole::Unknown,
                observation: None,
                latency: None,
                failures: 0,
                unwatched: String::new(),
                logged: None,
            }),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down how it is; true if that is news: a suspect is one for a moment, and then up or down.
    pub(super) fn set(&self, role: NodeRole, state: NodeState, reason: String) -> bool {
        let mut known = self.known();
        let serves = match (role, state) {
            (NodeRole::Replica, NodeState::Up) => Serves::Reads,
            (NodeRole::Replica, NodeState::Lagging) => Serves::Late,
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

    /// Keeps a suspect for reads that no other replica is fit for.
    pub(super) fn is_only_slow(&self) {
        let known = self.known();
        if (known.role, known.state) == (NodeRole::Replica, NodeState::Suspect) {
            self.serves.store(Serves::SlowReads as u8, Ordering::Release);
        }
    }

    /// Whether it was given up.
    pub(super) fn is_down(&self) -> bool {
        self.known().state == NodeState::Down
    }

    /// Whether it is a replica that is slow to answer.
    pub(super) fn is_slow(&self) -> bool {
        self.serves.load(Ordering::Acquire) == Serves::SlowReads as u8
    }

    /// Notes how far it has replayed, and returns the timeline. Neither goes back: a replica that receives nothing at
    /// the moment tells of the timeline of its last restart point.
    pub(super) fn replayed_to(&self, timeline: u32, lsn: u64) -> u32 {
        let before = self.timeline.fetch_max(timeline, Ordering::AcqRel);
        self.replayed.fetch_max(lsn, Ordering::AcqRel);
        before.max(timeline)
    }

    /// Notes that it has everything that was committed before `moment`.
    pub(super) fn covered_until(&self, moment: Option<Instant>) {
        let micros = moment.map_or(0, |moment| self.micros(moment) + 1);
        self.covered.store(micros, Ordering::Release);
    }

    /// How far it is known to have replayed.
    pub(super) fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Acquire)
    }

    /// Notes which start of the server is spoken of. A new one may stand behind where the last one was.
    pub(super) fn started_at(&self, started: i64) {
        let _known = self.known();
        if self.started.swap(started, Ordering::AcqRel) != started {
            self.covered.store(0, Ordering::Release);
            self.replayed.store(0, Ordering::Release);
            self.timeline.store(0, Ordering::Release);
        }
    }

    /// Notes what a read was told of how far it has replayed, by this start of the server.
    pub(super) fn advance(&self, started: i64, lsn: u64) {
        let _known = self.known();
        if self.is_of(started) {
            self.replayed.fetch_max(lsn, Ordering::AcqRel);
        }
    }

    /// Whether what is known of its position is known of this start of the server.
    pub(super) fn is_of(&self, started: i64) -> bool {
        self.started.load(Ordering::Acquire) == started
    }

    /// Notes that it was waited for in vain.
    pub(super) fn stalls(&self) {
        self.stalled.store(self.replayed.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether it has not moved since it was waited for in vain.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire) == self.replayed.load(Ordering::Acquire)
    }

    /// Whether it is a replica that answers and may be read from, however old.
    pub(super) fn is_readable(&self) -> bool {
        let serves = self.serves.load(Ordering::Acquire);
        serves == Serves::Reads as u8 || serves == Serves::Late as u8
    }

    /// Whether it took writes when it was last asked, and is not down.
    pub(super) fn is_writable(&self) -> bool {
        self.serves.load(Ordering::Acquire) == Serves::Writes as u8
    }

    /// Whether it is a replica that is fit for the usual reads.
    pub(super) fn is_up(&self) -> bool {
        self.serves.load(Ordering::Acquire) == Serves::Reads as u8
    }

    /// Whether it has everything that was committed before `moment`.
    pub(super) fn covers(&self, moment: Instant) -> bool {
        self.covered.load(Ordering::Acquire) > self.micros(moment)
    }

    /// Whether it follows this timeline, and how far it is known to have replayed it.
    pub(super) fn on_timeline(&self, timeline: u32) -> Option<u64> {
        let replayed = self.replayed.load(Ordering::Acquire);
        (self.timeline.load(Ordering::Acquire) == timeline).then_some(replayed)
    }

    /// Until when it has everything.
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
        health.started_at(1);
        health.replayed_to(3, 1000);
        health.covered_until(Some(epoch));
        health.started_at(1);
        assert_eq!((health.on_timeline(3), health.covered()), (Some(1000), Some(epoch)));
        health.started_at(2);
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
    fn a_moment_is_covered_if_it_is_before_the_one_that_was_noted() {
        let epoch = Instant::now();
        let at = |micros| epoch + Duration::from_micros(micros);
        let health = Health::new(epoch);
        assert!(!health.covers(epoch), "nothing was noted");
        health.covered_until(Some(at(10)));
        assert_eq!([9, 10, 11].map(|micros| health.covers(at(micros))), [true, true, false]);
        health.covered_until(None);
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
                (health.is_up(), "usual reads"),
                (health.is_readable(), "old reads"),
                (health.is_slow(), "slow reads"),
            ];
            answers.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect::<Vec<_>>()
        };
        for state in [Up, Suspect] {
            assert_eq!(serves(Primary, state), ["writes"]);
        }
        assert_eq!(serves(Replica, Up), ["usual reads", "old reads"]);
        assert_eq!(serves(Replica, Lagging), ["old reads"]);
        let nothing =
            [(Primary, Down), (Primary, Lagging), (Replica, Suspect), (Replica, Down), (Unknown, Up)];
        for (role, state) in nothing {
            assert_eq!(serves(role, state), [""; 0], "{role} {state}");
        }
        health.is_only_slow();
        assert!(!health.is_slow(), "it is no replica that is a suspect");
        health.set(Replica, Suspect, String::new());
        health.is_only_slow();
        assert!(health.is_slow() && !health.is_up());
    }
}
