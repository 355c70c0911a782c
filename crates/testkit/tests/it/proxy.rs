//! The modes of a proxy, each with a real server.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use tallybook_testkit::{Database, Mode, Proxy, postgres};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_postgres::Client;

use crate::client::{answers, ask, connect, in_a_while, try_connect};

/// A database, a proxy to it, and a client connected through the proxy.
struct Scene {
    database: Database,
    proxy: Proxy,
    client: Client,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let database = postgres().await.database(name).await;
        let proxy = Proxy::start(database.port()).await;
        let client = connect(&proxy.url(database.url())).await;
        Self { database, proxy, client }
    }

    fn url(&self) -> String {
        self.proxy.url(self.database.url())
    }

    async fn answers(&self) -> bool {
        ask(&self.client, "SELECT 1").await.is_ok_and(|answer| answer == "1")
    }

    async fn is_silent(&self) -> bool {
        in_a_while(self.answers()).await.is_none()
    }

    async fn can_be_reached(&self) -> bool {
        try_connect(&self.url()).await.is_ok()
    }

    /// Returns whether a new connection is accepted and then never answered.
    async fn is_mute(&self) -> bool {
        in_a_while(try_connect(&self.url())).await.is_none()
    }
}

#[tokio::test]
async fn everything_is_passed_on_and_counted() {
    let scene = Scene::new("everything_is_passed_on").await;
    assert!(scene.answers().await);
    let counts = scene.proxy.counts();
    assert_eq!((counts.connections, counts.open, counts.joined), (1, 1, 1));
    let text = "x".repeat(10_000_000);
    let answer = ask(&scene.client, &format!("SELECT '{text}'")).await.unwrap();
    assert!(answer == text);
    let later = scene.proxy.counts();
    assert!(later.sent - counts.sent > 10_000_000 && later.answered - counts.answered > 10_000_000);
    drop(scene.client);
    while scene.proxy.counts().open > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_delay_is_each_way_and_keeps_the_order() {
    let scene = Scene::new("a_delay_is_each_way").await;
    scene.proxy.set(Mode::Delay(Duration::from_millis(50))).await;
    let start = Instant::now();
    let (one, two) = tokio::join!(ask(&scene.client, "SELECT 1"), ask(&scene.client, "SELECT 2"));
    assert_eq!((one.unwrap(), two.unwrap()), ("1".into(), "2".into()));
    assert!(start.elapsed() >= Duration::from_millis(100));
    scene.proxy.set(Mode::Relay).await;
    assert!(scene.answers().await);
}

#[tokio::test]
async fn a_black_hole_swallows_old_and_new_connections() {
    let scene = Scene::new("a_black_hole").await;
    let untouched = connect(&scene.url()).await;
    scene.proxy.set(Mode::Silent).await;
    assert!(scene.is_silent().await && scene.is_mute().await);
    scene.proxy.set(Mode::Relay).await;
    assert!(scene.is_silent().await, "what was lost stays lost");
    assert_eq!(ask(&untouched, "SELECT 1").await.unwrap(), "1", "this one has lost nothing");
    assert!(scene.can_be_reached().await);
}

#[tokio::test]
async fn the_end_of_the_server_does_not_come_out_of_a_black_hole() {
    let scene = Scene::new("the_end_of_the_server").await;
    let id = ask(&scene.client, "SELECT pg_backend_pid()").await.unwrap();
    scene.proxy.set(Mode::Silent).await;
    let direct = connect(scene.database.url()).await;
    ask(&direct, &format!("SELECT pg_terminate_backend({id}, 10000)")).await.unwrap();
    assert!(scene.is_silent().await && !scene.client.is_closed());
    scene.proxy.set(Mode::Relay).await;
    while !scene.client.is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_mute_server_still_talks_to_those_it_knows() {
    let scene = Scene::new("a_mute_server").await;
    scene.proxy.set(Mode::Mute).await;
    assert!(scene.answers().await && scene.is_mute().await);
    scene.proxy.set(Mode::Relay).await;
    assert!(scene.can_be_reached().await);
}

#[tokio::test]
async fn what_is_asked_happens_though_the_answers_get_lost() {
    let scene = Scene::new("what_is_asked_happens").await;
    scene.proxy.set(Mode::LoseAnswers).await;
    assert!(in_a_while(ask(&scene.client, "CREATE TABLE t ()")).await.is_none());
    let direct = connect(scene.database.url()).await;
    answers(&direct, "SELECT to_regclass('t')", "t").await;
    assert!(scene.is_mute().await);
}

#[tokio::test]
async fn a_half_open_connection_has_no_server() {
    let scene = Scene::new("a_half_open").await;
    scene.proxy.set(Mode::HalfOpen).await;
    let counts = scene.proxy.counts();
    assert_eq!((counts.open, counts.joined), (1, 0));
    let direct = connect(scene.database.url()).await;
    let others = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    answers(&direct, others, "0").await;
    assert!(scene.is_silent().await && !scene.client.is_closed() && scene.is_mute().await);
    scene.proxy.set(Mode::Relay).await;
    assert!(scene.is_silent().await && scene.can_be_reached().await);
}

#[tokio::test]
async fn it_hangs_up_on_who_says_something() {
    let scene = Scene::new("it_hangs_up").await;
    scene.proxy.set(Mode::HangUp).await;
    assert!(in_a_while(std::future::pending::<()>()).await.is_none() && !scene.client.is_closed());
    assert!(!scene.answers().await && scene.client.is_closed());
    assert!(!scene.can_be_reached().await);
}

#[tokio::test]
async fn old_and_new_connections_are_reset() {
    let scene = Scene::new("old_and_new").await;
    let knock = async || TcpStream::connect(("127.0.0.1", scene.proxy.port())).await.unwrap();
    let mut old = knock().await;
    while scene.proxy.counts().joined < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.proxy.set(Mode::Reset).await;
    for connection in [&mut old, &mut knock().await] {
        let error = connection.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert!(!scene.answers().await && !scene.can_be_reached().await);
    scene.proxy.set(Mode::Relay).await;
    assert!(scene.can_be_reached().await);
}

#[tokio::test]
async fn nobody_listens_until_the_port_is_open_again() {
    let scene = Scene::new("nobody_listens").await;
    scene.proxy.set(Mode::Refuse).await;
    let error = format!("{:?}", try_connect(&scene.url()).await.err().unwrap());
    assert!(error.contains("refused"), "{error}");
    assert!(scene.answers().await, "what is open works");
    scene.proxy.set(Mode::Relay).await;
    assert!(scene.can_be_reached().await);
}

#[tokio::test]
async fn turns_are_counted_however_much_is_sent_at_once() {
    let database = postgres().await.database("turns_are_counted").await;
    let proxy = Proxy::counting_turns(database.port()).await;
    let client = connect(&proxy.url(database.url())).await;
    assert!(proxy.turns() > 0);
    let (one, two) = tokio::join!(ask(&client, "SELECT 1"), ask(&client, "SELECT 2"));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(proxy.turns(), 1);
    for _ in 0..2 {
        ask(&client, "SELECT 1").await.unwrap();
    }
    assert_eq!(proxy.turns(), 2);
}

#[tokio::test]
async fn a_dropped_proxy_closes_everything() {
    let scene = Scene::new("a_dropped_proxy").await;
    let url = scene.url();
    drop(scene.proxy);
    while !scene.client.is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(try_connect(&url).await.is_err());
}
