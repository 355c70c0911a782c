//! The connection of a check to its node.

use tallybook_core::driver::Connection;
use tallybook_migrate::Revision;
use tallybook_sql::error::Result;
use tallybook_sql::query::Batch;
use tallybook_sql::transaction::TransactionFraming;

use super::node::NodeConfig;
use super::node_report::NodeReport;

/// The context of a check: a connection to the node, and where its results go.
pub(super) struct Probe<'a> {
    pub(super) connection: Connection,
    pub(super) config: &'a NodeConfig,
    pub(super) revisions: &'a [Revision],
    /// Name of the connected PostgreSQL user.
    pub(super) user: String,
    pub(super) report: &'a mut NodeReport,
}

impl Probe<'_> {
    /// Runs a read-only batch. One round trip.
    pub(super) async fn fetch<B: Batch>(&mut self, batch: B) -> Result<B::Output> {
        let framing = TransactionFraming { read_only: true, ..TransactionFraming::default() };
        self.connection.execute(batch, framing).await?.finish()
    }

    /// Marks a check as skipped, because of this user's rights or the size of the database.
    pub(super) fn skip(&mut self, check: &'static str) {
        self.report.node.skipped.push(check);
    }
}
