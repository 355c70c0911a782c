//! Quotations from a file in error messages.

/// Maximum number of quoted characters.
const MAX_QUOTED: usize = 80;

/// Quotes a field on one line: its beginning, and its length if it is long.
pub(super) fn excerpt(field: &str) -> String {
    match field.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &field[..end], field.len()),
        None => format!("{field:?}"),
    }
}
