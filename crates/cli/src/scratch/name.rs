//! Names that nobody else uses.

use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// A name for what this program makes and removes; who finds one left behind by a killed program knows what
/// it is.
pub(crate) fn name() -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    format!("tallybook_scratch_{}_{micros}", process::id())
}
