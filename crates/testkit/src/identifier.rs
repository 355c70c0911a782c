/// PostgreSQL cuts off what is longer.
const LONGEST: usize = 63;

/// A database's name out of any text and a suffix that makes it unique: lower
/// case letters, digits and underscores, so that it needs no escaping
/// anywhere but for the quotes that SQL wants around a leading digit.
pub(crate) fn identifier(text: &str, suffix: &str) -> String {
    let mut name: String = text.chars().map(allowed).collect();
    name.truncate(LONGEST - suffix.len() - 1);
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
        assert_eq!(name.len(), LONGEST);
        assert!(name.ends_with("_0123456789abcdef"));
    }
}
