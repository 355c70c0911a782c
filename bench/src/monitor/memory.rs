//! What the monitor keeps of very many statements.

use anyhow::Result;
use serde::Serialize;
use tallybook::{One, one, params};

use super::mode::Mode;
use crate::allocations::Count;
use crate::runtime::runtime;

/// Statements of a batch.
const BATCH: u32 = 100;
/// Statements of a session, where each has several.
const SESSION: u32 = 1_000;

/// Bytes that are live in the whole process after so many statements, each with a fingerprint of its own.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) statements: u32,
    /// With the mode "off".
    pub(super) off: i64,
    /// With the mode "full", in many sessions that are closed.
    pub(super) full: i64,
    /// With the mode "full", in one session that is open still.
    pub(super) open: i64,
}

impl Memory {
    /// What the monitor kept, at its worst.
    pub(super) fn most(&self) -> i64 {
        self.full.max(self.open) - self.off
    }
}

pub(super) fn measure(statements: u32) -> Result<Memory> {
    Ok(Memory {
        statements,
        off: live_bytes(Mode::Off, statements, SESSION)?,
        full: live_bytes(Mode::Full, statements, SESSION)?,
        open: live_bytes(Mode::Full, statements, statements)?,
    })
}

/// Looks while the last session is open; the ones before are closed.
fn live_bytes(mode: Mode, statements: u32, in_session: u32) -> Result<i64> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let count = Count::begin();
        let database = mode.open("sqlite::memory:").await?;
        let mut session = database.read().await?;
        for first in (0..statements).step_by(BATCH as usize) {
            if first % in_session == 0 {
                // The old one goes first: it has the connection that the new one gets.
                drop(session);
                session = database.read().await?;
            }
            session.run((first..first + BATCH).map(distinct).collect::<Vec<_>>()).await?;
        }
        if in_session < statements {
            drop(session);
        }
        Ok(count.so_far().live_bytes)
    })
}

/// The name of its column tells its fingerprint from all others.
fn distinct(number: u32) -> One<(i64,)> {
    one(format!("SELECT 1 AS c{number}"), params![])
}
