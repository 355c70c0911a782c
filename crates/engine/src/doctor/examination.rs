//! Looking at all nodes at the same time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::finding::Finding;
use super::node::{At, Seat, seats};
use super::report::Report;
use super::units;
use super::visit::Seen;
use super::{configuration, nodes, postgres, sqlite};
use crate::migrate::Revision;
use crate::settings::Settings;

/// How long a node is looked at, unless told otherwise.
const WITHIN: Duration = Duration::from_secs(10);

/// Looks at a configuration and at all that it names; see the [module](crate::doctor).
#[derive(Clone, Debug)]
pub struct Doctor<'a> {
    settings: &'a Settings,
    revisions: &'a [Revision],
    within: Duration,
}

impl<'a> Doctor<'a> {
    /// A doctor for what these settings name, which should have these revisions; none if it has none.
    pub fn new(settings: &'a Settings, revisions: &'a [Revision]) -> Self {
        Self { settings, revisions, within: WITHIN }
    }

    /// Ends the look at a node after this time. 10 s unless set; what was seen until then is reported.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Looks at everything. It never fails: what can't be seen is a finding.
    pub async fn examine(&self) -> Report {
        let seats = seats(self.settings);
        let mut findings = configuration::look(self.settings, &seats);
        let mut seen = join_all(seats.iter().map(|seat| self.look(seat))).await;
        findings.extend(nodes::compare(self.settings, &seats, &mut seen));
        let mut nodes = Vec::new();
        for seen in seen {
            findings.extend(seen.findings);
            nodes.push(seen.node);
        }
        Report::new(findings, nodes)
    }

    async fn look(&self, seat: &Seat) -> Seen {
        let begun = Instant::now();
        let mut seen = Seen::new(seat);
        let look = async {
            match &seat.at {
                At::Postgres(target) => postgres::look(seat, target, self.revisions, &mut seen).await,
                At::Sqlite(location) => sqlite::look(seat, location, self.revisions, &mut seen).await,
            }
        };
        if timeout(self.within, look).await.is_err() {
            match seen.node.facts {
                Some(_) => seen.push(unfinished(self.within)),
                None => seen.failure = Some(postgres::mute(self.within)),
            }
        }
        seen.node.milliseconds = begun.elapsed().as_millis() as u64;
        seen
    }
}

fn unfinished(within: Duration) -> Finding {
    let limit = units::seconds(within.as_secs() as i64);
    Finding::warning(
        "connection",
        format!("after {limit} not all checks were made; those that are missing are neither found nor ok"),
        "the node answers slowly: it is busy, its disk is slow, or the network is",
    )
    .run("tallybook doctor --within 60")
}
