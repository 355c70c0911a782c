//! Chance, where it only has to spread things.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A number from 0 to 1, from the keys that the standard library draws for its hash maps.
pub(crate) fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
