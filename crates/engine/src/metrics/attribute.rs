//! The names of attributes in OpenTelemetry's conventions for database clients, and what they hold here.

/// `postgresql` or `sqlite`.
pub(crate) const DB_SYSTEM_NAME: &str = "db.system.name";
/// The database; for PostgreSQL `database|schema`, where the schema is known without asking.
pub(crate) const DB_NAMESPACE: &str = "db.namespace";
/// The table, where the caller named a single one: never taken from the SQL.
pub(crate) const DB_COLLECTION_NAME: &str = "db.collection.name";
/// What was done, where the caller named it: never taken from the SQL. In batches of one and the same, behind
/// `BATCH `, and in others just `BATCH`.
pub(crate) const DB_OPERATION_NAME: &str = "db.operation.name";
/// What a class of statements does to which tables: `SELECT notes`. Few different ones.
pub(crate) const DB_QUERY_SUMMARY: &str = "db.query.summary";
/// Of failed operations the database answered: PostgreSQL's SQLSTATE, SQLite's extended result code.
pub(crate) const DB_RESPONSE_STATUS_CODE: &str = "db.response.status_code";
/// Of failed operations, and only these: the status code, or else the kind of the error.
pub(crate) const ERROR_TYPE: &str = "error.type";
/// The host as it was configured, or the path of a socket. SQLite has none.
pub(crate) const SERVER_ADDRESS: &str = "server.address";
/// Where there is an address and the port is not the engine's usual one.
pub(crate) const SERVER_PORT: &str = "server.port";
/// The pool, among all of the process.
pub(crate) const POOL_NAME: &str = "db.client.connection.pool.name";
/// [`IDLE`] or [`USED`].
pub(crate) const CONNECTION_STATE: &str = "db.client.connection.state";
pub(crate) const IDLE: &str = "idle";
pub(crate) const USED: &str = "used";
