//! Metrics from OpenTelemetry's database client conventions, version 1.33 and later.
//!
//! The metric of operations is stable there; those of rows and connections are in development.

use super::attribute::{
    CONNECTION_STATE, DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY,
    DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ERROR_TYPE, POOL_NAME, SERVER_ADDRESS, SERVER_PORT,
};
use super::definition::{AttributeSet, Definition};
use super::metric::{Data, Distribution};

const OPERATION: AttributeSet = AttributeSet {
    required: &[DB_SYSTEM_NAME],
    optional: &[
        DB_COLLECTION_NAME,
        DB_NAMESPACE,
        DB_OPERATION_NAME,
        DB_QUERY_SUMMARY,
        DB_RESPONSE_STATUS_CODE,
        ERROR_TYPE,
        SERVER_ADDRESS,
        SERVER_PORT,
    ],
};
const POOL: AttributeSet = AttributeSet { required: &[POOL_NAME], optional: &[] };
const POOL_AND_STATE: AttributeSet = AttributeSet { required: &[POOL_NAME, CONNECTION_STATE], optional: &[] };

/// Duration of each operation, in seconds.
pub const OPERATION_DURATION: Definition<Distribution> = Definition {
    name: "db.client.operation.duration",
    instrument: Data::Histogram,
    unit: "s",
    description: "Duration of database client operations.",
    attributes: OPERATION,
};

/// Rows that each operation returned.
pub const RETURNED_ROWS: Definition<Distribution> = Definition {
    name: "db.client.response.returned_rows",
    instrument: Data::Histogram,
    unit: "{row}",
    description: "The actual number of records returned by the database operation.",
    attributes: OPERATION,
};

/// Open connections by pool and state.
pub const CONNECTION_COUNT: Definition<i64> = Definition {
    name: "db.client.connection.count",
    instrument: Data::UpDownCounter,
    unit: "{connection}",
    description: "The number of connections that are currently in state described by the `state` attribute.",
    attributes: POOL_AND_STATE,
};

/// Idle connections that a pool keeps.
pub const CONNECTION_IDLE_MAX: Definition<i64> = Definition {
    name: "db.client.connection.idle.max",
    instrument: Data::UpDownCounter,
    unit: "{connection}",
    description: "The maximum number of idle open connections allowed.",
    attributes: POOL,
};

/// Connections that a pool opens at most.
pub const CONNECTION_MAX: Definition<i64> = Definition {
    name: "db.client.connection.max",
    instrument: Data::UpDownCounter,
    unit: "{connection}",
    description: "The maximum number of open connections allowed.",
    attributes: POOL,
};

/// Callers that wait for a connection.
pub const CONNECTION_PENDING_REQUESTS: Definition<i64> = Definition {
    name: "db.client.connection.pending_requests",
    instrument: Data::UpDownCounter,
    unit: "{request}",
    description: "The number of current pending requests for an open connection.",
    attributes: POOL,
};

/// Callers that timed out waiting for a connection.
pub const CONNECTION_TIMEOUTS: Definition<u64> = Definition {
    name: "db.client.connection.timeouts",
    instrument: Data::Counter,
    unit: "{timeout}",
    description: "The number of connection timeouts that have occurred trying to obtain a connection from \
                  the pool.",
    attributes: POOL,
};

/// Time to open a connection, in seconds.
pub const CONNECTION_CREATE_TIME: Definition<Distribution> = Definition {
    name: "db.client.connection.create_time",
    instrument: Data::Histogram,
    unit: "s",
    description: "The time it took to create a new connection.",
    attributes: POOL,
};

/// Time that callers waited for a connection, in seconds.
pub const CONNECTION_WAIT_TIME: Definition<Distribution> = Definition {
    name: "db.client.connection.wait_time",
    instrument: Data::Histogram,
    unit: "s",
    description: "The time it took to obtain an open connection from the pool.",
    attributes: POOL,
};

/// Time that sessions kept a connection, in seconds.
pub const CONNECTION_USE_TIME: Definition<Distribution> = Definition {
    name: "db.client.connection.use_time",
    instrument: Data::Histogram,
    unit: "s",
    description: "The time between borrowing a connection and returning it to the pool.",
    attributes: POOL,
};

#[cfg(test)]
mod tests {
    use super::*;

    const OF_OPERATIONS: [&str; 8] = [
        "db.collection.name",
        "db.namespace",
        "db.operation.name",
        "db.query.summary",
        "db.response.status_code",
        "error.type",
        "server.address",
        "server.port",
    ];
    const POOL: &str = "db.client.connection.pool.name";

    fn assert_is<T>(
        definition: &Definition<T>,
        [name, instrument, unit, description]: [&str; 4],
        required: &[&str],
        optional: &[&str],
    ) {
        let actual = match (definition.instrument)(Vec::new()) {
            Data::Counter(_) => "Counter",
            Data::UpDownCounter(_) => "UpDownCounter",
            Data::Gauge(_) => "Gauge",
            Data::Histogram(_) => "Histogram",
        };
        assert_eq!(definition.name, name);
        assert_eq!(actual, instrument, "{name}");
        assert_eq!(definition.unit, unit, "{name}");
        assert_eq!(definition.description, description, "{name}");
        assert_eq!(definition.attributes.required, required, "{name}");
        assert_eq!(definition.attributes.optional, optional, "{name}");
    }

    #[test]
    fn operations_take_time() {
        assert_is(
            &OPERATION_DURATION,
            ["db.client.operation.duration", "Histogram", "s", "Duration of database client operations."],
            &["db.system.name"],
            &OF_OPERATIONS,
        );
    }

    #[test]
    fn operations_return_rows() {
        assert_is(
            &RETURNED_ROWS,
            [
                "db.client.response.returned_rows",
                "Histogram",
                "{row}",
                "The actual number of records returned by the database operation.",
            ],
            &["db.system.name"],
            &OF_OPERATIONS,
        );
    }

    #[test]
    fn connections_are_counted_by_state() {
        assert_is(
            &CONNECTION_COUNT,
            [
                "db.client.connection.count",
                "UpDownCounter",
                "{connection}",
                "The number of connections that are currently in state described by the `state` attribute.",
            ],
            &[POOL, "db.client.connection.state"],
            &[],
        );
    }

    #[test]
    fn the_limits_of_a_pool_add_up_over_pools() {
        for (definition, name, description) in [
            (
                CONNECTION_IDLE_MAX,
                "db.client.connection.idle.max",
                "The maximum number of idle open connections allowed.",
            ),
            (CONNECTION_MAX, "db.client.connection.max", "The maximum number of open connections allowed."),
        ] {
            assert_is(&definition, [name, "UpDownCounter", "{connection}", description], &[POOL], &[]);
        }
    }

    #[test]
    fn requests_wait_for_connections() {
        assert_is(
            &CONNECTION_PENDING_REQUESTS,
            [
                "db.client.connection.pending_requests",
                "UpDownCounter",
                "{request}",
                "The number of current pending requests for an open connection.",
            ],
            &[POOL],
            &[],
        );
    }

    #[test]
    fn requests_for_connections_time_out() {
        assert_is(
            &CONNECTION_TIMEOUTS,
            [
                "db.client.connection.timeouts",
                "Counter",
                "{timeout}",
                "The number of connection timeouts that have occurred trying to obtain a connection from \
                  the pool.",
            ],
            &[POOL],
            &[],
        );
    }

    #[test]
    fn connections_take_time() {
        for (definition, name, description) in [
            (
                CONNECTION_CREATE_TIME,
                "db.client.connection.create_time",
                "The time it took to create a new connection.",
            ),
            (
                CONNECTION_WAIT_TIME,
                "db.client.connection.wait_time",
                "The time it took to obtain an open connection from the pool.",
            ),
            (
                CONNECTION_USE_TIME,
                "db.client.connection.use_time",
                "The time between borrowing a connection and returning it to the pool.",
            ),
        ] {
            assert_is(&definition, [name, "Histogram", "s", description], &[POOL], &[]);
        }
    }

    #[test]
    fn a_connection_is_idle_or_used() {
        assert_eq!([super::super::attribute::IDLE, super::super::attribute::USED], ["idle", "used"]);
    }
}
