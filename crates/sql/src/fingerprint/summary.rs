//! The summary of a statement: OpenTelemetry's `db.query.summary`.

/// OpenTelemetry's limit for `db.query.summary`.
const MAX_CHARACTERS: usize = 255;

/// Operations and tables, separated by spaces.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) text: String,
    characters: usize,
    is_full: bool,
}

impl Summary {
    /// Adds a word, unless it or an earlier one exceeds the limit.
    pub(super) fn add(&mut self, word: &str) {
        let separator = if self.text.is_empty() { "" } else { " " };
        let characters = self.characters + separator.len() + word.chars().count();
        self.is_full |= characters > MAX_CHARACTERS;
        if !self.is_full {
            self.characters = characters;
            self.text.push_str(separator);
            self.text.push_str(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    fn summary<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
        let mut summary = Summary::default();
        words.into_iter().for_each(|word| summary.add(word));
        summary.text
    }

    #[test]
    fn it_is_cut_at_a_word() {
        let (word, rest) = ("é".repeat(127), "é".repeat(128));
        assert_eq!(summary([&*word, &*word]).chars().count(), 255);
        assert_eq!(summary([&*word, &*rest]), word);
    }

    #[test]
    fn nothing_follows_a_word_that_did_not_fit() {
        assert_eq!(summary(["SELECT", &"a".repeat(255), "b"]), "SELECT");
    }
}
