//! The meaning of SQLSTATE codes, without values and names.

/// Codes with an entry of their own, then the classes of SQLSTATE for all others.
const CONDITIONS: [(&str, &str); 44] = [
    ("22001", "string data right truncation"),
    ("22003", "numeric value out of range"),
    ("22008", "datetime field overflow"),
    ("22012", "division by zero"),
    ("22P02", "invalid text representation"),
    ("23502", "not-null violation"),
    ("23503", "foreign key violation"),
    ("23505", "unique violation"),
    ("23514", "check violation"),
    ("25006", "read-only transaction"),
    ("26000", "invalid statement name"),
    ("40001", "serialization failure"),
    ("40P01", "deadlock detected"),
    ("42501", "insufficient privilege"),
    ("42601", "syntax error"),
    ("42703", "undefined column"),
    ("42883", "undefined function"),
    ("42P01", "undefined table"),
    ("42P07", "duplicate table"),
    ("55P03", "lock not available"),
    ("57014", "query canceled"),
    ("P0001", "exception raised by a function"),
    ("08", "connection exception"),
    ("0A", "feature not supported"),
    ("21", "cardinality violation"),
    ("22", "data exception"),
    ("23", "integrity constraint violation"),
    ("24", "invalid cursor state"),
    ("25", "invalid transaction state"),
    ("28", "invalid authorization"),
    ("2B", "dependent privileges still exist"),
    ("3D", "invalid catalog name"),
    ("3F", "invalid schema name"),
    ("40", "transaction rollback"),
    ("42", "syntax error or access rule violation"),
    ("44", "WITH CHECK OPTION violation"),
    ("53", "insufficient resources"),
    ("54", "program limit exceeded"),
    ("55", "object not in prerequisite state"),
    ("57", "operator intervention"),
    ("58", "system error"),
    ("P0", "PL/pgSQL error"),
    ("XX", "internal error"),
    ("", "the database refused it"),
];

/// Returns the condition that a code stands for, or that of its class.
pub(crate) fn condition(code: &str) -> &'static str {
    CONDITIONS.iter().find(|(prefix, _)| code.starts_with(prefix)).map_or("", |(_, condition)| condition)
}

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn a_code_is_described_by_its_condition_its_class_or_as_unknown() {
        for (code, expected) in
            [("23505", "unique violation"), ("22007", "data exception"), ("ZZ001", "the database refused it")]
        {
            assert!(condition(code).starts_with(expected), "{code}: {}", condition(code));
        }
    }
}
