//! Counting callers that wait.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts a caller for as long as it waits, even if its future is dropped.
pub(crate) struct Waiting<'a> {
    count: &'a AtomicUsize,
    /// Place in the queue, this caller included.
    pub(crate) position: usize,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(count: &'a AtomicUsize) -> Self {
        Self { count, position: count.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
