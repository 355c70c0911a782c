//! Decisions of the router, with invented servers, so that a promotion takes no time.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tallybook_sql::driver::Role;
use tallybook_sql::error::ErrorKind;
use tallybook_sql::params;
use tallybook_sql::query::{execute, one};
use tallybook_sql::replication::{Observation, Position};
use tallybook_sql::transaction::TransactionFraming;
use tallybook_testkit::{Database, postgres};

use super::balancer::{ReplicaChoice, Tried};
use super::read_consistency::ReadConsistency;
use super::router::Router;
use super::status::{NodeRole, NodeState};
use crate::metrics::Data;
use crate::observe::Log;
use crate::session::{ReadSession, WriteSession};
use crate::settings::Settings;

const OLD: usize = 0;
const NEW: usize = 1;
const REPLICA: usize = 2;
const SYSTEM: u64 = 7;

/// A primary, a replica that may be promoted, and one that may not.
struct Scene(Arc<Router>);

impl Scene {
    fn new() -> Self {
        Self::with_staleness("5")
    }

    fn with_staleness(seconds: &str) -> Self {
        let settings = Settings::from_lookup(|name| match name {
            "DB_REPLICA_MAX_STALENESS" => Some(seconds.to_owned()),
            "DATABASE_URL" => Some("postgresql://old,new/book".to_owned()),
            "DB_READ_REPLICA_URL" => Some("postgresql://replica/book".to_owned()),
            "DB_ENABLE_READ_REPLICA" => Some("true".to_owned()),
            _ => None,
        });
        let settings = settings.unwrap();
        Self(Arc::new(Router::new(&settings, &Log::new(&settings))))
    }

    /// The old primary has written up to 1000, and both others have replayed it.
    fn with_primary() -> Self {
        let scene = Self::new();
        scene.observe_node(OLD, primary(1, 1000));
        scene.observe_node(NEW, standby(1, 1000));
        scene.observe_node(REPLICA, standby(1, 1000));
        assert_eq!(scene.0.primary.now(&scene.0.nodes), Some(OLD));
        assert_eq!([NEW, REPLICA].map(|node| scene.state(node)), [NodeState::Up; 2]);
        scene
    }

    /// The new primary has started timeline 2 at 900: it lacks the end of what the old one wrote.
    fn promoted() -> Self {
        let scene = Self::with_primary();
        scene.observe_node(NEW, primary(2, 900));
        assert_eq!(scene.0.primary.now(&scene.0.nodes), Some(NEW));
        scene
    }

    /// No primary answers. Both others do, and the replica has more than the one that may be promoted.
    fn begun_without_primary() -> Self {
        let scene = Self::new();
        scene.observe_node(NEW, standby(1, 900));
        scene.observe_node(REPLICA, standby(1, 1000));
        scene.0.begin_without_primary(Duration::ZERO).unwrap();
        scene
    }

    /// Feeds the answer of a node, as its probe does, and elects.
    fn observe_node(&self, node: usize, seen: Observation) {
        self.0.record_observation(node, seen, Instant::now());
        self.0.elect();
    }

    fn state(&self, node: usize) -> NodeState {
        self.0.nodes[node].health.known().state
    }

    fn reason(&self, node: usize) -> String {
        self.0.nodes[node].health.known().reason.clone()
    }

    fn primary(&self) -> Option<usize> {
        self.0.primary.now(&self.0.nodes)
    }

    /// Commits that a replaced primary acknowledged and its successor may lack.
    fn doubtful(&self) -> u64 {
        let metrics = self.0.metrics();
        match &metrics.iter().find(|metric| metric.name == "tallybook.transactions.doubtful").unwrap().data {
            Data::Counter(points) => points[0].value,
            other => panic!("{other:?}"),
        }
    }

    /// The replica chosen for a read if only one is left to try: `Some(None)` as is, `Some(lsn)` if it must
    /// reach `lsn`.
    fn chosen(&self, consistency: ReadConsistency, node: usize) -> Option<Option<u64>> {
        let mut tried = Tried::default();
        (0..self.0.nodes.len()).filter(|&other| other != node).for_each(|other| tried.add(other));
        self.0.choose_replica(consistency, tried).map(|ReplicaChoice { required_lsn, .. }| required_lsn)
    }
}

fn primary(timeline: u32, lsn: u64) -> Observation {
    // Each timeline has a server of its own.
    Observation { standby: false, lsn, timeline, paused: false, system: SYSTEM, started: timeline.into() }
}

fn standby(timeline: u32, lsn: u64) -> Observation {
    Observation { standby: true, started: 100, ..primary(timeline, lsn) }
}

fn after(timeline: u32, lsn: u64) -> ReadConsistency {
    ReadConsistency::After(Position { system: SYSTEM, timeline, lsn })
}

#[tokio::test]
async fn a_primary_on_an_older_timeline_is_never_written_to_again() {
    let scene = Scene::promoted();
    assert_eq!((scene.state(OLD), scene.primary()), (NodeState::Down, Some(NEW)));
    assert!(scene.reason(OLD).contains("timeline 1"), "{}", scene.reason(OLD));
    scene.0.nodes[NEW].mark_down(NodeRole::Primary, "it is gone".to_owned());
    scene.observe_node(OLD, primary(1, 2000));
    assert_eq!((scene.state(OLD), scene.primary()), (NodeState::Down, None), "also when it is the only one");
    scene.observe_node(NEW, primary(2, 1000));
    assert_eq!(scene.primary(), Some(NEW));
}

#[tokio::test]
async fn a_replaced_primary_that_answers_is_not_up_for_a_moment_either() {
    let scene = Scene::promoted();
    scene.0.record_observation(OLD, primary(1, 2000), Instant::now());
    assert_eq!(scene.state(OLD), NodeState::Down, "before anybody decides who is the primary");
}

#[tokio::test]
async fn a_primary_that_answered_while_it_was_replaced_is_left() {
    let scene = Scene::promoted();
    // The probe had read the timeline just before the other server was elected.
    scene.0.nodes[OLD].set_state(NodeRole::Primary, NodeState::Up, String::new());
    scene.0.nodes[NEW].mark_down(NodeRole::Primary, "it is gone".to_owned());
    scene.0.elect();
    assert_eq!((scene.state(OLD), scene.primary()), (NodeState::Down, None));
    assert!(scene.reason(OLD).contains("it was replaced as the primary"), "{}", scene.reason(OLD));
}

#[tokio::test]
async fn a_primary_of_another_cluster_is_not_written_to() {
    let scene = Scene::with_primary();
    scene.observe_node(NEW, Observation { system: 8, ..primary(5, 9000) });
    assert_eq!((scene.state(NEW), scene.primary()), (NodeState::Down, Some(OLD)));
    assert!(scene.reason(NEW).contains("another cluster"), "{}", scene.reason(NEW));
}

#[tokio::test]
async fn a_replica_of_another_cluster_is_not_read_from() {
    let scene = Scene::with_primary();
    scene.observe_node(REPLICA, Observation { system: 8, started: 101, ..standby(1, 9000) });
    assert_eq!(scene.state(REPLICA), NodeState::Down);
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), None);
    assert_eq!(scene.chosen(ReadConsistency::Within(Duration::from_secs(3600)), REPLICA), None);
}

#[tokio::test]
async fn a_server_that_takes_writes_and_is_no_candidate_is_not_used() {
    let scene = Scene::with_primary();
    scene.observe_node(REPLICA, primary(2, 2000));
    assert_eq!((scene.state(REPLICA), scene.primary()), (NodeState::Down, Some(OLD)));
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), None);
}

#[tokio::test]
async fn two_primaries_on_one_timeline_are_both_left_until_one_is_demoted() {
    let scene = Scene::with_primary();
    let other = Observation { started: 55, ..primary(1, 1000) };
    scene.observe_node(NEW, other);
    assert_eq!(scene.0.primary.last(), None);
    let conflict = scene.0.primary.conflict().unwrap();
    assert!(conflict.contains("old:5432") && conflict.contains("new:5432"), "{conflict}");
    let write = scene
        .0
        .write(Location::caller(), scene.0.acquire_deadline())
        .now_or_never()
        .expect("nobody waits for what a person must decide");
    assert!(write.is_err_and(|error| error.is_no_primary()));
    scene.observe_node(NEW, standby(1, 1000));
    assert_eq!((scene.primary(), scene.0.primary.conflict()), (Some(OLD), None));
}

#[tokio::test]
async fn one_server_by_two_names_is_one_primary() {
    let scene = Scene::with_primary();
    scene.observe_node(NEW, primary(1, 1000));
    assert_eq!((scene.primary(), scene.0.primary.conflict()), (Some(OLD), None));
    assert!(scene.reason(NEW).contains("the same server as old:5432"), "{}", scene.reason(NEW));
}

#[tokio::test]
async fn a_primary_that_became_a_standby_is_left() {
    let scene = Scene::with_primary();
    scene.observe_node(OLD, Observation { started: 1, ..standby(1, 1000) });
    assert_eq!(scene.0.primary.last(), None);
}

#[tokio::test]
async fn a_primary_that_is_out_of_reach_is_still_the_one_to_come_back() {
    let scene = Scene::with_primary();
    scene.0.nodes[OLD].mark_down(NodeRole::Primary, "it is gone".to_owned());
    scene.0.elect();
    assert_eq!((scene.0.primary.last(), scene.primary()), (Some(OLD), None));
}

#[tokio::test]
async fn callers_waiting_for_a_replaced_primary_fail_at_once() {
    let scene = Scene::with_primary();
    let mut waiting =
        Box::pin(scene.0.nodes[OLD].acquire_writer(OLD, Location::caller(), scene.0.acquire_deadline()));
    assert!(waiting.as_mut().now_or_never().is_none(), "it connects");
    scene.observe_node(NEW, primary(2, 900));
    assert!(waiting.now_or_never().unwrap().is_err_and(|error| error.is_connection_lost()));
}

#[tokio::test]
async fn acquiring_from_a_server_that_is_down_fails_at_once() {
    let scene = Scene::with_primary();
    scene.0.nodes[REPLICA].mark_down(NodeRole::Replica, "it is gone".to_owned());
    let acquired = scene.0.nodes[REPLICA]
        .acquire(REPLICA, Location::caller(), scene.0.acquire_deadline())
        .now_or_never();
    assert!(acquired.unwrap().is_err_and(|error| error.is_connection_lost()));
}

/// The old primary is a real server and the new one is imaginary. Returns what the real one reports.
async fn real(name: &str) -> (Database, Scene, Observation) {
    let database = postgres().await.database(name).await;
    let server = format!("127.0.0.1:{}", database.port());
    let both = format!("{server},127.0.0.1:1");
    let settings = Settings::new(&database.url().replace(&server, &both)).unwrap();
    let scene = Scene(Arc::new(Router::new(&settings, &Log::new(&settings))));
    let mut connection = scene.0.nodes[OLD].connector.connect(Role::Read).await.unwrap();
    let seen = connection.observe().await.unwrap().unwrap();
    scene.observe_node(OLD, seen);
    (database, scene, seen)
}

fn promoted_from(seen: Observation) -> Observation {
    Observation { timeline: seen.timeline + 1, started: 1, ..seen }
}

#[tokio::test]
async fn connections_to_a_replaced_primary_are_cut() {
    for became_a_standby in [false, true] {
        let (_database, scene, seen) = real("connections_to_a_replaced").await;
        let mut session = scene.0.write(Location::caller(), scene.0.acquire_deadline()).await.unwrap();
        let sleep = one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(60)", params![]);
        let (asleep, ()) = tokio::join!(session.execute(sleep, TransactionFraming::default()), async {
            // Both may answer before an election.
            if became_a_standby {
                scene.0.record_observation(OLD, Observation { standby: true, ..seen }, Instant::now());
            }
            scene.observe_node(NEW, promoted_from(seen));
        });
        assert!(
            asleep.is_err_and(|error| error.is_connection_lost()),
            "a standby by then: {became_a_standby}"
        );
    }
}

#[tokio::test]
async fn a_transaction_on_a_replaced_primary_is_not_committed_and_what_it_acknowledged_may_be_missing() {
    let (_database, scene, seen) = real("a_transaction_on_a_replaced").await;
    let begin = async || {
        let connection = scene.0.write(Location::caller(), scene.0.acquire_deadline()).await.unwrap();
        WriteSession::new(connection, Arc::clone(&scene.0), Location::caller(), None)
    };
    let mut session = begin().await;
    session.run(execute("CREATE TABLE notes (id bigint)", params![])).await.unwrap();
    session.commit().await.unwrap();
    let mut session = begin().await;
    session.run(execute("INSERT INTO notes VALUES (1)", params![])).await.unwrap();
    scene.observe_node(NEW, promoted_from(seen));
    let error = session.commit().await.unwrap_err();
    assert!(error.is_superseded() && error.is_retryable(), "{error:?}");
    assert_eq!(scene.doubtful(), 1, "the first one was acknowledged");
}

#[tokio::test]
async fn a_batch_of_two_reads_is_one_snapshot() {
    let (_database, scene, _) = real("a_batch_of_two_reads").await;
    let connection = scene.0.write(Location::caller(), scene.0.acquire_deadline()).await.unwrap();
    let level = || one::<(String,)>("SELECT current_setting('transaction_isolation')", params![]);
    let mut session = ReadSession::new(connection, None, Location::caller(), None);
    let levels = session.run((level(), level())).await.unwrap();
    assert_eq!([levels.0.0, levels.1.0], ["repeatable read"; 2]);
}

#[tokio::test]
async fn a_connection_to_a_restarted_replica_is_not_used() {
    let (_database, scene, seen) = real("a_connection_to_another_start").await;
    let is_usable = async || {
        scene.0.acquire(OLD, Location::caller(), scene.0.acquire_deadline()).await.unwrap().is_some()
    };
    assert!(is_usable().await);
    scene.observe_node(OLD, Observation { started: seen.started - 1, ..seen });
    assert!(!is_usable().await, "the known position is from another start");
    assert_eq!(scene.state(OLD), NodeState::Suspect, "it is asked again");
}

#[tokio::test]
async fn a_promotion_forgets_where_the_old_primary_was() {
    let scene = Scene::promoted();
    assert_eq!(scene.0.primary.history().last(), Some(900), "it ended at 1000 on the old timeline");
    scene.observe_node(OLD, primary(1, 2000));
    assert_eq!(scene.0.primary.history().last(), Some(900), "what it writes now is on no replica's way");
    scene.observe_node(REPLICA, standby(2, 950));
    assert_eq!(scene.state(REPLICA), NodeState::Up, "it has what the new primary had");
}

#[tokio::test]
async fn a_replica_that_follows_the_old_timeline_is_not_read_from_though_it_is_farther() {
    let scene = Scene::promoted();
    scene.observe_node(REPLICA, standby(1, 1000));
    assert_eq!(scene.state(REPLICA), NodeState::Lagging);
    assert!(scene.reason(REPLICA).contains("timeline 1"), "{}", scene.reason(REPLICA));
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), None);
    assert_eq!(scene.chosen(ReadConsistency::Within(Duration::from_secs(3600)), REPLICA), None);
    assert_eq!(scene.chosen(after(2, 900), REPLICA), None);
    scene.observe_node(REPLICA, standby(2, 1000));
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), Some(None));
    assert_eq!(scene.chosen(after(2, 900), REPLICA), Some(None));
}

#[tokio::test]
async fn a_replica_that_was_fresh_is_left_when_it_may_be_too_old_by_now() {
    let scene = Scene::with_primary();
    let hour = ReadConsistency::Within(Duration::from_secs(3600));
    assert_eq!(
        [ReadConsistency::Usual, hour].map(|consistency| scene.chosen(consistency, REPLICA)),
        [Some(None); 2]
    );
    assert_eq!(
        scene.chosen(ReadConsistency::Within(Duration::ZERO), REPLICA),
        None,
        "the primary was not asked since"
    );
    // As if the primary had not been probed within the staleness bound.
    scene.0.nodes[REPLICA].health.set_covered(None);
    assert_eq!(scene.state(REPLICA), NodeState::Up);
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), None);
    scene.0.nodes[OLD].mark_down(NodeRole::Primary, "it is gone".to_owned());
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), Some(None), "no newer server is reachable");
}

#[tokio::test]
async fn without_a_primary_a_replica_is_up_if_it_has_all_that_was_ever_seen() {
    let scene = Scene::with_staleness("0.001");
    scene.observe_node(OLD, primary(1, 1000));
    tokio::time::sleep(Duration::from_millis(2)).await; // older than a replica may be
    scene.observe_node(REPLICA, standby(1, 1000));
    assert_eq!(scene.state(REPLICA), NodeState::Lagging, "the primary may have written since");
    scene.0.nodes[OLD].mark_down(NodeRole::Primary, "it is gone".to_owned());
    scene.observe_node(REPLICA, standby(1, 1000));
    assert_eq!(scene.state(REPLICA), NodeState::Up);
    scene.observe_node(REPLICA, standby(1, 999));
    assert_eq!(scene.state(REPLICA), NodeState::Lagging, "another one may have more");
}

#[tokio::test]
async fn a_token_asks_for_its_own_cluster_timeline_and_position() {
    let scene = Scene::with_primary();
    assert_eq!(scene.chosen(after(1, 1000), REPLICA), Some(None), "it is known to have it");
    assert_eq!(scene.chosen(after(1, 1001), REPLICA), Some(Some(1001)), "it may have it soon");
    assert_eq!(scene.chosen(after(2, 1000), REPLICA), None, "of another timeline");
    assert_eq!(scene.chosen(after(0, 1000), REPLICA), None, "of another timeline");
    let stranger = ReadConsistency::After(Position { system: 8, timeline: 1, lsn: 1000 });
    assert_eq!(scene.chosen(stranger, REPLICA), None, "of another cluster");
    assert_eq!(scene.chosen(ReadConsistency::Primary, REPLICA), None);
}

#[tokio::test]
async fn a_restarted_replica_loses_its_known_position() {
    let scene = Scene::with_primary();
    scene.0.nodes[REPLICA].mark_down(NodeRole::Replica, "it is gone".to_owned());
    // It restarts from an older state.
    scene.observe_node(REPLICA, Observation { started: 101, ..standby(1, 400) });
    assert_eq!(scene.0.nodes[REPLICA].health.replayed(), 400);
    assert_eq!(scene.chosen(after(1, 1000), REPLICA).flatten(), None);
    assert_eq!(scene.chosen(ReadConsistency::Usual, REPLICA), None);
}

#[tokio::test]
async fn a_stalled_replica_is_waited_for_again_once_it_replays() {
    let scene = Scene::with_primary();
    let health = &scene.0.nodes[REPLICA].health;
    health.mark_stalled();
    assert_eq!(scene.chosen(after(1, 1001), REPLICA), None);
    assert_eq!(scene.chosen(after(1, 1000), REPLICA), Some(None), "what it has it has");
    scene.observe_node(REPLICA, standby(1, 1001));
    assert_eq!(scene.chosen(after(1, 1002), REPLICA), Some(Some(1002)));
}

#[tokio::test]
async fn a_commit_at_an_unknown_position_counts_as_replayed_once_the_log_has_passed_it() {
    let scene = Scene::with_primary();
    scene.0.record_commit(OLD, None);
    scene.observe_node(OLD, primary(1, 1100));
    scene.observe_node(NEW, Observation { started: 102, ..standby(1, 1100) });
    scene.observe_node(NEW, Observation { started: 102, ..primary(2, 1100) });
    assert_eq!(scene.doubtful(), 0);
}

#[tokio::test]
async fn commits_that_the_new_primary_may_lack_are_counted() {
    let scene = Scene::with_primary();
    for lsn in [800, 900, 950, 1000] {
        scene.0.record_commit(OLD, Some(Position { system: SYSTEM, timeline: 1, lsn }));
    }
    // It is probed as a replica at 900, then promoted.
    scene.observe_node(NEW, Observation { started: 102, ..standby(1, 900) });
    scene.observe_node(NEW, Observation { started: 102, ..primary(2, 905) });
    assert_eq!(scene.doubtful(), 2);
}

#[tokio::test]
async fn without_a_first_primary_reads_go_to_the_replica_that_has_most() {
    let scene = Scene::begun_without_primary();
    assert_eq!([NEW, REPLICA].map(|node| scene.state(node)), [NodeState::Lagging, NodeState::Up]);
    let chosen = scene.0.choose_replica(ReadConsistency::Usual, Tried::default()).unwrap();
    assert_eq!((chosen.node, chosen.required_lsn), (REPLICA, None));
    assert_eq!(scene.chosen(ReadConsistency::Usual, NEW), Some(None), "better than nothing");
}

#[tokio::test]
async fn without_a_first_primary_no_replica_meets_a_bound_on_its_age() {
    let scene = Scene::begun_without_primary();
    assert_eq!(scene.chosen(ReadConsistency::Within(Duration::from_secs(3600)), REPLICA), None);
    let status = &scene.0.status()[REPLICA];
    assert_eq!((status.lag, status.lag_bytes), (None, None));
    assert_eq!(status.reason, "its age is unknown: no primary");
}

#[tokio::test]
async fn without_a_first_primary_a_token_is_met_by_a_replica_of_its_cluster() {
    let scene = Scene::begun_without_primary();
    assert_eq!(scene.chosen(after(1, 1000), REPLICA), Some(None));
    assert_eq!(scene.chosen(after(1, 1001), REPLICA), Some(Some(1001)), "it may have it soon");
    let stranger = ReadConsistency::After(Position { system: 8, timeline: 1, lsn: 1000 });
    assert_eq!(scene.chosen(stranger, REPLICA), None);
}

#[tokio::test]
async fn nobody_waits_for_a_first_primary_but_for_one_that_was_lost() {
    let write = |scene: &Scene| {
        scene.0.write(Location::caller(), scene.0.acquire_deadline()).now_or_never().map(|it| it.map(drop))
    };
    let error = write(&Scene::begun_without_primary()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoPrimary);
    let lost = Scene::with_primary();
    lost.0.nodes[OLD].mark_down(NodeRole::Primary, "it is gone".to_owned());
    assert!(write(&lost).is_none());
}

#[tokio::test]
async fn a_first_primary_that_comes_late_measures_the_replicas() {
    let scene = Scene::begun_without_primary();
    scene.observe_node(OLD, primary(1, 1000));
    scene.observe_node(OLD, primary(1, 1000));
    scene.observe_node(REPLICA, standby(1, 1000));
    assert_eq!((scene.primary(), scene.state(REPLICA)), (Some(OLD), NodeState::Up));
    assert_eq!(scene.reason(REPLICA), "");
    let hour = ReadConsistency::Within(Duration::from_secs(3600));
    assert_eq!(scene.chosen(hour, REPLICA), Some(None));
}

#[tokio::test]
async fn a_first_primary_of_another_cluster_than_the_replicas_is_right() {
    let scene = Scene::begun_without_primary();
    scene.observe_node(OLD, Observation { system: 8, ..primary(1, 50) });
    assert_eq!(scene.primary(), Some(OLD));
    scene.observe_node(REPLICA, standby(1, 1000));
    assert_eq!(scene.state(REPLICA), NodeState::Down);
    assert!(scene.reason(REPLICA).contains("another cluster"), "{}", scene.reason(REPLICA));
}

#[tokio::test]
async fn without_a_first_primary_a_later_replica_of_another_cluster_is_not_read_from() {
    let scene = Scene::begun_without_primary();
    scene.observe_node(NEW, Observation { system: 8, ..standby(1, 2000) });
    assert_eq!(scene.state(NEW), NodeState::Down);
    assert!(scene.reason(NEW).contains("another cluster"), "{}", scene.reason(NEW));
}
