//! The indexes that are of no use, for index advice. The checks of the doctor find them.

use futures_util::future::join_all;
use tallybook_core::settings::Settings;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, Result};
use tokio::time::timeout;

use super::doctor::Doctor;
use super::node::{CONNECT_LIMIT, ConfiguredAs, Location, NodeConfig, configured_nodes};
use super::node_report::NodeReport;
use super::nodes::unused_indexes;
use super::probe::Probe;
use super::{postgres, sqlite};

/// Indexes that are of no use, without those of the given revisions.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct IndexReview {
    /// Indexes that another one makes redundant.
    pub redundant: Vec<RedundantIndex>,
    /// Indexes that no node of PostgreSQL has read. Unique ones are not among them.
    pub unread: Vec<UnreadIndex>,
}

/// An index that another one makes redundant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedundantIndex {
    /// Its name.
    pub name: String,
    /// The index that replaces it.
    pub other: String,
    /// True if both have the same columns; else it is a prefix.
    pub is_same: bool,
}

/// An index that no node has read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadIndex {
    /// Its name.
    pub name: String,
    /// Since when the primary counts.
    pub since: String,
    /// Number of other nodes that have not read it either.
    pub other_nodes: usize,
    /// Number of replicas that were not reached and may use it.
    pub unreached_nodes: usize,
}

impl Doctor<'_> {
    /// Reviews the indexes of the primary, and on all nodes of PostgreSQL how they are used.
    ///
    /// # Errors
    /// If the primary cannot be asked. A replica that cannot is counted.
    pub async fn review_indexes(settings: &Settings) -> Result<IndexReview> {
        let configs = configured_nodes(settings);
        let examined = join_all(configs.iter().map(examine)).await;
        let mut review = IndexReview::default();
        let mut reports = Vec::new();
        for (config, examined) in configs.iter().zip(examined) {
            match examined {
                Ok((report, redundant)) => {
                    if review.redundant.is_empty() && config.configured != ConfiguredAs::Replica {
                        review.redundant = redundant;
                    }
                    reports.push(report);
                }
                Err(_) if config.configured == ConfiguredAs::Replica => reports.push(NodeReport::new(config)),
                Err(error) => return Err(error),
            }
        }
        review.unread = unused_indexes::review(&reports);
        Ok(review)
    }
}

async fn examine(config: &NodeConfig) -> Result<(NodeReport, Vec<RedundantIndex>)> {
    let connector = match &config.location {
        Location::Postgres(target) => postgres::connector(target),
        Location::Sqlite(location) => sqlite::connector(location),
    };
    let connecting = timeout(CONNECT_LIMIT, connector.connect(Role::Inspect)).await;
    let connection =
        connecting.map_err(|_| Error::connect(&config.name, "it does not answer".to_owned()))??;
    let mut report = NodeReport::new(config);
    let mut probe = Probe { connection, config, revisions: &[], user: String::new(), report: &mut report };
    let redundant = match &config.location {
        Location::Postgres(_) => {
            postgres::read_facts(&mut probe).await?;
            postgres::collect_index_use(&mut probe, 0).await?;
            postgres::redundant_indexes(&mut probe).await?
        }
        Location::Sqlite(_) => sqlite::redundant_indexes(&mut probe).await?,
    };
    probe.connection.close().await;
    Ok((report, redundant))
}
