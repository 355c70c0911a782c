//! Texts of bounded length.

/// Characters of a text in a list.
const MAX_LISTED: usize = 300;
/// Characters of a text on its own page.
const MAX_WHOLE: usize = 100_000;

/// Returns a text as lists show it.
pub(super) fn listed(text: &str) -> &str {
    first(text, MAX_LISTED)
}

/// Returns a text as its own page shows it.
pub(super) fn whole(text: &str) -> &str {
    first(text, MAX_WHOLE)
}

/// Returns whether a list does not show all of the text.
pub(super) fn is_cut(text: &str) -> bool {
    listed(text).len() < text.len()
}

fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let text = "é".repeat(301);
        assert_eq!(listed(&text), "é".repeat(300));
        assert!(is_cut(&text) && !is_cut(&text[2..]));
    }
}
