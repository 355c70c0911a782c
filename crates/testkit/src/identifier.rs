/// The length at which PostgreSQL truncates identifiers.
const MAX_LENGTH: usize = 63;

/// Builds a database name from any text and a unique suffix: lower-case letters, digits and underscores, so that
/// it needs no escaping, except SQL quotes if it begins with a digit.
pub(crate) fn identifier(text: &str, suffix: &str) -> String {
    let mut name: String = text.chars().map(allowed).collect();
    name.truncate(MAX_LENGTH - suffix.len() - 1);
    format!("{name}_{suffix}")
}

fn allowed(character: char) -> char {
    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_only_plain_characters() {
        assert_eq!(identifier("Überweisung: A→b 1", "x7"), "_berweisung__a_b_1_x7");
    }

    #[test]
    fn a_long_name_keeps_its_whole_suffix() {
        let name = identifier(&"long".repeat(30), "0123456789abcdef");
        assert_eq!(name.len(), MAX_LENGTH);
        assert!(name.ends_with("_0123456789abcdef"));
    }
}
