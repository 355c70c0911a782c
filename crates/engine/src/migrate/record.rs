//! What is recorded of adoptions and releases.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::catalog::{self, fetch};
use crate::driver::Connection;
use crate::error::Result;
use crate::params;
use crate::query::{Execute, execute, optional};
use crate::settings::Engine;
use crate::value::now;

/// What a database was when it was adopted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Adopted {
    /// Alembic's version; none if Alembic had none of it.
    pub(super) version: Option<String>,
    /// What of later versions was there already.
    #[serde(default)]
    pub(super) already: Vec<String>,
    /// The journal mode of an SQLite file.
    #[serde(default)]
    pub(super) journal_mode: Option<String>,
}

/// The last that happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Adopted(Adopted),
    /// It was handed back, in this state.
    Released(Adopted),
}

/// The last adoption or release, and when that was.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    pub(super) event: Option<Event>,
    at: Option<DateTime<Utc>>,
}

impl Last {
    /// What is recorded in a database.
    pub(super) async fn read(connection: &mut Connection) -> Result<Self> {
        if !catalog::tables(connection).await?.iter().any(|table| table == "tallybook_events") {
            return Ok(Self::default());
        }
        let sql = "SELECT kind, detail, at FROM tallybook_events WHERE kind IN ('adopt', 'release') \
                   ORDER BY at DESC, kind DESC LIMIT 1";
        let row = optional::<(String, Option<String>, DateTime<Utc>)>(sql, params![]);
        let Some((kind, detail, at)) = fetch(connection, row).await? else { return Ok(Self::default()) };
        let state = Adopted::parse(&detail.unwrap_or_default());
        let event = if kind == "adopt" { Event::Adopted(state) } else { Event::Released(state) };
        Ok(Self { event: Some(event), at: Some(at) })
    }

    /// The adoption that was not taken back.
    pub(super) fn adopted(&self) -> Option<&Adopted> {
        match &self.event {
            Some(Event::Adopted(adopted)) => Some(adopted),
            _ => None,
        }
    }

    /// The statement that records what happens now.
    pub(super) fn record(&self, event: &Event) -> Result<Execute> {
        let (kind, state) = match event {
            Event::Adopted(state) => ("adopt", state),
            Event::Released(state) => ("release", state),
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

impl Adopted {
    /// Programs before this one recorded `alembic` and the version.
    fn parse(detail: &str) -> Self {
        let version = detail.strip_prefix("alembic ").map(str::to_owned);
        serde_json::from_str(detail).unwrap_or(Self { version, ..Self::default() })
    }
}

/// The journal mode of an SQLite file, before anything is written to it.
pub(super) async fn journal_mode(connection: &mut Connection) -> Result<Option<String>> {
    if connection.engine() == Engine::Postgres {
        return Ok(None);
    }
    let sql = "SELECT journal_mode FROM pragma_journal_mode";
    Ok(fetch(connection, optional::<(String,)>(sql, params![])).await?.map(|(mode,)| mode))
}
