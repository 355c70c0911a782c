//! Conditions of lists.

use tallybook_core::{Encode, Error, Params, Result, Value};

use crate::sql::renumbered;

/// A condition that selects rows, put together from parts, each of which numbers its own parameters from `$1`.
///
/// ```
/// use tallybook::params;
/// use tallybook::tables::Filter;
///
/// fn trades(portfolio: i64, status: Option<&str>, symbols: &[String]) -> Filter {
///     Filter::new("portfolio_id = $1", params![portfolio])
///         .and_some("status = $1", status)
///         .and("symbol = ANY($1)", params![symbols])
/// }
///
/// assert_eq!(trades(7, None, &[]).condition(), "portfolio_id = $1 AND symbol = ANY($2)");
/// assert_eq!(trades(7, Some("FILLED"), &[]).condition(), "portfolio_id = $1 AND status = $2 AND symbol = ANY($3)");
/// ```
///
/// The text is SQL that both dialects understand; `= ANY($1)` takes a list on both. Values are always bound.
#[derive(Debug, Default)]
#[must_use]
pub struct Filter {
    condition: String,
    values: Vec<Value>,
    error: Option<Error>,
    custom_plan: bool,
}

impl Filter {
    /// Returns the filter that selects every row.
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns a filter with one part.
    pub fn new(condition: &str, params: Params) -> Self {
        Self::all().and(condition, params)
    }

    /// Adds a part that rows must match too. An `OR` in it does not reach beyond it.
    pub fn and(mut self, condition: &str, params: Params) -> Self {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        let (open, close) = if has_or(condition) { ("(", ")") } else { ("", "") };
        self.condition.extend([open, &renumbered(condition, self.values.len()), close]);
        match params.into_result() {
            Ok(values) if self.values.is_empty() => self.values = values,
            Ok(values) => self.values.extend(values),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// Adds a part with the parameter `$1` if there is a value, and nothing otherwise.
    pub fn and_some(self, condition: &str, value: Option<impl Encode>) -> Self {
        match value {
            Some(value) => self.and(condition, Params::none().and(&value)),
            None => self,
        }
    }

    /// Lets SQLite choose the plan by the values; see [`Statement::custom_plan`](tallybook_core::Statement::custom_plan).
    pub fn custom_plan(self) -> Self {
        Self { custom_plan: true, ..self }
    }

    /// Returns the text of the condition; empty for all rows.
    pub fn condition(&self) -> &str {
        &self.condition
    }

    pub(crate) fn parameters(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn uses_custom_plan(&self) -> bool {
        self.custom_plan
    }

    /// Returns the values to bind, or the error of the first that cannot be bound.
    pub(crate) fn into_values(self) -> Result<Vec<Value>> {
        self.error.map_or(Ok(self.values), Err)
    }
}

/// Returns whether the word `OR` is in a condition. In a text it does no harm: the condition gets parentheses in vain.
fn has_or(condition: &str) -> bool {
    // A letter beyond ASCII belongs to a word as well.
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii();
    condition.as_bytes().split(|byte| !is_word(byte)).any(|word| word.eq_ignore_ascii_case(b"or"))
}

#[cfg(test)]
mod tests {
    use tallybook_core::params;

    use super::Filter;

    #[test]
    fn a_part_with_an_or_is_put_in_parentheses() {
        for (part, condition) in [
            ("a = $1 OR b = $1", "c = $1 AND (a = $2 OR b = $2)"),
            ("(a = $1)or(b = $1)", "c = $1 AND ((a = $2)or(b = $2))"),
            ("order_id = $1", "c = $1 AND order_id = $2"),
            ("a.or_b = $1", "c = $1 AND a.or_b = $2"),
        ] {
            let filter = Filter::new("c = $1", params![1]).and(part, params![2]);
            assert_eq!(filter.condition(), condition);
        }
    }
}
