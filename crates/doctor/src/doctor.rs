//! The doctor: checks all nodes concurrently.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tallybook_core::settings::Settings;
use tallybook_migrate::Revision;
use tokio::time::timeout;

use super::finding::Finding;
use super::node::{Location, NodeConfig, configured_nodes};
use super::node_report::NodeReport;
use super::report::Report;
use super::units;
use super::{configuration, nodes, postgres, sqlite};

/// Default time limit for one node.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Checks settings and all nodes they name; see the [crate].
#[derive(Clone, Debug)]
pub struct Doctor<'a> {
    settings: &'a Settings,
    revisions: &'a [Revision],
    time_limit: Duration,
}

impl<'a> Doctor<'a> {
    /// Creates a doctor for the nodes of these settings. `revisions` are those the database should have; an
    /// empty slice skips the check.
    pub fn new(settings: &'a Settings, revisions: &'a [Revision]) -> Self {
        Self { settings, revisions, time_limit: DEFAULT_TIME_LIMIT }
    }

    /// Sets the time limit for one node, 10 s by default. Results up to then are reported.
    #[must_use]
    pub fn within(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Runs all checks. Never fails: a node that cannot be reached or seen is a finding.
    pub async fn examine(&self) -> Report {
        let configs = configured_nodes(self.settings);
        let mut findings = configuration::check(self.settings, &configs);
        let mut reports = join_all(configs.iter().map(|config| self.check(config))).await;
        findings.extend(nodes::compare(self.settings, &configs, &mut reports));
        let mut nodes = Vec::new();
        for report in reports {
            findings.extend(report.findings);
            nodes.push(report.node);
        }
        Report::new(findings, nodes)
    }

    async fn check(&self, config: &NodeConfig) -> NodeReport {
        let started_at = Instant::now();
        let mut report = NodeReport::new(config);
        let check = async {
            match &config.location {
                Location::Postgres(target) => {
                    postgres::check(config, target, self.revisions, &mut report).await;
                }
                Location::Sqlite(location) => {
                    sqlite::check(config, location, self.revisions, &mut report).await;
                }
            }
        };
        if timeout(self.time_limit, check).await.is_err() {
            match report.node.facts {
                Some(_) => report.push(incomplete(self.time_limit)),
                None => report.failure = Some(postgres::silent_after_connect(self.time_limit)),
            }
        }
        report.node.milliseconds = started_at.elapsed().as_millis() as u64;
        report
    }
}

fn incomplete(time_limit: Duration) -> Finding {
    let limit = units::seconds(time_limit.as_secs() as i64);
    Finding::warning(
        "connection",
        format!("after {limit} the checks were incomplete; the missing ones neither passed nor failed"),
        "the node answers slowly: it is busy, its disk is slow, or the network is",
    )
    .run("tallybook doctor --within 60")
}
