//! Conditions that are written apart and joined.

use std::borrow::Cow;

/// Raises the number of each parameter of a condition. Texts in quotes stay as they are.
pub(crate) fn renumbered(condition: &str, by: usize) -> Cow<'_, str> {
    if by == 0 {
        return condition.into();
    }
    let mut out = String::with_capacity(condition.len() + 4);
    let mut rest = condition;
    while let Some(at) = rest.find(['$', '\'', '"']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let quote = &from[..1];
        let length = match quote {
            "$" => 1 + from[1..].bytes().take_while(u8::is_ascii_digit).count(),
            quote => from[1..].find(quote).map_or(from.len(), |end| end + 2),
        };
        match from[1..length].parse::<usize>() {
            Ok(number) if quote == "$" => out.push_str(&format!("${}", number + by)),
            _ => out.push_str(&from[..length]),
        }
        rest = &from[length..];
    }
    (out + rest).into()
}

#[cfg(test)]
mod tests {
    use super::renumbered;

    #[test]
    fn parameters_are_renumbered_outside_of_quotes() {
        for (condition, expected) in [
            ("a = $1 AND b < $12", "a = $3 AND b < $14"),
            ("a = '$1' AND \"$1\" = $1", "a = '$1' AND \"$1\" = $3"),
            ("a = 'it''s $1' OR b = $2", "a = 'it''s $1' OR b = $4"),
            ("a = $", "a = $"),
            ("a = 'no end $1", "a = 'no end $1"),
            ("größe = $1", "größe = $3"),
        ] {
            assert_eq!(renumbered(condition, 2), expected);
            assert_eq!(renumbered(condition, 0), condition);
        }
    }
}
