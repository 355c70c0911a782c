//! Keywords that structure a statement.

macro_rules! keywords {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Keyword {
            $($name,)*
        }

        impl Keyword {
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

/// Number of keywords that begin with a lower letter, for each letter and for the one after `z`.
const BELOW: [usize; 27] = {
    let mut below = [0; 27];
    let mut index = 0;
    while index < Keyword::ALL.len() {
        let mut letter = (Keyword::ALL[index].text().as_bytes()[0] - b'a') as usize + 1;
        while letter < below.len() {
            below[letter] += 1;
            letter += 1;
        }
        index += 1;
    }
    below
};

// Reserved words only, since any other may name a column. In alphabetical order, for `Keyword::of`.
keywords! {
    All = "all",
    And = "and",
    Any = "any",
    Array = "array",
    As = "as",
    Between = "between",
    By = "by",
    Case = "case",
    Cross = "cross",
    Default = "default",
    Delete = "delete",
    Distinct = "distinct",
    Else = "else",
    End = "end",
    Except = "except",
    Exists = "exists",
    False = "false",
    Fetch = "fetch",
    For = "for",
    From = "from",
    Full = "full",
    Group = "group",
    Having = "having",
    Ilike = "ilike",
    In = "in",
    Inner = "inner",
    Insert = "insert",
    Intersect = "intersect",
    Into = "into",
    Is = "is",
    Join = "join",
    Lateral = "lateral",
    Left = "left",
    Like = "like",
    Limit = "limit",
    Natural = "natural",
    Not = "not",
    Null = "null",
    Offset = "offset",
    On = "on",
    Or = "or",
    Order = "order",
    Returning = "returning",
    Right = "right",
    Select = "select",
    Set = "set",
    Some = "some",
    Table = "table",
    Then = "then",
    True = "true",
    Union = "union",
    Update = "update",
    Using = "using",
    Values = "values",
    When = "when",
    Where = "where",
    With = "with",
}

impl Keyword {
    /// Returns the keyword that a word spells, in either case.
    pub(super) fn of(word: &str) -> Option<Self> {
        let first = word.bytes().next().filter(u8::is_ascii_alphabetic)?.to_ascii_lowercase();
        let letter = usize::from(first - b'a');
        let candidates = &Self::ALL[BELOW[letter]..BELOW[letter + 1]];
        candidates.iter().copied().find(|keyword| word.eq_ignore_ascii_case(keyword.text()))
    }

    /// Returns whether it stands for a value, so that a sign after it is an operator.
    pub(super) fn is_value(self) -> bool {
        matches!(self, Self::Default | Self::End | Self::False | Self::Null | Self::True)
    }

    /// Returns whether it is written like a function call.
    pub(super) fn is_function(self) -> bool {
        matches!(self, Self::Any | Self::Array | Self::Left | Self::Right | Self::Some)
    }

    /// Returns whether it ends the sources of a `FROM`.
    pub(super) fn ends_sources(self) -> bool {
        matches!(
            self,
            Self::Where
                | Self::Group
                | Self::Having
                | Self::Order
                | Self::Limit
                | Self::Offset
                | Self::Fetch
                | Self::For
                | Self::Union
                | Self::Except
                | Self::Intersect
                | Self::Returning
                | Self::Set
                | Self::Values
                | Self::When
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Keyword;

    #[test]
    fn every_keyword_is_found_in_any_case() {
        for keyword in Keyword::ALL {
            assert_eq!(Keyword::of(keyword.text()), Some(*keyword));
            assert_eq!(Keyword::of(&keyword.text().to_uppercase()), Some(*keyword));
        }
    }

    #[test]
    fn other_words_are_not_keywords() {
        for word in ["", "selects", "selec", "_", "zone", "éa", "A1"] {
            assert_eq!(Keyword::of(word), None, "{word}");
        }
    }
}
