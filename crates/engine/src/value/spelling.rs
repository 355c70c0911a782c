//! The spellings of timestamps that are read from SQLite's columns.
//!
//! The book writes `YYYY-MM-DD HH:MM:SS.ffffff`, the canonical form, whose texts sort as their moments do. Other programs
//! share the columns and write:
//!
//! - `T` instead of the space;
//! - a fraction of one digit or more, of which those behind the sixth are zeros, or no fraction;
//! - `Z`, `+00:00` or `-00:00` at the end.
//!
//! Any other text is unreadable, and reading its row is an error. Readable texts begin with the ten characters of their
//! own day: the order of moments is found on that (see the book's `order`).

use super::timestamp::TEXT_LEN;

/// `YYYY-MM-DD HH:MM:SS`.
const WHOLE: usize = 19;
/// Where the day ends.
const SEPARATOR: usize = 10;
const UTC: [&str; 3] = ["Z", "+00:00", "-00:00"];

/// Whether a text that is readable is in the canonical form.
pub(crate) fn is_canonical(readable: &[u8]) -> bool {
    readable.len() == TEXT_LEN && readable[SEPARATOR] == b' ' && readable[TEXT_LEN - 1].is_ascii_digit()
}

/// The canonical form of a spelling; the digits of its day and time are for the caller to read.
pub(super) fn canonical(text: &str) -> Option<[u8; TEXT_LEN]> {
    let local = UTC.iter().find_map(|utc| text.strip_suffix(utc)).unwrap_or(text).as_bytes();
    let (whole, fraction) = local.split_at_checked(WHOLE)?;
    let mut canonical = *b"0000-00-00 00:00:00.000000";
    canonical[..WHOLE].copy_from_slice(whole);
    if whole[SEPARATOR] == b'T' {
        canonical[SEPARATOR] = b' ';
    }
    match fraction {
        [] => Some(canonical),
        [b'.', digits @ ..] if !digits.is_empty() => {
            let (kept, rest) = digits.split_at(digits.len().min(TEXT_LEN - WHOLE - 1));
            canonical[WHOLE + 1..][..kept.len()].copy_from_slice(kept);
            rest.iter().all(|&digit| digit == b'0').then_some(canonical)
        }
        _ => None,
    }
}
