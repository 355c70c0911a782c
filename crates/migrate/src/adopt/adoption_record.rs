//! Records of adoptions and releases.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{Execute, execute, optional};
use tallybook_sql::value::now;

use crate::catalog::{self, fetch};

/// The state of a database when it was adopted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AdoptedState {
    /// Alembic's version; `None` if Alembic had none.
    pub(crate) version: Option<String>,
    /// The parts of later versions that existed already.
    #[serde(default)]
    pub(crate) already: Vec<String>,
    /// The journal mode of an SQLite file.
    #[serde(default)]
    pub(crate) journal_mode: Option<String>,
}

/// An adoption or a release.
#[derive(Clone, Debug)]
pub(crate) enum AdoptionEvent {
    Adopted(AdoptedState),
    /// The database was handed back to Alembic, in this state.
    Released(AdoptedState),
}

/// The last adoption or release, and its time.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastAdoption {
    pub(crate) event: Option<AdoptionEvent>,
    at: Option<DateTime<Utc>>,
}

impl LastAdoption {
    /// Reads the last adoption or release. Two round trips.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self> {
        if !catalog::tables(connection).await?.iter().any(|table| table == "tallybook_events") {
            return Ok(Self::default());
        }
        let sql = "SELECT kind, detail, at FROM tallybook_events WHERE kind IN ('adopt', 'release') \
                   ORDER BY at DESC, kind DESC LIMIT 1";
        let row = optional::<(String, Option<String>, DateTime<Utc>)>(sql, params![]);
        let Some((kind, detail, at)) = fetch(connection, row).await? else { return Ok(Self::default()) };
        let state = AdoptedState::parse(&detail.unwrap_or_default());
        let event =
            if kind == "adopt" { AdoptionEvent::Adopted(state) } else { AdoptionEvent::Released(state) };
        Ok(Self { event: Some(event), at: Some(at) })
    }

    /// Returns the current adoption, unless a release followed it.
    pub(crate) fn adopted(&self) -> Option<&AdoptedState> {
        match &self.event {
            Some(AdoptionEvent::Adopted(adopted)) => Some(adopted),
            _ => None,
        }
    }

    /// Returns the statement that records an event now.
    pub(crate) fn record(&self, event: &AdoptionEvent) -> Result<Execute> {
        let (kind, state) = match event {
            AdoptionEvent::Adopted(state) => ("adopt", state),
            AdoptionEvent::Released(state) => ("release", state),
        };
        // The clock of another machine may be ahead.
        let earliest = self.at.map(|at| at + TimeDelta::microseconds(1));
        let at = earliest.map_or_else(now, |earliest| now().max(earliest));
        let detail = serde_json::to_string(state).unwrap_or_default();
        Ok(execute(
            "INSERT INTO tallybook_events (at, kind, detail) VALUES ($1, $2, $3)",
            params![at, kind, detail],
        ))
    }
}

impl AdoptedState {
    /// Earlier versions recorded `alembic` and the version.
    fn parse(detail: &str) -> Self {
        let version = detail.strip_prefix("alembic ").map(str::to_owned);
        serde_json::from_str(detail).unwrap_or(Self { version, ..Self::default() })
    }
}

/// Returns the journal mode of an SQLite file, before anything is written to it.
pub(crate) async fn journal_mode(connection: &mut Connection) -> Result<Option<String>> {
    if connection.dialect() == Dialect::Postgres {
        return Ok(None);
    }
    let sql = "SELECT journal_mode FROM pragma_journal_mode";
    Ok(fetch(connection, optional::<(String,)>(sql, params![])).await?.map(|(mode,)| mode))
}
