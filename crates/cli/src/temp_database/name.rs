//! Unique names.

use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns a unique name for a temporary object. If a killed program leaves the object behind, the name tells what
/// it is.
pub(crate) fn name() -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    format!("tallybook_scratch_{}_{micros}", process::id())
}
