//! Runs one of the targets under libFuzzer; `scripts/fuzz` starts it.

#![no_main]

mod targets;

use std::sync::LazyLock;

use targets::{TARGETS, Target};

/// Chosen by name, so that one program holds them all.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TALLYBOOK_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("TALLYBOOK_FUZZ_TARGET holds {name:?}, which is no target"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
