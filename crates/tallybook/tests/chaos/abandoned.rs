//! Reads that their callers abandon in the middle of a fault.

use std::time::Duration;

use tallybook::{Database, one, params};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::outage::QUICK;
use crate::scene::{Scene, done, eventually, open};
use crate::stats::report;

const READS: u64 = 400;
/// More than the primary's fallback budget admits.
const MORE: usize = 8;

fn read(db: &Database) -> impl Future<Output = tallybook::Result<(i64,)>> + use<> {
    let db = db.clone();
    async move { db.read().await?.run(one::<(i64,)>("SELECT count(*) FROM beat", params![])).await }
}

/// Starts reads one after the other and drops each after 0 to 60 ms. Returns how many were answered before.
async fn abandon(db: &Database) -> usize {
    let mut tasks = JoinSet::new();
    for number in 0..READS {
        let read = read(db);
        tasks.spawn(
            async move { matches!(timeout(Duration::from_millis(number % 60), read).await, Ok(Ok(_))) },
        );
        sleep(Duration::from_millis(5)).await;
    }
    tasks.join_all().await.into_iter().filter(|&answered| answered).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_are_given_up_leave_no_connection_and_no_part_of_the_budget_taken() {
    let scene = Scene::new().await;
    let db = open(scene.settings()).await;
    let (one, other) = (&scene.replicas[0], &scene.replicas[1]);
    done(|| one.hang());
    let hanging = abandon(&db).await;
    done(|| one.kill());
    done(|| other.hang());
    let without_replicas = abandon(&db).await;
    done(|| scene.primary.hang());
    let all = abandon(&db).await;
    done(|| scene.primary.resume());
    done(|| other.kill());
    report(format!(
        "of {READS} reads abandoned after 0 to 60 ms were answered: {hanging} while a replica hangs, {without_replicas} while \
         one is gone and one hangs, {all} while the primary hangs too"
    ));
    eventually("nothing is in use", async || db.pools().iter().all(|pool| pool.in_use == 0)).await;
    // Each needs a permit of the fallback budget that the others have released.
    for _ in 0..MORE {
        timeout(10 * QUICK, read(&db)).await.expect("the budget is there").unwrap();
    }
}
