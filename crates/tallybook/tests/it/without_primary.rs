//! A database that is opened while its primary is down.

use std::time::Duration;

use tallybook::migrate::{Migrator, Revision, Step, Target};
use tallybook::{Database, Error, NodeRole, NodeState, Settings, one, params};
use tallybook_testkit::{Cluster, Mode, Proxy};
use tokio::task::block_in_place;

use crate::log::keep;
use crate::routing::{Family, add, all_up, create, from, node, pause_replay, port, settings, try_add};
use crate::support::eventually;

/// Creates the table of notes with one row, on all servers of a family, and returns the token of the row.
async fn with_a_note(family: &Family) -> tallybook::CommitToken {
    let db = Database::open(family.settings()).await.unwrap();
    create(&db).await;
    let token = add(&db, 1).await;
    for replica in &family.replicas {
        block_in_place(|| replica.catch_up(&family.primary)).unwrap();
    }
    db.close().await;
    token
}

/// A family whose primary is killed after it wrote a note, and the database that is opened then.
async fn opened(replicas: usize) -> (Family, Database) {
    let family = Family::with_replicas(replicas);
    with_a_note(&family).await;
    block_in_place(|| family.primary.kill()).unwrap();
    let db = Database::open(family.settings()).await.unwrap();
    (family, db)
}

async fn notes(db: &Database) -> i64 {
    let query = one::<(i64,)>("SELECT count(*) FROM notes", params![]);
    db.read().await.unwrap().run(query).await.unwrap().0
}

/// Waits until a write succeeds. Until then each fails for want of a primary.
async fn writes_go_on(db: &Database, id: i64) {
    eventually("a write succeeds", async || match try_add(db, id).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_no_primary(), "{error}");
            false
        }
    })
    .await;
}

async fn refused(settings: Settings) -> Error {
    Database::open(settings).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_serves_reads() {
    let (family, db) = opened(1).await;
    assert_eq!(notes(&db).await, 1);
    assert_eq!(port(db.read().await.unwrap()).await, family.replicas[0].port());
    let (primary, replica) = (node(&db, &family.primary), node(&db, &family.replicas[0]));
    assert_eq!((primary.role, primary.state), (NodeRole::Unknown, NodeState::Down));
    assert_eq!((replica.role, replica.state), (NodeRole::Replica, NodeState::Up));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_serves_reads_while_the_primary_hangs() {
    let family = Family::with_replicas(1);
    with_a_note(&family).await;
    block_in_place(|| family.primary.hang()).unwrap();
    let db = Database::open(family.settings()).await.unwrap();
    assert_eq!(notes(&db).await, 1);
    block_in_place(|| family.primary.resume()).unwrap();
    writes_go_on(&db, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_fails_at_once_and_says_what_to_do() {
    let (family, db) = opened(1).await;
    let error = try_add(&db, 2).await.unwrap_err();
    let name = format!("127.0.0.1:{}", family.primary.port());
    let reason = "Connection refused (os error 111); is a server running there?";
    assert_eq!(
        error.to_string(),
        format!(
            "no server takes writes: {name}: {reason}; start the primary, or promote a standby that DATABASE_URL names"
        ),
        "it does not say how long it waited, because it did not"
    );
    assert_eq!(error.kind(), tallybook::ErrorKind::NoPrimary);
    assert!(error.is_retryable());
    let begun = db.begin().await.map(drop).unwrap_err();
    assert_eq!(begun.kind(), tallybook::ErrorKind::NoPrimary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_primary_answers_fails_at_once() {
    let (_family, db) = opened(1).await;
    let hour = Duration::from_secs(3600);
    for read in [db.read_primary().await, db.serializable_snapshot().await, db.read_within(hour).await] {
        assert_eq!(read.map(drop).unwrap_err().kind(), tallybook::ErrorKind::NoPrimary);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_age_of_a_replica_is_not_known() {
    let (family, db) = opened(1).await;
    let replica = node(&db, &family.replicas[0]);
    assert_eq!((replica.lag, replica.lag_bytes), (None, None));
    assert_eq!(replica.reason, "its age is unknown: no primary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_commit_goes_to_a_replica_that_has_it() {
    let family = Family::with_replicas(1);
    let token = with_a_note(&family).await;
    block_in_place(|| family.primary.kill()).unwrap();
    let db = Database::open(family.settings()).await.unwrap();
    assert_eq!(port(db.read_after(&token).await.unwrap()).await, family.replicas[0].port());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lags_behind_another_one_is_not_read_from() {
    let family = Family::with_replicas(2);
    with_a_note(&family).await;
    let [late, fresh] = [0, 1].map(|replica| &family.replicas[replica]);
    pause_replay(late, true).await;
    let db = Database::open(family.settings()).await.unwrap();
    add(&db, 2).await;
    block_in_place(|| fresh.catch_up(&family.primary)).unwrap();
    db.close().await;
    block_in_place(|| family.primary.kill()).unwrap();
    let db = Database::open(family.settings()).await.unwrap();
    for _ in 0..20 {
        assert_eq!(port(db.read().await.unwrap()).await, fresh.port());
    }
    let status = node(&db, late);
    assert_eq!(status.state, NodeState::Lagging);
    assert_eq!(status.reason, "another replica has more; its replay is paused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_work_when_the_primary_comes_back() {
    let (family, db) = opened(1).await;
    assert!(try_add(&db, 2).await.is_err());
    block_in_place(|| family.primary.start_again()).unwrap();
    writes_go_on(&db, 2).await;
    all_up(&db).await;
    assert_eq!(node(&db, &family.primary).role, NodeRole::Primary);
    eventually("the age of the replica is known", async || node(&db, &family.replicas[0]).lag.is_some())
        .await;
    assert_eq!(node(&db, &family.replicas[0]).reason, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_work_when_a_standby_is_promoted() {
    let family = Family::with_replicas(1);
    with_a_note(&family).await;
    let (old, new) = (&family.primary, &family.replicas[0]);
    block_in_place(|| old.kill()).unwrap();
    let db = Database::open(settings(&[old, new], &[new])).await.unwrap();
    let error = try_add(&db, 2).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{}: it is a replica", new.port())), "{error}");
    block_in_place(|| new.promote()).unwrap();
    writes_go_on(&db, 2).await;
    assert_eq!(node(&db, new).role, NodeRole::Primary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_for_a_primary_that_was_lost_later() {
    let (family, db) = opened(1).await;
    block_in_place(|| family.primary.start_again()).unwrap();
    writes_go_on(&db, 2).await;
    block_in_place(|| family.primary.kill()).unwrap();
    eventually("it is down", async || node(&db, &family.primary).state == NodeState::Down).await;
    let (added, ()) = tokio::join!(try_add(&db, 3), async {
        block_in_place(|| family.primary.start_again()).unwrap();
    });
    assert!(added.is_ok(), "{added:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_are_refused_at_once() {
    const NOTES: Revision =
        Revision::new("0001", "stars", &[Step::one_way("create stars", "CREATE TABLE stars (note integer)")]);
    let (_family, db) = opened(1).await;
    let migrator = Migrator::new(&db, &[NOTES]);
    for error in
        [migrator.upgrade(&Target::Head).await.unwrap_err(), migrator.current().await.map(drop).unwrap_err()]
    {
        assert_eq!(error.kind(), tallybook::ErrorKind::NoPrimary, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_answers_is_an_error_of_the_start() {
    let family = Family::with_replicas(1);
    let mut settings = family.settings();
    block_in_place(|| family.primary.kill().and_then(|()| family.replicas[0].kill())).unwrap();
    let expected = format!(
        "cannot open a primary: 127.0.0.1:{}: Connection refused (os error 111); is a server running there?",
        family.primary.port()
    );
    assert_eq!(refused(settings.clone()).await.to_string(), expected);
    block_in_place(|| family.replicas[0].start_again()).unwrap();
    settings.replica.enabled = false;
    let error = refused(settings).await;
    assert!(error.is_connect(), "a single node: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_that_serve_no_reads_are_an_error_of_the_start() {
    let family = Family::with_replicas(1);
    let (primary, standby) = (&family.primary, &family.replicas[0]);
    block_in_place(|| primary.kill()).unwrap();
    let error = refused(settings(&[primary, standby], &[])).await;
    assert_eq!(error.kind(), tallybook::ErrorKind::NoPrimary, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_refuses_the_login_is_an_error_of_the_start() {
    let family = Family::with_replicas(1);
    let (primary, replica) = (family.primary.url("postgres"), family.replicas[0].url("postgres"));
    let wrong_password = primary.replace(family.primary.password(), "Secret");
    for (url, told) in [
        (wrong_password, "password authentication failed"),
        (family.primary.url("absent"), "database \"absent\" does not exist"),
    ] {
        let error = refused(from(&url, &replica)).await;
        assert!(error.is_connect() && error.to_string().contains(told), "{error}");
        assert!(!error.to_string().contains("Secret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_up_does_not_stop_the_start() {
    let family = Family::with_replicas(1);
    with_a_note(&family).await;
    let proxy = Proxy::start(family.primary.port()).await;
    proxy.set(Mode::HangUp).await;
    let settings = from(&proxy.url(&family.primary.url("postgres")), &family.replicas[0].url("postgres"));
    let db = Database::open(settings).await.unwrap();
    assert_eq!(notes(&db).await, 1);
    proxy.set(Mode::Relay).await;
    writes_go_on(&db, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_several_clusters_are_an_error_of_the_start() {
    let (family, stranger) = (Family::with_replicas(1), Family::with_replicas(1));
    block_in_place(|| family.primary.kill()).unwrap();
    let replicas = [&family.replicas[0], &stranger.replicas[0]];
    let error = refused(settings(&[&family.primary], &replicas)).await;
    assert!(error.is_connect(), "{error}");
    let text = error.to_string();
    assert!(text.contains("they belong to several clusters"), "{text}");
    for server in [&family.primary, replicas[0], replicas[1]] {
        assert!(text.contains(&format!("127.0.0.1:{}", server.port())), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_another_cluster_than_the_primary_is_left_when_that_comes_back() {
    let (family, stranger) = (Family::with_replicas(0), Family::with_replicas(1));
    let replica = &stranger.replicas[0];
    block_in_place(|| family.primary.kill()).unwrap();
    let db = Database::open(settings(&[&family.primary], &[replica])).await.unwrap();
    block_in_place(|| family.primary.start_again()).unwrap();
    eventually("the replica is left", async || node(&db, replica).state == NodeState::Down).await;
    assert!(node(&db, replica).reason.contains("another cluster"), "{}", node(&db, replica).reason);
    create(&db).await;
    assert_eq!(notes(&db).await, 0, "the primary answers");
}

/// Single-threaded, because the log of one thread is captured.
#[tokio::test]
async fn the_log_says_it_once_and_names_the_primary() {
    let primary = Cluster::start().unwrap();
    let replica = primary.standby().unwrap();
    primary.kill().unwrap();
    let (kept, _guard) = keep();
    let db = Database::open(settings(&[&primary], &[&replica])).await.unwrap();
    let line = kept.line("opened without a primary");
    assert!(line.contains("WARN") && line.contains(&format!("127.0.0.1:{}", primary.port())), "{line}");
    try_add(&db, 1).await.unwrap_err();
    db.read().await.unwrap();
    assert_eq!(kept.line("opened without a primary"), line);
    assert!(!kept.text().contains(primary.password()), "{}", kept.text());
}
