//! The queue for connections and its order.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use tallybook::{Database, Settings};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::support::{at_rest, eventually, open_with};

fn single(settings: &mut Settings) {
    settings.pool.size = 1;
    settings.pool.max_overflow = 0;
}

fn waiting(db: &Database) -> usize {
    db.pools().pop().unwrap().waiting
}

/// Starts an operation that must wait for a connection. It is queued when this returns.
pub(crate) async fn in_queue<F>(waits: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut waits = Box::pin(waits);
    let first = poll_fn(|context| Poll::Ready(waits.as_mut().poll(context))).await;
    assert!(first.is_pending(), "it has to wait");
    tokio::spawn(waits)
}

/// Queues one more caller. Once served, it reports its number and releases the connection.
async fn enqueue(db: &Database, number: usize, served: &UnboundedSender<usize>) -> JoinHandle<()> {
    let (caller, served) = (db.clone(), served.clone());
    in_queue(async move {
        let _session = caller.read().await.unwrap();
        served.send(number).unwrap();
    })
    .await
}

tallybook_testkit::both_dialects! {
    async fn fifty_waiters_are_served_strictly_in_order(url: &str) {
        let db = open_with(url, single).await;
        let held = db.read().await.unwrap();
        let (served, mut order) = unbounded_channel();
        for number in 0..50 {
            enqueue(&db, number, &served).await;
        }
        assert_eq!(waiting(&db), 50);
        drop((held, served));
        for number in 0..50 {
            assert_eq!(order.recv().await, Some(number));
        }
        assert_eq!(order.recv().await, None);
    }

    async fn who_asks_again_does_not_overtake_who_waits(url: &str) {
        let db = open_with(url, single).await;
        let held = db.read().await.unwrap();
        let (served, mut order) = unbounded_channel();
        for number in 0..10 {
            enqueue(&db, number, &served).await;
        }
        // Released and requested again without a pause.
        drop(held);
        let _again = db.read().await.unwrap();
        for number in 0..10 {
            assert_eq!(order.try_recv(), Ok(number), "all were served before");
        }
    }

    async fn a_caller_that_gives_up_leaves_no_trace(url: &str) {
        let db = open_with(url, single).await;
        let held = db.read().await.unwrap();
        let (served, mut order) = unbounded_channel();
        let mut callers = Vec::new();
        for number in 0..9 {
            callers.push(enqueue(&db, number, &served).await);
        }
        // The first, one in the middle, and the last.
        for number in [0, 4, 8] {
            callers[number].abort();
        }
        eventually("they are forgotten", async || waiting(&db) == 6).await;
        drop((held, served));
        for number in [1, 2, 3, 5, 6, 7] {
            assert_eq!(order.recv().await, Some(number));
        }
        assert_eq!(order.recv().await, None);
        at_rest(&db).await;
        let pool = db.pools().pop().unwrap();
        assert_eq!((pool.waiting, pool.idle, pool.totals.timeouts_waiting), (0, 1, 0));
    }

    async fn one_that_times_out_leaves_no_trace(url: &str) {
        let db = open_with(url, |settings| {
            single(settings);
            settings.pool.timeout = Duration::from_secs(2);
        })
        .await;
        let held = db.read().await.unwrap();
        assert!(db.read().await.expect_err("all are taken").is_timeout());
        assert_eq!(waiting(&db), 0);
        drop(held);
        assert!(db.read().await.is_ok());
    }

    async fn a_full_queue_refuses_at_once(url: &str) {
        let db = open_with(url, |settings| {
            single(settings);
            settings.pool.max_waiting = 2;
        })
        .await;
        let held = db.read().await.unwrap();
        let (served, mut order) = unbounded_channel();
        for number in 0..2 {
            enqueue(&db, number, &served).await;
        }
        let third = tokio::time::timeout(Duration::from_secs(5), db.read()).await;
        let error = third.expect("it does not wait").expect_err("two wait already");
        assert!(error.is_queue_full() && error.is_retryable() && !error.is_timeout(), "{error}");
        assert!(error.to_string().contains(&format!("taken at {}:", file!())), "{error}");
        let pool = db.pools().pop().unwrap();
        assert_eq!((pool.waiting, pool.totals.refused), (2, 1));
        drop(held);
        for number in 0..2 {
            assert_eq!(order.recv().await, Some(number));
        }
        assert!(db.read().await.is_ok());
    }
}
