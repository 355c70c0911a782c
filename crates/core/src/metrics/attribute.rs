//! Attribute names from OpenTelemetry's database client conventions, and the values they take here.

/// `postgresql` or `sqlite`.
pub const DB_SYSTEM_NAME: &str = "db.system.name";
/// The database. On PostgreSQL `database|schema` where the settings fix the schema.
pub const DB_NAMESPACE: &str = "db.namespace";
/// The table, if the caller named exactly one. Never parsed from the SQL.
pub const DB_COLLECTION_NAME: &str = "db.collection.name";
/// The operation, if the caller named one; never parsed from the SQL. Prefixed with `BATCH ` for a batch of
/// equal operations, and plain `BATCH` for a mixed one.
pub const DB_OPERATION_NAME: &str = "db.operation.name";
/// Verb and tables of a class of statements, for example `SELECT notes`. Of low cardinality.
pub const DB_QUERY_SUMMARY: &str = "db.query.summary";
/// Error code of a failed operation that the database answered: PostgreSQL's SQLSTATE or SQLite's extended
/// result code.
pub const DB_RESPONSE_STATUS_CODE: &str = "db.response.status_code";
/// Set on failed operations only: the status code, or the kind of the error if there is none.
pub const ERROR_TYPE: &str = "error.type";
/// Host from the settings, or the directory of the Unix socket. Absent on SQLite.
pub const SERVER_ADDRESS: &str = "server.address";
/// Port, if there is a host and the port is not the default of the database.
pub const SERVER_PORT: &str = "server.port";
/// Name of the pool, unique within the process.
pub const POOL_NAME: &str = "db.client.connection.pool.name";
/// State of a connection: [`IDLE`] or [`USED`].
pub const CONNECTION_STATE: &str = "db.client.connection.state";
/// Value of [`CONNECTION_STATE`] for a connection in the pool.
pub const IDLE: &str = "idle";
/// Value of [`CONNECTION_STATE`] for a connection that a session uses.
pub const USED: &str = "used";
