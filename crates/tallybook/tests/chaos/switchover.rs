//! The primary and a replica change places in good order, and change back.

use std::collections::HashSet;

use tallybook::{Database, NodeRole};
use tallybook_testkit::Cluster;
use tokio::time::sleep;

use crate::clock::micros;
use crate::load::Load;
use crate::outage::QUICK;
use crate::scene::{Scene, done, entries, eventually, is_used, node, open};
use crate::stats::{Phase, report};

/// Shuts the primary down, promotes a replica once it has everything, and makes replicas of the others.
async fn change_places(
    db: &Database,
    load: &Load,
    timeline: u32,
    old: &Cluster,
    new: &Cluster,
    other: &Cluster,
) {
    let start = micros();
    done(|| old.shut_down());
    done(|| new.promote());
    let promoted = micros();
    let is_new = |token: tallybook::CommitToken| token.timeline() == Some(timeline);
    eventually("writes go on", async || load.ledger().acks().iter().any(|ack| is_new(ack.token))).await;
    let resumed =
        load.ledger().acks().iter().filter(|ack| is_new(ack.token)).map(|ack| ack.at).min().unwrap();
    report(format!(
        "switchover: writes rest for {} ms, and go on {} ms after the promotion was complete",
        (resumed - start) / 1_000,
        (resumed - promoted) / 1_000
    ));
    done(|| other.follow(new));
    done(|| old.rejoin(new));
    is_used(db, other.port()).await;
    assert_eq!(node(db, new.port()).role, NodeRole::Primary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_and_nothing_is_lost_when_servers_change_places_and_back() {
    let scene = Scene::new().await;
    let db = open(scene.settings_for_promotion()).await;
    let load = Load::start(&db).await;
    let (first, [second, third]) = (&scene.primary, [0, 1].map(|index| &scene.replicas[index]));
    sleep(QUICK).await;
    load.enter(Phase::During);
    change_places(&db, &load, 2, first, second, third).await;
    is_used(&db, first.port()).await;
    assert_eq!(node(&db, first.port()).role, NodeRole::Replica);
    change_places(&db, &load, 3, second, first, third).await;
    load.enter(Phase::After);
    sleep(QUICK).await;
    let outcome = load.stop("the primary changes places with a replica, and back").await;
    outcome.assert_reads();
    let found: HashSet<_> = entries(first).await;
    assert_eq!(outcome.ledger.lost(&found).len(), 0, "acknowledged and lost");
    assert_eq!(outcome.ledger.unexpected(&found), [0; 0], "reported as failed, but there");
}
