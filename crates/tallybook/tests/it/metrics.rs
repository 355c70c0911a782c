//! Metrics by OpenTelemetry's conventions.

use std::collections::BTreeMap;

use tallybook::{
    Attributes, Data, Database, Dialect, Distribution, Metric, Point, execute, one, params, prometheus,
};
use tallybook_testkit::{SqliteFile, postgres, promtool};

use crate::support::{
    at_rest, create_notes, eventually, open, open_with, polled, read, try_read, try_write, with_notes, write,
};

const TIMES: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
const ROWS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// A metric as the conventions, or for our own metrics the guide, define it.
struct Expected {
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

#[derive(Debug, PartialEq)]
enum Instrument {
    Counter,
    UpDownCounter,
    Gauge,
    Histogram(&'static [f64]),
}

use Instrument::{Counter, Gauge, Histogram, UpDownCounter};

const SYSTEM: &[&str] = &["db.system.name"];
const NAMESPACE: &[&str] = &["db.namespace"];
const POOL: &[&str] = &["db.client.connection.pool.name"];
const STATE: &[&str] = &["db.client.connection.pool.name", "db.client.connection.state"];
const OPERATION: &[&str] = &[
    "db.collection.name",
    "db.namespace",
    "db.operation.name",
    "db.query.summary",
    "db.response.status_code",
    "error.type",
    "server.address",
    "server.port",
];

const fn expected(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> Expected {
    Expected { name, instrument, unit, required, optional }
}

const CONVENTION: [Expected; 15] = [
    expected("db.client.operation.duration", Histogram(TIMES), "s", SYSTEM, OPERATION),
    expected("db.client.response.returned_rows", Histogram(ROWS), "{row}", SYSTEM, OPERATION),
    expected("db.client.connection.count", UpDownCounter, "{connection}", STATE, &[]),
    expected("db.client.connection.max", UpDownCounter, "{connection}", POOL, &[]),
    expected("db.client.connection.idle.max", UpDownCounter, "{connection}", POOL, &[]),
    expected("db.client.connection.pending_requests", UpDownCounter, "{request}", POOL, &[]),
    expected("db.client.connection.timeouts", Counter, "{timeout}", POOL, &[]),
    expected("db.client.connection.create_time", Histogram(TIMES), "s", POOL, &[]),
    expected("db.client.connection.wait_time", Histogram(TIMES), "s", POOL, &[]),
    expected("db.client.connection.use_time", Histogram(TIMES), "s", POOL, &[]),
    expected(
        "tallybook.findings",
        Counter,
        "{finding}",
        &["db.system.name", "tallybook.finding.confidence"],
        NAMESPACE,
    ),
    expected("tallybook.statements", UpDownCounter, "{statement}", SYSTEM, NAMESPACE),
    expected("tallybook.statements.evicted", Counter, "{statement}", SYSTEM, NAMESPACE),
    expected(
        "tallybook.connections.closed",
        Counter,
        "{connection}",
        &["db.client.connection.pool.name", "tallybook.close.reason"],
        &[],
    ),
    expected("tallybook.connections.refused", Counter, "{request}", POOL, &[]),
];

const LOG_SIZE: Expected = expected("tallybook.node.wal.size", Gauge, "By", &["tallybook.node.name"], &[]);

fn attributes_of(data: &Data) -> Vec<&Attributes> {
    fn all<T>(points: &[Point<T>]) -> Vec<&Attributes> {
        points.iter().map(|point| &point.attributes).collect()
    }
    match data {
        Data::Counter(points) => all(points),
        Data::UpDownCounter(points) => all(points),
        Data::Gauge(points) => all(points),
        Data::Histogram(points) => all(points),
        other => panic!("an instrument of which the convention knows nothing: {other:?}"),
    }
}

fn check(metric: &Metric, expected: &Expected) {
    let Expected { name, instrument, unit, required, optional } = expected;
    assert_eq!(metric.unit, *unit, "{name}");
    assert!(metric.description.ends_with('.'), "{name}: {}", metric.description);
    match (&metric.data, instrument) {
        (Data::Counter(_), Counter) | (Data::UpDownCounter(_), UpDownCounter) | (Data::Gauge(_), Gauge) => {}
        (Data::Histogram(points), Histogram(bounds)) => {
            assert!(points.iter().all(|point| point.value.bounds == *bounds), "{name}: {points:?}");
        }
        (data, instrument) => panic!("{name} is no {instrument:?}: {data:?}"),
    }
    let points = attributes_of(&metric.data);
    for attributes in &points {
        let unknown =
            attributes.keys().find(|key| !required.contains(&&***key) && !optional.contains(&&***key));
        assert_eq!(unknown, None, "{name}");
        let missing = required.iter().find(|key| !attributes.contains_key(**key));
        assert_eq!(missing, None, "{name}: {attributes:?}");
    }
    let apart = points.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(apart, points.len(), "no two points of {name} have the same attributes: {points:?}");
}

fn find<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
    metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn histogram(db: &Database, name: &str) -> Vec<Point<Distribution>> {
    match &find(&db.metrics(), name).data {
        Data::Histogram(points) => points.clone(),
        other => panic!("{name} is no histogram: {other:?}"),
    }
}

fn durations(db: &Database) -> Vec<Point<Distribution>> {
    histogram(db, "db.client.operation.duration")
}

/// Returns the calls of all statements.
fn counted(db: &Database) -> u64 {
    durations(db).iter().map(|point| point.value.count()).sum()
}

/// Returns the value of an attribute.
fn value<'a>(attributes: &'a Attributes, key: &str) -> Option<&'a str> {
    attributes.get(key).map(|value| &**value)
}

/// Runs successes, database failures and an abandoned statement.
async fn busy(db: &Database) {
    write(db, "INSERT INTO notes (id, title) VALUES (1, 'a'), (2, 'b')").await;
    read::<(i64,)>(db, "SELECT id FROM notes").await;
    try_write(db, "INSERT INTO notes (id, title) VALUES (3, 'a')").await.unwrap_err();
    try_read::<(i64,)>(db, "SELECT id FROM absent").await.unwrap_err();
    let mut session = db.read().await.unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(i) FROM n";
    polled(1, session.run(one::<(i64,)>(endless, params![]))).await;
    drop(session);
    at_rest(db).await;
}

/// Returns counters and buckets by what they count.
fn totals(db: &Database) -> BTreeMap<(String, Attributes, usize), u64> {
    let mut totals = BTreeMap::new();
    for metric in db.metrics() {
        let name = metric.name.to_string();
        match metric.data {
            Data::Counter(points) => {
                for Point { attributes, value, .. } in points {
                    totals.insert((name.clone(), attributes, 0), value);
                }
            }
            Data::Histogram(points) => {
                for Point { attributes, value, .. } in points {
                    for (bucket, count) in value.counts.into_iter().enumerate() {
                        totals.insert((name.clone(), attributes.clone(), bucket), count);
                    }
                }
            }
            _ => {}
        }
    }
    totals
}

tallybook_testkit::both_dialects! {
    async fn every_metric_is_as_the_convention_has_it(url: &str) {
        let db = with_notes(url).await;
        busy(&db).await;
        let metrics = db.metrics();
        for expected in &CONVENTION {
            check(find(&metrics, expected.name), expected);
        }
        let is_sqlite = db.dialect() == Dialect::Sqlite;
        if is_sqlite {
            check(find(&metrics, LOG_SIZE.name), &LOG_SIZE);
        }
        assert_eq!(metrics.len(), CONVENTION.len() + usize::from(is_sqlite), "there are no others");
    }

    async fn a_success_is_counted_where_it_ran_and_for_what(url: &str) {
        let db = with_notes(url).await;
        busy(&db).await;
        let known = |point: &&Point<Distribution>| {
            value(&point.attributes, "db.query.summary") == Some("SELECT notes")
                && !point.attributes.contains_key("error.type")
        };
        let durations = durations(&db);
        let point = durations.iter().find(known).unwrap();
        let attribute = |key| value(&point.attributes, key);
        assert_eq!(attribute("db.operation.name"), Some("SELECT"));
        assert_eq!(attribute("db.collection.name"), Some("notes"));
        assert_eq!(point.value.count(), 1, "{point:?}");
        let read = db.report().statements.into_iter().find(|known| known.summary == "SELECT notes").unwrap();
        assert!((point.value.sum - read.times.total.as_secs_f64()).abs() < 1e-9, "{point:?} is not {read:?}");
        let rows = histogram(&db, "db.client.response.returned_rows");
        let rows = rows.iter().find(known).unwrap();
        let mut second = vec![0; ROWS.len() + 1];
        second[1] = 1;
        assert_eq!((&*rows.value.counts, rows.value.sum), (&*second, 2.0), "two rows are in the second bucket");
    }

    async fn a_failure_has_the_code_of_the_database(url: &str) {
        let db = with_notes(url).await;
        busy(&db).await;
        let codes = if db.dialect() == Dialect::Sqlite { ["1", "2067"] } else { ["23505", "42P01"] };
        let mut failures = Vec::new();
        for point in durations(&db) {
            let status = value(&point.attributes, "db.response.status_code");
            let kind = value(&point.attributes, "error.type");
            if let Some(status) = status {
                assert_eq!(Some(status), kind);
                failures.push((status.to_owned(), point.value.count()));
            }
        }
        failures.sort();
        assert_eq!(failures, codes.map(|code| (code.to_owned(), 1)));
        let rows = histogram(&db, "db.client.response.returned_rows");
        assert!(rows.iter().all(|point| !point.attributes.contains_key("error.type")), "{rows:?}");
    }

    async fn what_is_abandoned_has_no_code(url: &str) {
        let db = with_notes(url).await;
        busy(&db).await;
        let durations = durations(&db);
        let abandoned = durations.iter().find(|point| value(&point.attributes, "error.type") == Some("cancelled"));
        let abandoned = abandoned.unwrap();
        assert_eq!(abandoned.value.count(), 1);
        assert!(!abandoned.attributes.contains_key("db.response.status_code"), "{abandoned:?}");
    }

    async fn every_statement_is_in_one_of_the_buckets(url: &str) {
        let db = with_notes(url).await;
        busy(&db).await;
        let report = db.report();
        let ran: u64 = report.statements.iter().map(|known| known.calls + known.errors()).sum();
        assert_eq!(counted(&db), ran);
        // The table and the notes with a COMMIT each, a read, two failures and the abandoned statement.
        assert_eq!(ran, 8);
    }

    async fn counters_and_buckets_never_go_down_whatever_is_evicted(url: &str) {
        let db = open_with(url, |settings| settings.monitor.statements = 10).await;
        create_notes(&db).await;
        busy(&db).await;
        let mut before = totals(&db);
        for number in 0..60 {
            read::<(i64,)>(&db, format!("SELECT id AS name_{number} FROM notes")).await;
            let after = totals(&db);
            for (what, count) in &before {
                assert!(after.get(what).is_some_and(|now| now >= count), "{what:?} was {count}: {:?}", after.get(what));
            }
            before = after;
        }
        assert!(db.report().evicted.statements >= 50);
    }

    async fn a_statement_that_is_evicted_while_it_runs_is_counted_at_its_end(url: &str) {
        let db = open_with(url, |settings| settings.monitor.statements = 10).await;
        let task = db.clone();
        create_notes(&db).await;
        busy(&db).await;
        let other = open(url).await;
        let mut holder = other.begin().await.unwrap();
        holder.run(execute("UPDATE notes SET title = 'c' WHERE id = 1", params![])).await.unwrap();
        let before = counted(&db);
        let stuck = tokio::spawn(async move {
            let update = execute("UPDATE notes SET title = 'd' WHERE id = 1", params![]);
            task.write(async |session| session.run(update).await).await.map(drop)
        });
        eventually("it is stuck", async || !db.report().running.is_empty()).await;
        for number in 0..60 {
            read::<(i64,)>(&db, format!("SELECT id AS name_{number} FROM notes")).await;
        }
        assert!(!db.report().statements.iter().any(|known| known.statement.starts_with("update")), "it is evicted");
        holder.commit().await.unwrap();
        stuck.await.unwrap().unwrap();
        assert_eq!(counted(&db), before + 60 + 2, "the update and its COMMIT are there");
        // And once it is settled.
        for number in 0..60 {
            read::<(i64,)>(&db, format!("SELECT id AS another_{number} FROM notes")).await;
        }
        assert_eq!(counted(&db), before + 60 + 2 + 60);
    }

    async fn buckets_below_a_millisecond_are_there_for_who_asks(url: &str) {
        let db = open_with(url, |settings| settings.monitor.sub_millisecond = true).await;
        read::<(i64,)>(&db, "SELECT 1").await;
        let fine: Vec<_> = [0.00001, 0.00005, 0.0001, 0.0005].iter().chain(TIMES).copied().collect();
        for name in ["db.client.operation.duration", "db.client.connection.wait_time"] {
            assert!(histogram(&db, name).iter().all(|point| *point.value.bounds == *fine), "{name}");
        }
        assert!(histogram(&db, "db.client.response.returned_rows").iter().all(|point| *point.value.bounds == *ROWS));
    }

    async fn connections_are_counted_by_state(url: &str) {
        let db = open(url).await;
        let _held = db.read().await.unwrap();
        let states = |wanted: &str| {
            let metrics = db.metrics();
            let Data::UpDownCounter(points) = &find(&metrics, "db.client.connection.count").data else {
                panic!("connections come and go");
            };
            let of_state =
                points.iter().filter(|point| value(&point.attributes, "db.client.connection.state") == Some(wanted));
            of_state.map(|point| point.value).sum::<i64>()
        };
        let pools = db.pools();
        assert_eq!(states("used"), 1);
        assert_eq!(states("idle"), pools.iter().map(|pool| pool.idle as i64).sum::<i64>());
    }

    async fn promtool_has_nothing_to_say(url: &str) {
        let db = with_notes(url).await;
        busy(&db).await;
        let text = prometheus(&db.metrics());
        assert!(text.contains("db_client_operation_duration_seconds_bucket"), "{text}");
        assert_eq!(promtool(&text), (Some(0), String::new()), "{text}");
    }
}

fn pool_names(db: &Database) -> Vec<String> {
    let metrics = db.metrics();
    let points = attributes_of(&find(&metrics, "db.client.connection.max").data);
    points.into_iter().map(|point| point["db.client.connection.pool.name"].to_string()).collect()
}

#[tokio::test]
async fn points_name_the_server_and_the_database_on_postgres() {
    let database = postgres().await.database("points_name_the_server").await;
    let db = with_notes(database.url()).await;
    busy(&db).await;
    let port = database.port().to_string();
    assert_ne!(port, "5432", "the usual port is not said");
    for Point { attributes, .. } in durations(&db) {
        let known = ["db.system.name", "db.namespace", "server.address", "server.port"];
        let known = known.map(|key| value(&attributes, key).unwrap_or_default());
        assert_eq!(known, ["postgresql", database.name(), "127.0.0.1", &port]);
    }
    assert_eq!(pool_names(&db), [format!("127.0.0.1:{port}/{}/primary", database.name())]);
}

#[tokio::test]
async fn points_name_the_file_and_no_server_on_sqlite() {
    let file = SqliteFile::new("points_name_the_file");
    let db = with_notes(&file.url()).await;
    busy(&db).await;
    for Point { attributes, .. } in durations(&db) {
        let known = ["db.system.name", "db.namespace", "server.address", "server.port"];
        let known = known.map(|key| value(&attributes, key));
        assert_eq!(known, [Some("sqlite"), Some("points_name_the_file.db"), None, None]);
    }
    let names = ["writer", "readers"].map(|pool| format!("points_name_the_file.db/{pool}"));
    assert_eq!(pool_names(&db), names);
}
