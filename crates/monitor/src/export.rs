//! Metrics, assembled on demand so that counting stays cheap.

use std::sync::atomic::Ordering;

use tallybook_core::histogram::Counted;
use tallybook_core::metrics::attribute::{
    CONNECTION_STATE, DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY,
    DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ERROR_TYPE, IDLE, POOL_NAME, SERVER_ADDRESS, SERVER_PORT, USED,
};
use tallybook_core::metrics::convention::{
    CONNECTION_COUNT, CONNECTION_CREATE_TIME, CONNECTION_IDLE_MAX, CONNECTION_MAX,
    CONNECTION_PENDING_REQUESTS, CONNECTION_TIMEOUTS, CONNECTION_USE_TIME, CONNECTION_WAIT_TIME,
    OPERATION_DURATION, RETURNED_ROWS,
};
use tallybook_core::metrics::{
    AttributeSet, Data, Definition, Distribution, Metric, Point, duration_bounds, row_bounds,
};
use tallybook_core::pool::{CloseReason, PoolMetrics};

use super::detect::Confidence;
use super::metric_series::SeriesKey;
use super::monitor::Monitor;
use super::monitor_inner::MonitorInner;
use super::server_attributes::ServerAttributes;
use super::statement_registry::Snapshot;
use super::statement_stats::StatsSnapshot;

const NANOS: f64 = 1e9;
/// Tallybook's own attributes.
const CONFIDENCE: &str = "tallybook.finding.confidence";
const REASON: &str = "tallybook.close.reason";

const FINDINGS: Definition<u64> = Definition {
    name: "tallybook.findings",
    instrument: Data::Counter,
    unit: "{finding}",
    description: "N+1 loops and redundant reads, once for each scope or session they were found in.",
    attributes: AttributeSet { required: &[DB_SYSTEM_NAME, CONFIDENCE], optional: &[DB_NAMESPACE] },
};
const STATEMENTS: Definition<i64> = Definition {
    name: "tallybook.statements",
    instrument: Data::UpDownCounter,
    unit: "{statement}",
    description: "Statements counted separately.",
    attributes: AttributeSet { required: &[DB_SYSTEM_NAME], optional: &[DB_NAMESPACE] },
};
const EVICTED: Definition<u64> = Definition {
    name: "tallybook.statements.evicted",
    instrument: Data::Counter,
    unit: "{statement}",
    description: "Statements no longer counted separately, because there were too many.",
    attributes: AttributeSet { required: &[DB_SYSTEM_NAME], optional: &[DB_NAMESPACE] },
};
const CLOSED: Definition<u64> = Definition {
    name: "tallybook.connections.closed",
    instrument: Data::Counter,
    unit: "{connection}",
    description: "Connections closed, by reason.",
    attributes: AttributeSet { required: &[POOL_NAME, REASON], optional: &[] },
};
const REFUSED: Definition<u64> = Definition {
    name: "tallybook.connections.refused",
    instrument: Data::Counter,
    unit: "{request}",
    description: "Requests for a connection that were refused because the queue was full.",
    attributes: AttributeSet { required: &[POOL_NAME], optional: &[] },
};

impl Monitor {
    /// Returns the metrics of the statements and of these pools.
    pub fn metrics(&self, pools: &[PoolMetrics]) -> Vec<Metric> {
        let mut metrics = Vec::from(self.inner.statement_metrics());
        metrics.extend(self.inner.pool_metrics(pools));
        metrics
    }
}

impl MonitorInner {
    fn statement_metrics(&self) -> [Metric; 5] {
        let Snapshot { statements, evicted, evicted_series: mut metric_series } =
            self.statement_registry.snapshot();
        statements.iter().for_each(|statement| metric_series.add(statement));
        let mut durations = Vec::new();
        let mut rows = Vec::new();
        for (series_key, snapshot) in metric_series.iter() {
            self.add_points(series_key, snapshot, &mut durations, &mut rows);
        }
        let findings =
            [Confidence::Confirmed, Confidence::Suspected, Confidence::Redundant].map(|confidence| {
                let count = self.finding_counts[confidence as usize].load(Ordering::Relaxed);
                self.server.point(count).with(CONFIDENCE, confidence.to_string())
            });
        [
            OPERATION_DURATION.metric(durations),
            RETURNED_ROWS.metric(rows),
            FINDINGS.metric(findings.into()),
            STATEMENTS.metric(vec![self.server.point(statements.len() as i64)]),
            EVICTED.metric(vec![self.server.point(evicted)]),
        ]
    }

    fn add_points(
        &self,
        series_key: &SeriesKey,
        snapshot: &StatsSnapshot,
        durations: &mut Vec<Point<Distribution>>,
        rows: &mut Vec<Point<Distribution>>,
    ) {
        if snapshot.times.count() > 0 {
            durations.push(self.server.series_point(series_key, self.duration_distribution(&snapshot.times)));
            rows.push(self.server.series_point(series_key, row_distribution(&snapshot.rows)));
        }
        for (kind, failures) in &snapshot.failures {
            let point = self.server.series_point(series_key, self.duration_distribution(&failures.times));
            let point = point.with(ERROR_TYPE, kind.to_string());
            durations.push(if failures.is_code {
                point.with(DB_RESPONSE_STATUS_CODE, kind.to_string())
            } else {
                point
            });
        }
    }

    fn pool_metrics(&self, pools: &[PoolMetrics]) -> Vec<Metric> {
        let pools: Vec<_> =
            pools.iter().map(|pool| (self.server.pool_name(&pool.status.name), pool)).collect();
        let each = |value: fn(&PoolMetrics) -> i64| {
            pools.iter().map(|(name, pool)| Point::new(value(pool)).with(POOL_NAME, name.clone())).collect()
        };
        let total = |value: fn(&PoolMetrics) -> u64| {
            pools.iter().map(|(name, pool)| Point::new(value(pool)).with(POOL_NAME, name.clone())).collect()
        };
        let times = |times: fn(&PoolMetrics) -> &Counted| {
            let point = |(name, pool): &(String, &PoolMetrics)| {
                Point::new(self.duration_distribution(times(pool))).with(POOL_NAME, name.clone())
            };
            pools.iter().map(point).collect()
        };
        let states = pools.iter().flat_map(|(name, pool)| {
            [(IDLE, pool.status.idle), (USED, pool.status.in_use)].map(|(state, count)| {
                Point::new(count as i64).with(POOL_NAME, name.clone()).with(CONNECTION_STATE, state)
            })
        });
        let closed = pools.iter().flat_map(|(name, pool)| {
            CloseReason::ALL.map(|reason| {
                let count = pool.status.totals.closed.by(reason);
                Point::new(count).with(POOL_NAME, name.clone()).with(REASON, reason.as_str())
            })
        });
        vec![
            CONNECTION_COUNT.metric(states.collect()),
            CONNECTION_MAX.metric(each(|pool| pool.status.limit as i64)),
            CONNECTION_IDLE_MAX.metric(each(|pool| pool.kept as i64)),
            CONNECTION_PENDING_REQUESTS.metric(each(|pool| pool.status.waiting as i64)),
            CONNECTION_TIMEOUTS.metric(total(|pool| pool.status.totals.timeouts())),
            CONNECTION_CREATE_TIME.metric(times(|pool| &pool.connect)),
            CONNECTION_WAIT_TIME.metric(times(|pool| &pool.wait)),
            CONNECTION_USE_TIME.metric(times(|pool| &pool.hold)),
            CLOSED.metric(closed.collect()),
            REFUSED.metric(total(|pool| pool.status.totals.refused)),
        ]
    }

    /// Converts a histogram of nanoseconds into one of seconds.
    fn duration_distribution(&self, times: &Counted) -> Distribution {
        let bounds = duration_bounds(self.settings.sub_millisecond);
        let counts = times.between(bounds.iter().map(|bound| (bound * NANOS).round() as u64));
        Distribution::new(bounds, counts, times.sum as f64 / NANOS)
    }
}

fn row_distribution(rows: &Counted) -> Distribution {
    let bounds = row_bounds();
    Distribution::new(bounds, rows.between(bounds.iter().map(|&bound| bound as u64)), rows.sum as f64)
}

impl ServerAttributes {
    /// Creates a point about the whole database.
    fn point<T>(&self, value: T) -> Point<T> {
        Point::new(value).with(DB_SYSTEM_NAME, self.system).with(DB_NAMESPACE, self.namespace.clone())
    }

    /// Creates a point about one series of statements.
    fn series_point(&self, series_key: &SeriesKey, value: Distribution) -> Point<Distribution> {
        let mut point = self
            .point(value)
            .with(DB_OPERATION_NAME, series_key.operation.to_string())
            .with(DB_QUERY_SUMMARY, series_key.summary.to_string());
        let known = [
            (DB_COLLECTION_NAME, series_key.collection.as_ref().map(ToString::to_string)),
            (SERVER_ADDRESS, self.address.clone()),
            (SERVER_PORT, self.port.map(|port| port.to_string())),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                point = point.with(name, value);
            }
        }
        point
    }

    /// Returns a pool name that is unique in the process.
    fn pool_name(&self, name: &str) -> String {
        // With several servers the name already contains the address.
        if name.contains(':') {
            return format!("{name}/{}", self.namespace);
        }
        let server = self.address.as_ref().map(|address| match self.port {
            Some(port) => format!("{address}:{port}/"),
            None => format!("{address}/"),
        });
        format!("{}{}/{name}", server.unwrap_or_default(), self.namespace)
    }
}
