//! The SQL of lists ordered by time on SQLite; see [`time_order`](crate::time_order) for the rule.

/// Returns the clauses after `SELECT … FROM …` that select the first `most` matching rows, ordered by canonical
/// time.
pub(super) fn by_time(table: &str, order: Option<&str>, condition: &str, most: &str, limit: &str) -> String {
    let (filter, and) = where_clause(condition);
    match order {
        Some(time) => {
            let first_day = first_day(table, time, &filter, most);
            format!("WHERE {and}{time} >= {first_day} ORDER BY {} {limit}", canonical_order(time))
        }
        None => format!("{filter}ORDER BY id DESC {limit}"),
    }
}

/// Returns the condition as a WHERE clause, and as the left side of an AND.
pub(super) fn where_clause(condition: &str) -> (String, String) {
    if condition.is_empty() {
        return Default::default();
    }
    (format!("WHERE {condition} "), format!("{condition} AND "))
}

/// Matches the beginning of every readable time.
const TIME_PATTERN: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*";

/// Returns the index order of a list.
pub(super) fn order(time: Option<&str>) -> String {
    time.map_or_else(|| "id DESC".to_owned(), |time| format!("{time} DESC, id DESC"))
}

/// Returns the order of a list on SQLite by canonical time.
pub(super) fn canonical_order(time: &str) -> String {
    format!("{} DESC, id DESC", canonical(time))
}

/// Converts a time in a column of SQLite to the canonical form, with functions that all SQLite versions have. An
/// unreadable value stays as it is, or becomes one that begins with the same day.
pub(super) fn canonical(time: &str) -> String {
    let fraction =
        format!("replace(replace(replace(substr({time}, 20), 'Z', ''), '+00:00', ''), '-00:00', '')");
    format!(
        "CASE WHEN {time} GLOB '{TIME_PATTERN}' \
         THEN substr({time}, 1, 10) || ' ' || substr({time}, 12, 8) || \
         substr({fraction} || substr('.000000', length({fraction}) + 1), 1, 7) ELSE {time} END"
    )
}

/// Returns the condition that a value is a time in a noncanonical form.
pub(super) fn is_noncanonical(time: &str) -> String {
    format!(
        "{time} GLOB '{TIME_PATTERN}' AND NOT (length({time}) = 26 AND substr({time}, 11, 1) = ' ' \
         AND substr({time}, 26) BETWEEN '0' AND '9')"
    )
}

/// Returns the beginning of the day that row number `most` of the index belongs to; a value before all others if
/// there is no such row.
pub(super) fn first_day(table: &str, time: &str, filter: &str, most: &str) -> String {
    format!(
        "coalesce((SELECT CASE typeof({time}) WHEN 'text' THEN substr({time}, 1, 10) WHEN 'blob' THEN x'' ELSE -9e999 END \
         FROM {table} {filter}ORDER BY {time} DESC LIMIT 1 OFFSET {most} - 1), -9e999)"
    )
}

/// Returns the condition that a noncanonical time sorts above the canonical text in the parameter `after` although it may not
/// be later, among the rows that match the left side of an AND.
pub(super) fn has_hidden_spelling(table: &str, time: &str, and: &str, after: &str) -> String {
    let is_there = |condition: &str| format!("EXISTS (SELECT 1 FROM {table} WHERE {and}{condition})");
    let zulu =
        [19, 21, 22, 23, 24, 25].map(|length| format!("substr({after}, 1, {length}) || 'Z'")).join(", ");
    [
        is_there(&format!(
            "{time} >= substr({after}, 1, 10) || 'T' AND {time} < substr({after}, 1, 10) || 'U'"
        )),
        is_there(&format!("{time} > {after} AND {time} < {after} || '~'")),
        is_there(&format!("{time} IN ({zulu})")),
    ]
    .join(" OR ")
}
