//! A replica that becomes the primary.

use std::time::Duration;

use tallybook::{Data, Database, execute, params};
use tallybook_testkit::Cluster;
use tokio::time::sleep;

use crate::clock::micros;
use crate::ledger::Ack;
use crate::load::{Load, Outcome, insert};
use crate::outage::QUICK;
use crate::scene::{self, Scene, done, entries, eventually, is_used, node, open, sql};
use crate::stats::{Phase, report};

/// Far longer than it takes, even next to other tests.
const BOUND: Duration = Duration::from_secs(20);

/// What happens to the old primary.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Old {
    Killed,
    StillUp,
}

/// The result of a promotion.
struct Promoted {
    outcome: Outcome,
    lost: Vec<Ack>,
    doubtful: usize,
    /// Time from calling `pg_promote()` to the first transaction acknowledged by the new primary.
    resumed: Duration,
}

impl Promoted {
    /// Without synchronous replication a read may miss an acknowledged transaction that is lost. Nothing else
    /// may go wrong.
    fn assert_what_is_lost_is_told(&self) {
        let (lost, doubtful) = (self.lost.len(), self.doubtful);
        assert!(lost <= doubtful, "{lost} were lost, and {doubtful} are reported as doubtful");
        let failures = &self.outcome.reads.failures;
        let is_otherwise = |failure: &&String| !failure.contains("stale") || self.lost.is_empty();
        let otherwise: Vec<_> = failures.iter().filter(is_otherwise).collect();
        assert!(otherwise.is_empty(), "{otherwise:?}");
    }
}

fn is_new(ack: &Ack) -> bool {
    ack.token.timeline() > Some(1)
}

/// Promotes the replica that has received the most, under load. Commits wait for `standbys`.
async fn promote(old: Old, standbys: &str) -> Promoted {
    let scene = Scene::new().await;
    done(|| scene.primary.configure(&[("synchronous_standby_names", standbys)]));
    let db = open(scene.settings_for_promotion()).await;
    let load = Load::start(&db).await;
    sleep(QUICK).await;

    load.enter(Phase::During);
    if old == Old::Killed {
        done(|| scene.primary.kill());
    }
    let (new, other) = by_received(&scene).await;
    let called = micros();
    sql(new, "SELECT pg_promote()").await;
    let promoted = micros();
    eventually("writes go on", async || load.ledger().acks().iter().any(is_new)).await;
    let first = load.ledger().acks().iter().filter(|ack| is_new(ack)).map(|ack| ack.at).min().unwrap();
    let resumed = Duration::from_micros(u64::try_from(first - called).unwrap());
    // The other replica may have more of the old primary's log than the new primary ever had.
    done(|| other.rejoin(new));
    is_used(&db, other.port()).await;

    load.enter(Phase::After);
    sleep(QUICK).await;
    if old == Old::StillUp {
        is_told_apart_by_who_starts_now(&scene).await;
    }
    let synchronous = if standbys.is_empty() { "asynchronous" } else { standbys };
    let outcome = load.stop(&format!("promotion, old primary {old:?}, {synchronous}")).await;
    let found = entries(new).await;
    let doubtful = doubtful(&db);
    let lost = outcome.ledger.lost(&found);
    let late = lost.iter().filter(|ack| ack.at > promoted).count();
    report(format!(
        "  writes go on {resumed:?} after pg_promote() was called, which took {:?}; {} acknowledged ones lost ({late} of \
         them acknowledged after that), {doubtful} reported as doubtful, {} unknown",
        Duration::from_micros(u64::try_from(promoted - called).unwrap()),
        lost.len(),
        outcome.ledger.unknowns().len()
    ));
    assert_eq!(
        outcome.ledger.unexpected(&found),
        [0; 0],
        "rows of transactions that are said to have failed"
    );
    assert!(resumed < BOUND, "{resumed:?}");
    let acks = outcome.ledger.acks();
    let astray = acks.iter().filter(|ack| !is_new(ack) && ack.beat > first).count();
    assert_eq!(
        astray, 0,
        "writes that began once there was a new primary and were acknowledged by the old one"
    );
    assert!(lost.iter().all(|ack| !is_new(ack)), "what the new primary has acknowledged is there");
    Promoted { outcome, lost, doubtful, resumed }
}

/// Returns the transactions that the database's own metrics report as possibly missing.
fn doubtful(db: &Database) -> usize {
    let metrics = db.metrics();
    let metric = metrics
        .iter()
        .find(|metric| metric.name == "tallybook.transactions.doubtful")
        .expect("it counts them");
    match &metric.data {
        Data::Counter(points) => points.iter().map(|point| point.value as usize).sum(),
        other => panic!("{other:?}"),
    }
}

/// A program that starts while both servers accept writes writes to the new primary.
async fn is_told_apart_by_who_starts_now(scene: &Scene) {
    let db = Database::open(scene.settings_for_promotion()).await.unwrap();
    let token = insert(&db, 99, -99, 1).await.unwrap();
    assert!(token.timeline() > Some(1), "{token}");
    let committed =
        db.write(async |session| session.run(execute("DELETE FROM entry WHERE id = -99", params![])).await);
    assert_eq!(committed.await.unwrap().into_value(), 1);
}

/// Returns the replica that has received more of the log, and the other one.
async fn by_received(scene: &Scene) -> (&Cluster, &Cluster) {
    let [one, other] = [0, 1].map(|index| &scene.replicas[index]);
    let received = async |cluster| {
        let answer = sql(cluster, "SELECT pg_last_wal_receive_lsn() - '0/0'::pg_lsn").await;
        answer.parse::<u64>().unwrap()
    };
    if received(one).await >= received(other).await { (one, other) } else { (other, one) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_synchronous_replica_takes_over_from_a_dead_primary() {
    let promoted = promote(Old::Killed, "ANY 1 (*)").await;
    assert!(promoted.lost.is_empty(), "{} lost", promoted.lost.len());
    promoted.outcome.assert_reads();
}

/// Commits wait for both replicas. With one, the replica that was not promoted could still acknowledge them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_synchronous_replica_takes_over_from_a_primary_that_is_up() {
    let promoted = promote(Old::StillUp, "ANY 2 (*)").await;
    assert!(promoted.lost.is_empty(), "{} lost", promoted.lost.len());
    promoted.outcome.assert_reads();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_an_asynchronous_replica_takes_over_from_a_dead_primary() {
    promote(Old::Killed, "").await.assert_what_is_lost_is_told();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_leave_a_primary_that_is_up_when_an_asynchronous_replica_is_promoted() {
    promote(Old::StillUp, "").await.assert_what_is_lost_is_told();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: some minutes"]
async fn long_promotions_lose_nothing_that_a_synchronous_replica_has() {
    tallybook_testkit::takes_at_most(scene::LONG);
    let mut resumed = Vec::new();
    for round in 0..10 {
        let old = if round % 2 == 0 { Old::Killed } else { Old::StillUp };
        let promoted = promote(old, if old == Old::Killed { "ANY 1 (*)" } else { "ANY 2 (*)" }).await;
        assert!(promoted.lost.is_empty(), "{} lost in round {round}", promoted.lost.len());
        resumed.push(promoted.resumed);
    }
    resumed.sort_unstable();
    report(format!("writes went on after {resumed:?}"));
}

/// A standby without a connection to its primary reports the timeline of its last restart point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_still_used_when_the_promoted_primary_is_gone_for_a_moment() {
    let scene = Scene::new().await;
    let db = open(scene.settings_for_promotion()).await;
    let (new, other) = (&scene.replicas[0], &scene.replicas[1]);
    done(|| scene.primary.kill());
    done(|| new.promote());
    done(|| other.follow(new));
    done(|| other.configure(&[("wal_retrieve_retry_interval", "5s")]));
    let load = Load::start(&db).await;
    is_used(&db, other.port()).await;
    done(|| new.kill());
    done(|| new.start_again());
    let acks = load.ledger().acks().len();
    eventually("writes go on", async || load.ledger().acks().len() > acks).await;
    let end = std::time::Instant::now() + QUICK;
    while std::time::Instant::now() < end {
        let status = node(&db, other.port());
        assert!(!status.reason.contains("timeline"), "{}", status.reason);
        sleep(Duration::from_millis(10)).await;
    }
    load.stop("a promoted primary that is gone for a moment").await.assert_reads();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_writes_follow_a_promotion_where_no_replica_is_read_from() {
    let scene = Scene::new().await;
    let mut settings = scene.settings_for_promotion();
    settings.replica.enabled = false;
    (settings.pool.size, settings.pool.max_overflow) = (4, 0);
    done(|| scene.primary.configure(&[("synchronous_standby_names", "ANY 1 (*)")]));
    let db = open(settings).await;
    let load = Load::start(&db).await;
    sleep(QUICK).await;
    load.enter(Phase::During);
    done(|| scene.primary.kill());
    let (new, _) = by_received(&scene).await;
    // The new primary would wait for the same standbys as the old one.
    done(|| new.configure(&[("synchronous_standby_names", "")]));
    done(|| new.promote());
    eventually("writes go on", async || load.ledger().acks().iter().any(is_new)).await;
    sleep(QUICK).await;
    load.enter(Phase::After);
    sleep(QUICK).await;
    let outcome = load.stop("a promotion without replicas, with pools of four").await;
    outcome.assert_reads();
    let found = entries(new).await;
    assert_eq!(outcome.ledger.lost(&found).len(), 0, "acknowledged and lost");
    assert_eq!(outcome.ledger.unexpected(&found), [0; 0], "reported as failed, but there");
}
