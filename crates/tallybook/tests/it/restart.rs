//! Servers that crash under load, and one that comes back as a standby.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tallybook::{CloseReason, Database, Error, Result, Settings, execute, one, params};
use tallybook_testkit::{Cluster, postgres};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use crate::support::{at_rest, eventually, open, open_with, read, write};

const READERS: usize = 8;
const WRITERS: usize = 2;
/// Time after the server's return within which work resumes.
const SOON: Duration = Duration::from_secs(1);
/// Slack for a busy machine.
const ATTEMPTS: usize = 3;
/// Pause of a caller before it retries.
const PAUSE: Duration = Duration::from_millis(5);

const STARTED: &str = "SELECT pg_postmaster_start_time()::text";

fn roomy(settings: &mut Settings) {
    settings.pool.size = READERS + WRITERS;
    settings.pool.timeout = Duration::from_secs(5);
}

/// Tasks that read and write until they are stopped.
struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    db: Database,
    stop: AtomicBool,
    /// Start time of the server at the beginning.
    origin: String,
    /// Time of the first answer from a restarted server.
    again: OnceLock<Instant>,
    /// Successes of each task.
    done: Vec<AtomicU64>,
    failed: AtomicUsize,
    acknowledged: Mutex<Vec<i64>>,
}

impl Load {
    async fn start(db: Database) -> Self {
        write(&db, "CREATE TABLE entries (id bigint)").await;
        let shared = Arc::new(Shared {
            origin: read::<(String,)>(&db, STARTED).await.remove(0).0,
            db,
            stop: AtomicBool::new(false),
            again: OnceLock::new(),
            done: (0..READERS + WRITERS).map(|_| AtomicU64::new(0)).collect(),
            failed: AtomicUsize::new(0),
            acknowledged: Mutex::default(),
        });
        let tasks = (0..READERS + WRITERS).map(|task| tokio::spawn(Arc::clone(&shared).work(task))).collect();
        let load = Self { shared, tasks };
        load.goes_on().await;
        load
    }

    /// Waits until each task had one more success.
    async fn goes_on(&self) {
        let count = || self.shared.done.iter().map(|done| done.load(Ordering::SeqCst));
        let before: Vec<_> = count().collect();
        let advanced = async || count().zip(&before).all(|(now, before)| now >= before + 2);
        eventually("all tasks succeed again", advanced).await;
    }

    /// Stops the tasks and checks that acknowledged rows are there and none is there twice.
    async fn finish(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        at_rest(&self.shared.db).await;
        let written = read::<(i64,)>(&self.shared.db, "SELECT id FROM entries ORDER BY id").await;
        assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "something was written twice");
        for id in self.shared.acknowledged.lock().unwrap().iter() {
            assert!(written.binary_search(&(*id,)).is_ok(), "{id} was acknowledged and is lost");
        }
    }
}

impl Shared {
    async fn work(self: Arc<Self>, task: usize) {
        let mut id = task as i64;
        while !self.stop.load(Ordering::SeqCst) {
            let outcome = if task < READERS { self.read().await } else { self.write(id).await };
            // What certainly did not happen is retried under the same number.
            if outcome.as_ref().map_or_else(Error::is_commit_unknown, |()| true) {
                id += (READERS + WRITERS) as i64;
            }
            match outcome {
                Ok(()) => _ = self.done[task].fetch_add(1, Ordering::SeqCst),
                Err(error) => {
                    let expected = error.is_retryable() || error.is_commit_unknown() || error.is_connect();
                    assert!(expected, "{error:?}");
                    self.failed.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn read(&self) -> Result<()> {
        let query =
            (one::<(i64,)>("SELECT count(*) FROM entries", params![]), one::<(String,)>(STARTED, params![]));
        let (_, (started,)) = self.db.read().await?.run(query).await?;
        if started != self.origin {
            self.again.get_or_init(Instant::now);
        }
        Ok(())
    }

    async fn write(&self, id: i64) -> Result<()> {
        let mut session = self.db.begin().await?;
        session.run(execute("INSERT INTO entries VALUES ($1)", params![id])).await?;
        session.commit().await?;
        self.acknowledged.lock().unwrap().push(id);
        Ok(())
    }
}

/// Waits, without the pool, until a server with another start time answers.
async fn accepts(url: &str, origin: &str) -> Instant {
    let probe = async || {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.query_one(STARTED, &[]).await.map(|row| row.get::<_, String>(0))
    };
    eventually("another server answers", async || probe().await.is_ok_and(|started| started != origin)).await;
    Instant::now()
}

async fn start_cluster() -> Arc<Cluster> {
    Arc::new(tokio::task::spawn_blocking(Cluster::start).await.unwrap().unwrap())
}

/// Returns the time from the server's first accepted connection to the first success of a task.
async fn restart_under_load(cluster: &Arc<Cluster>, database: &str) -> Duration {
    let url = cluster.url(database);
    let load = Load::start(open_with(&url, roomy).await).await;
    let server = Arc::clone(cluster);
    let restart = tokio::task::spawn_blocking(move || server.restart_immediately());
    let accepting = accepts(&url, &load.shared.origin).await;
    restart.await.unwrap().unwrap();
    load.goes_on().await;
    assert!(load.shared.failed.load(Ordering::SeqCst) > 0, "it was under load");
    let again = *load.shared.again.get().expect("the readers go on");
    load.finish().await;
    again.saturating_duration_since(accepting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_immediate_restart_work_goes_on_by_itself_within_a_second() {
    let cluster = start_cluster().await;
    let mut took = Vec::new();
    for attempt in 0..ATTEMPTS {
        let name = format!("attempt_{attempt}");
        create_database(&cluster, &name).await;
        took.push(restart_under_load(&cluster, &name).await);
        if took[attempt] < SOON {
            return;
        }
    }
    panic!("the first success came after {took:?}");
}

/// `CREATE DATABASE` only runs outside transactions.
async fn create_database(cluster: &Cluster, name: &str) {
    let (client, connection) = tokio_postgres::connect(&cluster.url("postgres"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_backends_are_ended_only_work_in_flight_fails() {
    let database = postgres().await.database("when_all_backends").await;
    let admin = open(database.url()).await;
    let load = Load::start(open_with(database.url(), roomy).await).await;
    let mut ended = 0;
    for _ in 0..3 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        ended += read::<(bool,)>(&admin, kill).await.len();
        load.goes_on().await;
    }
    let failed = load.shared.failed.load(Ordering::SeqCst);
    assert!(failed > 0 && failed <= ended, "{failed} failures for {ended} connections");
    load.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_standby_keeps_no_connection() {
    let cluster = start_cluster().await;
    let server = Arc::clone(&cluster);
    tokio::task::spawn_blocking(move || server.restart_as_standby()).await.unwrap().unwrap();
    let db = open(&cluster.url("postgres")).await;
    let mut session = db.begin().await.unwrap();
    let error = session.run(execute("CREATE TABLE entries (id bigint)", params![])).await.unwrap_err();
    assert!(error.is_read_only() && error.to_string().contains("during recovery"), "{error}");
    drop(session);
    at_rest(&db).await;
    let status = db.pools().remove(0);
    assert_eq!((status.idle, status.totals.closed.by(CloseReason::ReadOnlyServer)), (0, 1));
    assert_eq!(status.totals.closed.total(), 1);
    // Reads work as before and keep their connection.
    assert_eq!(read::<(bool,)>(&db, "SELECT pg_is_in_recovery()").await, [(true,)]);
    assert_eq!(db.pools().remove(0).idle, 1);
}
