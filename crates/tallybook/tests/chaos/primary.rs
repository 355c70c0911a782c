//! A primary that goes away and comes back, without a successor.

use tallybook::Settings;
use tallybook_testkit::{Mode, Proxy};
use tokio::time::sleep;

use crate::load::{Load, Outcome, insert};
use crate::outage::QUICK;
use crate::scene::{Scene, done, entries, eventually, open, settings};
use crate::stats::{Phase, report};

/// Reads go on; acknowledged transactions are found, and those reported as failed are not.
async fn survives(title: &str, begin: impl FnOnce(&Scene), end: impl FnOnce(&Scene)) -> Outcome {
    let scene = Scene::new().await;
    let settings = scene.settings();
    survives_with(title, &scene, settings, begin, end).await
}

async fn survives_with(
    title: &str,
    scene: &Scene,
    settings: Settings,
    begin: impl FnOnce(&Scene),
    end: impl FnOnce(&Scene),
) -> Outcome {
    let db = open(settings).await;
    let load = Load::start(&db).await;
    sleep(QUICK).await;
    load.enter(Phase::During);
    begin(scene);
    sleep(2 * QUICK).await;
    end(scene);
    let acks = load.ledger().acks().len();
    eventually("writes go on", async || load.ledger().acks().len() > acks + 100).await;
    load.enter(Phase::After);
    sleep(QUICK).await;
    let outcome = load.stop(title).await;
    let found = entries(&scene.primary).await;
    assert_eq!(outcome.ledger.lost(&found).len(), 0, "acknowledged and lost");
    assert_eq!(outcome.ledger.unexpected(&found), [0; 0], "reported as failed, but there");
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_and_nothing_is_lost_when_the_primary_is_killed_and_comes_back() {
    let begin = |scene: &Scene| done(|| scene.primary.kill());
    let end = |scene: &Scene| done(|| scene.primary.start_again());
    survives("kill -9 of the primary, which comes back", begin, end).await.assert_reads();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_and_nothing_is_lost_when_the_primary_hangs() {
    let begin = |scene: &Scene| done(|| scene.primary.hang());
    let end = |scene: &Scene| done(|| scene.primary.resume());
    survives("SIGSTOP of the primary", begin, end).await.assert_reads();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_all_servers_are_gone_and_only_the_primary_comes_back() {
    let begin = |scene: &Scene| {
        scene.replicas.iter().for_each(|replica| done(|| replica.kill()));
        tokio::task::block_in_place(|| std::thread::sleep(QUICK)); // reads go to the primary by then
        done(|| scene.primary.kill());
    };
    let end = |scene: &Scene| done(|| scene.primary.start_again());
    survives("all servers gone, and only the primary back", begin, end).await.assert_reads();
}

/// A failing writer holds a connection of a full pool and needs another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_ever_when_the_primary_comes_back_and_pools_are_small() {
    let scene = Scene::new().await;
    let mut settings = scene.settings();
    (settings.pool.size, settings.pool.max_overflow) = (2, 0);
    let begin = |scene: &Scene| done(|| scene.primary.kill());
    let end = |scene: &Scene| done(|| scene.primary.start_again());
    let outcome = survives_with("the same, with pools of two", &scene, settings, begin, end).await;
    outcome.assert_reads();
    let failures = &outcome.writes.failures;
    assert!(failures.iter().all(|failure| failure.contains("COMMIT was under way")), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_gets_lost_is_told_to_be_unknown() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.primary.port()).await;
    let replicas: Vec<_> = scene.replicas.iter().map(|replica| replica.url("postgres")).collect();
    let db = open(settings(&proxy.url(&scene.primary.url("postgres")), &replicas)).await;
    insert(&db, 0, 1, 1).await.unwrap();
    let mut session = db.begin().await.unwrap();
    let sql = "INSERT INTO entry (id, writer) VALUES (2, 0)";
    session.run(tallybook::execute(sql, tallybook::params![])).await.unwrap();
    proxy.set(Mode::LoseAnswers).await;
    let error = session.commit().await.unwrap_err();
    assert!(error.is_commit_unknown() && !error.is_retryable(), "{error:?}");
    report(format!("a COMMIT whose answer got lost: {error}"));
    assert!(entries(&scene.primary).await.contains(&2), "it happened");
    proxy.set(Mode::Relay).await;
    eventually("writes go on", async || insert(&db, 0, 3, 3).await.is_ok()).await;
}
