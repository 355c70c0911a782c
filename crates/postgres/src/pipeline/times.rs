//! The times of the statements of one pipeline.
//!
//! The server sends its answers at the Sync, or when its buffer of 8 KiB is full. So the answers of a pipeline arrive
//! together, whichever statement took long. A Flush behind each statement shows the time of each, and costs the server a system
//! call. Some pipelines are therefore measured in this way; in the others the time of all is divided as in those.

use std::time::Duration;

use tallybook_sql::query::Query;

use super::sql_of;
use super::statement::StatementCache;
use super::step::{Step, StepKind};

/// One pipeline in this many is measured.
const MEASURED: u32 = 16;
/// A pipeline that takes this many times as long as expected makes the next one measured.
const SURPRISE: u32 = 4;

/// Decides which pipelines of a connection are measured.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    pipelines: u32,
    is_surprised: bool,
}

impl Sampler {
    /// Returns whether the next pipeline is measured: one that prepares a statement always is.
    pub(super) fn measures(
        &mut self,
        queries: &mut [&mut dyn Query],
        statements: &mut StatementCache,
    ) -> bool {
        self.pipelines = self.pipelines.wrapping_add(1);
        let is_due = self.pipelines.is_multiple_of(MEASURED) || std::mem::take(&mut self.is_surprised);
        is_due || !queries.iter_mut().all(|query| statements.get(sql_of(*query)).is_some())
    }

    /// Remembers how long each statement of a measured pipeline took.
    pub(super) fn learn(&self, queries: &mut [&mut dyn Query], statements: &mut StatementCache) {
        for query in queries {
            let Some(timing) = query.request().timing else { continue };
            if let Some(prepared) = statements.get(sql_of(*query)) {
                let waited = timing.execute + timing.fetch;
                prepared.expected = match prepared.expected {
                    Duration::ZERO => waited,
                    // Three quarters of what was known, so that one slow run does not decide.
                    expected => (expected * 3 + waited) / 4,
                };
            }
        }
    }

    /// Divides the time of a pipeline that was not measured.
    pub(super) fn divide(&mut self, queries: &mut [&mut dyn Query], steps: &[Step]) {
        let expected = || {
            steps.iter().filter_map(|step| match step.kind {
                StepKind::Query(place) => Some((place, step.expected)),
                _ => None,
            })
        };
        let waited: Duration = queries
            .iter_mut()
            .filter_map(|query| query.request().timing)
            .map(|timing| timing.execute + timing.fetch)
            .sum();
        let all: Duration = expected().map(|(_, expected)| expected).sum();
        if all.is_zero() {
            return;
        }
        self.is_surprised = waited > all * SURPRISE;
        for (place, expected) in expected() {
            if let Some(timing) = &mut queries[place].request().timing {
                timing.execute = waited.mul_f64(expected.as_secs_f64() / all.as_secs_f64());
                timing.fetch = Duration::ZERO;
            }
        }
    }
}
