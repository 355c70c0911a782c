//! Statement statistics summed by operation, table and summary: few enough series for a metrics backend.

use std::collections::BTreeMap;

use tallybook_sql::fingerprint::Fingerprint;

use super::statement_stats::{OTHER, StatementStats, StatsSnapshot};

/// Series kept apart for evicted statements; further ones share the series [`OTHER`].
const MAX_EVICTED: usize = 256;

/// The attributes that identify a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) operation: Box<str>,
    pub(super) collection: Option<Box<str>>,
    pub(super) summary: Box<str>,
}

/// Statistics by series.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricSeries(BTreeMap<SeriesKey, StatsSnapshot>);

impl MetricSeries {
    /// Adds the statistics of a statement.
    pub(super) fn add(&mut self, statement: &StatementStats) {
        self.add_figures(SeriesKey::of(statement), statement.snapshot());
    }

    /// Adds the statistics of an evicted statement.
    pub(super) fn add_evicted(&mut self, statement: &StatementStats) {
        let series_key = SeriesKey::of(statement);
        let has_room = self.0.len() < MAX_EVICTED || self.0.contains_key(&series_key);
        self.add_figures(if has_room { series_key } else { SeriesKey::other() }, statement.snapshot());
    }

    fn add_figures(&mut self, series_key: SeriesKey, snapshot: StatsSnapshot) {
        match self.0.get_mut(&series_key) {
            Some(sum) => sum.add(&snapshot),
            None => drop(self.0.insert(series_key, snapshot)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SeriesKey, &StatsSnapshot)> {
        self.0.iter()
    }
}

impl SeriesKey {
    fn of(statement: &StatementStats) -> Self {
        let Fingerprint { operation, collection, summary, .. } = &statement.fingerprint;
        // OpenTelemetry sets the collection only for a statement with a single table.
        let is_only = |table: &str| format!("{operation} {table}") == **summary;
        Self {
            operation: operation.clone(),
            collection: collection.clone().filter(|table| is_only(table)),
            summary: summary.clone(),
        }
    }

    fn other() -> Self {
        Self { operation: OTHER.into(), collection: None, summary: OTHER.into() }
    }
}
