//! The time that this process had on the processors.

use std::fs::{read_dir, read_to_string};

use anyhow::{Context, Result};

/// Nanoseconds, of all threads that are alive.
pub(super) fn time() -> Result<u64> {
    let mut sum = 0;
    for thread in read_dir("/proc/self/task")? {
        // A thread may end in between.
        let Ok(text) = read_to_string(thread?.path().join("schedstat")) else { continue };
        let time = text.split(' ').next().context("a thread without a time")?;
        sum += time.parse::<u64>()?;
    }
    Ok(sum)
}
