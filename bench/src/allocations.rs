//! Counts what is allocated, in all threads, while somebody wants to know.

#![expect(unsafe_code, reason = "an allocator can't be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static MADE: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static PEAK_BYTES: AtomicI64 = AtomicI64::new(0);

/// The system's allocator. While nothing is counted it costs a look at a flag more.
struct Counting;

/// What was allocated since counting began; what was freed of before counts below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allocations {
    /// Made, a change of size included.
    pub(crate) made: u64,
    /// Still there.
    pub(crate) live: i64,
    /// The bytes that are still there.
    pub(crate) live_bytes: i64,
    /// The most bytes that were there at once.
    pub(crate) peak_bytes: i64,
}

/// Counts until it is dropped; there must be only one at a time.
pub(crate) struct Count(());

impl Count {
    /// Begins at zero.
    pub(crate) fn begin() -> Self {
        assert!(!IS_COUNTING.load(Ordering::SeqCst), "allocations are counted already");
        MADE.store(0, Ordering::SeqCst);
        LIVE.store(0, Ordering::SeqCst);
        LIVE_BYTES.store(0, Ordering::SeqCst);
        PEAK_BYTES.store(0, Ordering::SeqCst);
        IS_COUNTING.store(true, Ordering::SeqCst);
        Self(())
    }

    /// What was allocated so far.
    pub(crate) fn so_far(&self) -> Allocations {
        Allocations {
            made: MADE.load(Ordering::SeqCst),
            live: LIVE.load(Ordering::SeqCst),
            live_bytes: LIVE_BYTES.load(Ordering::SeqCst),
            peak_bytes: PEAK_BYTES.load(Ordering::SeqCst),
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        IS_COUNTING.store(false, Ordering::SeqCst);
    }
}

fn count(made: u64, live: i64, bytes: i64) {
    if IS_COUNTING.load(Ordering::Relaxed) {
        MADE.fetch_add(made, Ordering::Relaxed);
        LIVE.fetch_add(live, Ordering::Relaxed);
        let live_bytes = LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK_BYTES.fetch_max(live_bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, 1, layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, 1, layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, -1, -(layout.size() as i64));
        // SAFETY: as the caller promised; what comes back came from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, 0, size as i64 - layout.size() as i64);
        // SAFETY: as the caller promised; what comes back came from the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// The tests of other threads allocate too, so this is of a size that they don't reach.
    #[test]
    fn a_block_is_live_until_it_is_freed() {
        const SIZE: i64 = 100 << 20;
        let count = Count::begin();
        let block: Vec<u8> = black_box(Vec::with_capacity(SIZE as usize));
        let held = count.so_far();
        drop(block);
        let freed = count.so_far();
        assert!(held.made >= 1 && held.live_bytes >= SIZE, "{held:?}");
        assert!(freed.live_bytes < SIZE / 2 && freed.peak_bytes >= SIZE, "{freed:?}");
    }
}
