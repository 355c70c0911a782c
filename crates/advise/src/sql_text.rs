//! Names in SQL text.

/// Words that a name cannot be without quotation marks, in one of the dialects. A name that is quoted without need does no
/// harm, so the list has those that occur as names of columns.
const RESERVED: [&str; 30] = [
    "all",
    "and",
    "as",
    "asc",
    "between",
    "case",
    "check",
    "column",
    "default",
    "desc",
    "end",
    "from",
    "group",
    "having",
    "in",
    "index",
    "key",
    "limit",
    "not",
    "null",
    "offset",
    "or",
    "order",
    "primary",
    "references",
    "select",
    "table",
    "to",
    "user",
    "where",
];

/// Returns a name in quotation marks.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a name, in quotation marks if it needs them.
pub(crate) fn name(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&name);
    if is_plain { name.to_owned() } else { quote(name) }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_is_quoted_where_it_must_be() {
        for (given, expected) in [
            ("created_at", "created_at"),
            ("Kind", "\"Kind\""),
            ("order", "\"order\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(name(given), expected);
        }
    }
}
