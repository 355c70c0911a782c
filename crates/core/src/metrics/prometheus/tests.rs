mod parser;

use parser::{Parsed, parse};
use proptest::prelude::*;
use tallybook_testkit::promtool;

use super::*;
use crate::metrics::attribute::{
    CONNECTION_STATE, DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY,
    DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ERROR_TYPE, IDLE, POOL_NAME, SERVER_ADDRESS, SERVER_PORT, USED,
};
use crate::metrics::convention::{
    CONNECTION_COUNT, CONNECTION_CREATE_TIME, CONNECTION_IDLE_MAX, CONNECTION_MAX,
    CONNECTION_PENDING_REQUESTS, CONNECTION_TIMEOUTS, CONNECTION_USE_TIME, CONNECTION_WAIT_TIME,
    OPERATION_DURATION, RETURNED_ROWS,
};
use crate::metrics::{duration_bounds, row_bounds};

fn metric(name: &str, data: Data) -> Metric {
    Metric::new(name.to_owned(), "", "", data)
}

fn spread(bounds: &'static [f64]) -> Distribution {
    let counts: Vec<u64> = (0..=bounds.len() as u64).collect();
    Distribution::new(bounds, counts, 12.5)
}

/// Every metric of the conventions, for both dialects, and two of our own.
fn full_set() -> Vec<Metric> {
    let operation = |numbers: Distribution| {
        vec![
            Point::new(numbers.clone())
                .with(DB_SYSTEM_NAME, "postgresql")
                .with(DB_NAMESPACE, "books|public")
                .with(DB_QUERY_SUMMARY, "INSERT \"fills\"\n\\ é")
                .with(DB_RESPONSE_STATUS_CODE, "23505")
                .with(ERROR_TYPE, "23505")
                .with(SERVER_ADDRESS, "db.example.com")
                .with(SERVER_PORT, "5433"),
            Point::new(numbers)
                .with(DB_SYSTEM_NAME, "sqlite")
                .with(DB_NAMESPACE, "books.db")
                .with(DB_COLLECTION_NAME, "fills")
                .with(DB_OPERATION_NAME, "BATCH INSERT"),
        ]
    };
    fn pools<T: Clone>(value: T) -> Vec<Point<T>> {
        ["main", "replica"].map(|pool| Point::new(value.clone()).with(POOL_NAME, pool)).into()
    }
    let in_state = |state| Point::new(3).with(POOL_NAME, "main").with(CONNECTION_STATE, state);
    let times = || spread(duration_bounds(true));
    vec![
        OPERATION_DURATION.metric(operation(times())),
        RETURNED_ROWS.metric(operation(spread(row_bounds()))),
        CONNECTION_COUNT.metric(vec![in_state(IDLE), in_state(USED)]),
        CONNECTION_IDLE_MAX.metric(pools(8)),
        CONNECTION_MAX.metric(pools(16)),
        CONNECTION_PENDING_REQUESTS.metric(pools(2)),
        CONNECTION_TIMEOUTS.metric(pools(1)),
        CONNECTION_CREATE_TIME.metric(pools(times())),
        CONNECTION_WAIT_TIME.metric(pools(times())),
        CONNECTION_USE_TIME.metric(pools(times())),
        Metric::new(
            "tallybook.findings",
            "{finding}",
            "What was found to go wrong.",
            Data::Counter(vec![Point::new(7).with("tallybook.finding.kind", "n+1 \\ \"slow\"")]),
        ),
        Metric::new("tallybook.cache.hits", "1", "Found cached.", Data::Gauge(vec![Point::new(0.75)])),
    ]
}

#[test]
fn promtool_has_nothing_to_say_about_the_text() {
    let text = prometheus(&full_set());
    assert_eq!(promtool(&text), (Some(0), String::new()), "{text}");
}

#[test]
fn names_are_those_that_dashboards_for_opentelemetry_expect() {
    let names: Vec<String> = parse(&prometheus(&full_set())).into_keys().collect();
    assert_eq!(
        names,
        [
            "db_client_connection_count_connections",
            "db_client_connection_create_time_seconds",
            "db_client_connection_idle_max",
            "db_client_connection_max",
            "db_client_connection_pending_requests",
            "db_client_connection_timeouts_total",
            "db_client_connection_use_time_seconds",
            "db_client_connection_wait_time_seconds",
            "db_client_operation_duration_seconds",
            "db_client_response_returned_rows",
            "tallybook_cache_hits_ratio",
            "tallybook_findings_total",
        ]
    );
}

#[test]
fn values_and_descriptions_are_escaped() {
    let point = Point::new(1).with("text", "a\\b\"c\nd");
    let counter = Metric::new("a", "", "back\\slash \"quoted\"\nnew line", Data::Counter(vec![point]));
    assert_eq!(
        prometheus(&[counter]),
        r#"# HELP a_total back\\slash "quoted"\nnew line
# TYPE a_total counter
a_total{text="a\\b\"c\nd"} 1
"#
    );
}

#[test]
fn infinite_numbers_have_a_sign() {
    let points = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(Point::new);
    let text = prometheus(&[metric("a", Data::Gauge(points.into()))]);
    assert_eq!(text, "# TYPE a gauge\na +Inf\na -Inf\na NaN\n");
}

#[test]
fn metrics_of_one_name_come_together() {
    let database = |name: &'static str| {
        Metric::new("a", "", "What it says.", Data::Counter(vec![Point::new(1).with("db", name)]))
    };
    let between = metric("b", Data::Gauge(vec![]));
    let text = prometheus(&[database("x"), between, database("y")]);
    assert_eq!(
        text,
        "# HELP a_total What it says.\n# TYPE a_total counter\na_total{db=\"x\"} 1\na_total{db=\"y\"} 1\n\
         # TYPE b gauge\n"
    );
}

#[test]
fn metrics_of_one_name_and_another_type_are_left_out() {
    let gauge = metric("a", Data::Gauge(vec![Point::new(0.5)]));
    let histogram = metric("a", Data::Histogram(vec![Point::new(spread(&[]))]));
    assert_eq!(prometheus(&[gauge, histogram]), "# TYPE a gauge\na 0.5\n");
}

#[test]
fn attributes_of_one_label_share_it_in_the_order_of_their_names() {
    let point = Point::new(0.5).with("a_b", "2").with("a.b", "1");
    assert_eq!(prometheus(&[metric("m", Data::Gauge(vec![point]))]), "# TYPE m gauge\nm{a_b=\"1;2\"} 0.5\n");
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let name = "[a-d]{1,2}(\\.[a-d]{1,2}){0,2}".prop_map(Into::into);
    let value = "(\\PC|[\\\\\"\n\t ]){0,8}".prop_map(Into::into);
    prop::collection::btree_map(name, value, 0..4)
}

fn points<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<Point<T>>> {
    prop::collection::btree_map(attributes(), value, 1..4).prop_map(|points| {
        points.into_iter().map(|(attributes, value)| Point { attributes, value }).collect()
    })
}

fn distribution() -> impl Strategy<Value = Distribution> {
    let bounds = prop::collection::btree_set(0..1_000_000_u32, 0..5);
    let counts = prop::collection::vec(0..u64::from(u32::MAX), 6);
    (bounds, counts, 0.0..1e12).prop_map(|(bounds, mut counts, sum)| {
        let bounds: Vec<f64> = bounds.into_iter().map(|bound| f64::from(bound) / 1_000.0).collect();
        counts.truncate(bounds.len() + 1);
        Distribution::new(bounds, counts, sum)
    })
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        points(any::<u64>()).prop_map(Data::Counter),
        points(any::<i64>()).prop_map(Data::UpDownCounter),
        points(prop::num::f64::ANY.prop_filter("equals itself", |number| !number.is_nan()))
            .prop_map(Data::Gauge),
        points(distribution()).prop_map(Data::Histogram),
    ]
}

/// Converts what the parser read into data of the same instrument.
fn read_back(parsed: &Parsed, like: &Data) -> Data {
    match like {
        Data::Counter(_) => Data::Counter(parsed.numbers("counter")),
        Data::UpDownCounter(_) => Data::UpDownCounter(parsed.numbers("gauge")),
        Data::Gauge(_) => Data::Gauge(parsed.numbers("gauge")),
        Data::Histogram(_) => Data::Histogram(parsed.distributions()),
    }
}

proptest! {
    #[test]
    fn the_text_says_what_the_data_says(
        all in prop::collection::vec((data(), "(\\PC|[\\\\\"\n]){0,12}"), 0..4),
    ) {
        let named = all.into_iter().enumerate();
        let metrics: Vec<Metric> =
            named.map(|(index, (data, about))| Metric::new(format!("m{index}"), "", about, data)).collect();
        let parsed = parse(&prometheus(&metrics));
        prop_assert_eq!(parsed.len(), metrics.len());
        for metric in &metrics {
            let family = &parsed[&name::of_metric(metric)];
            prop_assert_eq!(&family.help, &metric.description);
            prop_assert_eq!(read_back(family, &metric.data), metric.data.clone());
        }
    }

    #[test]
    fn buckets_grow_up_to_the_count(numbers in distribution()) {
        let count = numbers.count();
        let text = prometheus(&[metric("m", Data::Histogram(vec![Point::new(numbers)]))]);
        let buckets: Vec<(&str, u64)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("m_bucket{le=\"")?.split_once("\"} "))
            .map(|(end, count)| (end, count.parse().unwrap()))
            .collect();
        prop_assert!(buckets.is_sorted_by_key(|&(_, count)| count), "{}", text);
        prop_assert_eq!(*buckets.last().unwrap(), ("+Inf", count));
        prop_assert!(text.ends_with(&format!("\nm_count {count}\n")), "{}", text);
    }

    #[test]
    fn any_names_and_units_make_a_text_that_parses(
        name in "\\PC{1,12}", unit in "\\PC{0,6}", attribute in "\\PC{1,12}", counter: bool,
    ) {
        let data = if counter {
            Data::Counter(vec![Point::new(1).with(attribute, "value")])
        } else {
            Data::Gauge(vec![Point::new(0.5).with(attribute, "value")])
        };
        prop_assert_eq!(parse(&prometheus(&[Metric::new(name, unit, "", data)])).len(), 1);
    }
}
