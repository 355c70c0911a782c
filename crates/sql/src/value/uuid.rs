//! UUIDs, and the texts that SQLite keeps of them.

use uuid::Uuid;

/// Length of 32 digits with four hyphens.
const HYPHENATED_LEN: usize = 36;
/// Length of 32 digits.
const SIMPLE_LEN: usize = 32;

/// Formats a UUID as lower-case digits with hyphens.
pub fn format_uuid(uuid: Uuid) -> String {
    uuid.as_hyphenated().to_string()
}

/// Parses 32 hexadecimal digits of either case, with the four hyphens or without.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    // The crate also reads braces and `urn:uuid:`, which no other program finds again by the text.
    if matches!(text.len(), HYPHENATED_LEN | SIMPLE_LEN) { Uuid::try_parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_uuid_survives_its_text_forms(bits in any::<u128>()) {
            let uuid = Uuid::from_u128(bits);
            let text = format_uuid(uuid);
            prop_assert_eq!(&text, &text.to_lowercase());
            prop_assert_eq!(parse_uuid(&text), Some(uuid));
            prop_assert_eq!(parse_uuid(&text.to_uppercase()), Some(uuid));
            prop_assert_eq!(parse_uuid(&text.replace('-', "")), Some(uuid));
        }
    }

    #[test]
    fn other_texts_are_no_uuids() {
        let digits = "67e5504410b1426f9247bb680e5fe0c8";
        for text in [
            "",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            &digits[1..],
            &format!("{{{digits}}}"),
            &digits.replace('6', "g"),
        ] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
        assert_eq!(parse_uuid("urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8"), None);
    }
}
