//! What was counted, as metrics. Done when somebody asks, so that counting itself stays cheap.

use std::sync::atomic::Ordering;

use super::catalog::Snapshot;
use super::core::{Monitor, Shared};
use super::detect::Grade;
use super::place::Place;
use super::series::Subject;
use super::statement::Figures;
use crate::histogram::Counted;
use crate::metrics::attribute::{
    CONNECTION_STATE, DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY,
    DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ERROR_TYPE, IDLE, POOL_NAME, SERVER_ADDRESS, SERVER_PORT, USED,
};
use crate::metrics::convention::{
    CONNECTION_COUNT, CONNECTION_CREATE_TIME, CONNECTION_IDLE_MAX, CONNECTION_MAX,
    CONNECTION_PENDING_REQUESTS, CONNECTION_TIMEOUTS, CONNECTION_USE_TIME, CONNECTION_WAIT_TIME,
    OPERATION_DURATION, RETURNED_ROWS,
};
use crate::metrics::{
    AttributeSet, Data, Definition, Distribution, Metric, Point, duration_bounds, row_bounds,
};
use crate::pool::{CloseReason, PoolFigures};

const NANOS: f64 = 1e9;
/// What our own attributes are called.
const GRADE: &str = "tallybook.finding.grade";
const REASON: &str = "tallybook.close.reason";

const FINDINGS: Definition<u64> = Definition {
    name: "tallybook.findings",
    instrument: Data::Counter,
    unit: "{finding}",
    description: "N+1 loops and redundant reads, once for each scope or session they were found in.",
    attributes: AttributeSet { required: &[DB_SYSTEM_NAME, GRADE], optional: &[DB_NAMESPACE] },
};
const STATEMENTS: Definition<i64> = Definition {
    name: "tallybook.statements",
    instrument: Data::UpDownCounter,
    unit: "{statement}",
    description: "Statements that are told apart.",
    attributes: AttributeSet { required: &[DB_SYSTEM_NAME], optional: &[DB_NAMESPACE] },
};
const EVICTED: Definition<u64> = Definition {
    name: "tallybook.statements.evicted",
    instrument: Data::Counter,
    unit: "{statement}",
    description: "Statements that are no longer told apart, because there were too many.",
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
    pub(crate) fn metrics(&self, pools: &[PoolFigures]) -> Vec<Metric> {
        let mut metrics = Vec::from(self.0.statement_metrics());
        metrics.extend(self.0.pool_metrics(pools));
        metrics
    }
}

impl Shared {
    fn statement_metrics(&self) -> [Metric; 5] {
        let Snapshot { statements, evicted, left: mut series } = self.catalog.snapshot();
        statements.iter().for_each(|statement| series.add(statement));
        let mut durations = Vec::new();
        let mut rows = Vec::new();
        for (subject, figures) in series.iter() {
            self.add_points(subject, figures, &mut durations, &mut rows);
        }
        let findings = [Grade::Confirmed, Grade::Suspected, Grade::Redundant].map(|grade| {
            let count = self.found[grade as usize].load(Ordering::Relaxed);
            self.place.point(count).with(GRADE, grade.to_string())
        });
        [
            OPERATION_DURATION.metric(durations),
            RETURNED_ROWS.metric(rows),
            FINDINGS.metric(findings.into()),
            STATEMENTS.metric(vec![self.place.point(statements.len() as i64)]),
            EVICTED.metric(vec![self.place.point(evicted)]),
        ]
    }

    fn add_points(
        &self,
        subject: &Subject,
        figures: &Figures,
        durations: &mut Vec<Point<Distribution>>,
        rows: &mut Vec<Point<Distribution>>,
    ) {
        if figures.times.count() > 0 {
            durations.push(self.place.about(subject, self.seconds(&figures.times)));
            rows.push(self.place.about(subject, numbers(&figures.rows)));
        }
        for (kind, failures) in &figures.failures {
            let point = self.place.about(subject, self.seconds(&failures.times));
            let point = point.with(ERROR_TYPE, kind.to_string());
            durations.push(if failures.is_code {
                point.with(DB_RESPONSE_STATUS_CODE, kind.to_string())
            } else {
                point
            });
        }
    }

    fn pool_metrics(&self, pools: &[PoolFigures]) -> Vec<Metric> {
        let pools: Vec<_> = pools.iter().map(|pool| (self.place.pool(&pool.status.name), pool)).collect();
        let each = |value: fn(&PoolFigures) -> i64| {
            pools.iter().map(|(name, pool)| Point::new(value(pool)).with(POOL_NAME, name.clone())).collect()
        };
        let total = |value: fn(&PoolFigures) -> u64| {
            pools.iter().map(|(name, pool)| Point::new(value(pool)).with(POOL_NAME, name.clone())).collect()
        };
        let times = |times: fn(&PoolFigures) -> &Counted| {
            let point = |(name, pool): &(String, &PoolFigures)| {
                Point::new(self.seconds(times(pool))).with(POOL_NAME, name.clone())
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

    /// A histogram of nanoseconds as one of seconds.
    fn seconds(&self, times: &Counted) -> Distribution {
        let bounds = duration_bounds(self.settings.sub_millisecond);
        let counts = times.between(bounds.iter().map(|bound| (bound * NANOS).round() as u64));
        Distribution::new(bounds, counts, times.sum as f64 / NANOS)
    }
}

fn numbers(rows: &Counted) -> Distribution {
    let bounds = row_bounds();
    Distribution::new(bounds, rows.between(bounds.iter().map(|&bound| bound as u64)), rows.sum as f64)
}

impl Place {
    /// A point about the whole database.
    fn point<T>(&self, value: T) -> Point<T> {
        Point::new(value).with(DB_SYSTEM_NAME, self.system).with(DB_NAMESPACE, self.namespace.clone())
    }

    /// A point about some statements.
    fn about(&self, subject: &Subject, value: Distribution) -> Point<Distribution> {
        let mut point = self
            .point(value)
            .with(DB_OPERATION_NAME, subject.operation.to_string())
            .with(DB_QUERY_SUMMARY, subject.summary.to_string());
        let known = [
            (DB_COLLECTION_NAME, subject.collection.as_ref().map(ToString::to_string)),
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

    /// The name of a pool, which no other pool of the process has.
    fn pool(&self, name: &str) -> String {
        // That of one server of several has its address already.
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
