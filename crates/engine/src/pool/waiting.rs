//! Who waits.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts a waiter for as long as it waits, also when it gives up.
pub(crate) struct Waiting<'a> {
    count: &'a AtomicUsize,
    /// How many waited then, this one included.
    pub(crate) place: usize,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(count: &'a AtomicUsize) -> Self {
        Self { count, place: count.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
