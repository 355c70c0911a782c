//! What an error quotes of a file.

/// Characters that are quoted.
const MAX_QUOTED: usize = 80;

/// A field in quotation marks, on one line: its beginning and its length, if it is long.
pub(super) fn excerpt(field: &str) -> String {
    match field.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &field[..end], field.len()),
        None => format!("{field:?}"),
    }
}
