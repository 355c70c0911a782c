//! The text forms of timestamps that SQLite columns may hold.
//!
//! The book writes the canonical form, `YYYY-MM-DD HH:MM:SS.ffffff`, whose texts sort by time. Other programs share the
//! columns and write:
//!
//! - `T` instead of the space;
//! - no fraction, or a fraction of any number of digits whose digits after the sixth are zeros;
//! - `Z`, `+00:00` or `-00:00` at the end.
//!
//! Reading any other text is an error. Every readable text begins with the ten characters of its own day, which the
//! book's `time_order` relies on to sort by time.

/// Length of the canonical form.
pub(super) const TEXT_LEN: usize = 26;
/// Length of `YYYY-MM-DD HH:MM:SS`.
const WHOLE: usize = 19;
/// Offset of the separator between day and time.
const SEPARATOR: usize = 10;
const UTC: [&str; 3] = ["Z", "+00:00", "-00:00"];

/// Returns whether a readable text is in the canonical form.
pub fn is_canonical(readable: &[u8]) -> bool {
    readable.len() == TEXT_LEN && readable[SEPARATOR] == b' ' && readable[TEXT_LEN - 1].is_ascii_digit()
}

/// Returns the canonical form of a text. The caller checks the digits of the day and the time.
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
