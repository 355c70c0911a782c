//! The statements of a load: each carries the conditions of those before it, so that all travel in one round trip.

use tallybook_core::Dialect;

use super::time::{by_time, canonical_order, order};
use crate::table::Table;

/// The rows of one table that a statement of a load reads, for one dialect.
#[derive(Clone, Debug)]
pub struct Selection {
    dialect: Dialect,
    table: &'static str,
    columns: &'static str,
    order: Option<&'static str>,
    /// Set to order by canonical time, where SQLite's index may have another order.
    by_time: bool,
    condition: Condition,
    filter: Option<&'static str>,
    newest: Option<Newest>,
}

#[derive(Clone, Debug)]
enum Condition {
    /// The column equals the parameter.
    Equals(&'static str),
    /// The column is in the list in the parameter.
    Any(&'static str),
    /// The column is among the values that a subquery selects.
    In { column: &'static str, subquery: String, are_few: bool },
}

/// A limit: the newest rows, of all or of each value of a column.
#[derive(Clone, Debug)]
struct Newest {
    count: Count,
    of_each: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Count {
    /// The parameter `$2`.
    Parameter,
    Literal(u32),
}

impl Selection {
    /// Selects the rows with `$1` in a column, or with one of the values in the list `$1`. If `newest`, only the `$2` newest,
    /// of each value.
    pub(crate) fn root<T: Table>(
        dialect: Dialect,
        column: &'static str,
        is_list: bool,
        newest: bool,
        by_time: bool,
    ) -> Self {
        Self {
            condition: if is_list { Condition::Any(column) } else { Condition::Equals(column) },
            newest: newest.then_some(Newest { count: Count::Parameter, of_each: is_list.then_some(column) }),
            by_time: by_time && dialect == Dialect::Sqlite,
            ..Self::of_table::<T>(dialect)
        }
    }

    fn of_table<T: Table>(dialect: Dialect) -> Self {
        Self {
            dialect,
            table: T::NAME,
            columns: T::COLUMN_LIST,
            order: T::ORDER,
            by_time: false,
            condition: Condition::Equals("id"),
            filter: None,
            newest: None,
        }
    }

    /// Selects the rows of `T` whose column `by` refers to one of these rows: those that match `filter`, and of each of
    /// these rows the `newest`.
    pub(crate) fn children<T: Table>(
        &self,
        by: &'static str,
        filter: Option<&'static str>,
        newest: Option<u32>,
    ) -> Self {
        let condition = match self.condition {
            Condition::Equals("id") if self.is_whole() => Condition::Equals(by),
            Condition::Any("id") if self.is_whole() => Condition::Any(by),
            _ => Condition::In { column: by, subquery: self.values("id"), are_few: self.are_few() },
        };
        let is_one = matches!(condition, Condition::Equals(_));
        Self {
            by_time: self.by_time,
            condition,
            filter,
            newest: newest
                .map(|count| Newest { count: Count::Literal(count), of_each: (!is_one).then_some(by) }),
            ..Self::of_table::<T>(self.dialect)
        }
    }

    /// Selects the rows of `T` that the column `by` of these rows refers to.
    pub(crate) fn parents<T: Table>(&self, by: &'static str) -> Self {
        Self {
            by_time: self.by_time,
            condition: Condition::In { column: "id", subquery: self.values(by), are_few: false },
            ..Self::of_table::<T>(self.dialect)
        }
    }

    fn is_whole(&self) -> bool {
        self.newest.is_none() && self.filter.is_none()
    }

    /// Returns whether a limit of all rows makes them few.
    fn are_few(&self) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.of_each.is_none())
    }

    /// Returns the statement that reads the rows.
    pub(crate) fn rows(&self) -> String {
        let Self { table, columns, .. } = self;
        let clauses = match &self.newest {
            None => {
                let condition = self.condition(self.hides_the_value());
                match self.condition {
                    Condition::Equals("id") | Condition::Any("id") | Condition::In { column: "id", .. } => {
                        format!("WHERE {condition}")
                    }
                    _ => format!("WHERE {condition} ORDER BY {}", order(self.order)),
                }
            }
            Some(newest) => match newest.of_each {
                None => self.newest_clauses(&self.with_lookahead(newest.count)),
                Some(by) => {
                    let ids = self.newest_of_each("id", by, &self.with_lookahead(newest.count));
                    format!("WHERE id IN ({ids}) ORDER BY {}", self.newest_order())
                }
            },
        };
        format!("SELECT {columns} FROM {table} {clauses}")
    }

    /// Returns a subquery for the values of a column in the rows.
    fn values(&self, column: &str) -> String {
        let table = self.table;
        match &self.newest {
            None => format!("SELECT {column} FROM {table} WHERE {}", self.condition(false)),
            Some(Newest { count, of_each: None }) => {
                format!("SELECT {column} FROM {table} {}", self.newest_clauses(&text(*count, 0)))
            }
            Some(Newest { count, of_each: Some(by) }) => self.newest_of_each(column, by, &text(*count, 0)),
        }
    }

    /// Returns the clauses that select the newest rows.
    fn newest_clauses(&self, count: &str) -> String {
        let (condition, limit) = (self.condition(false), format!("LIMIT {count}"));
        if self.by_time {
            return by_time(self.table, self.order, &condition, count, &limit);
        }
        format!("WHERE {condition} ORDER BY {} {limit}", order(self.order))
    }

    fn newest_of_each(&self, column: &str, by: &str, count: &str) -> String {
        let condition = self.condition(false);
        let (table, order) = (self.table, self.newest_order());
        format!(
            "SELECT {column} FROM (SELECT {column}, row_number() OVER (PARTITION BY {by} ORDER BY {order}) AS place \
             FROM {table} WHERE {condition}) AS placed WHERE place <= {count}"
        )
    }

    fn newest_order(&self) -> String {
        match self.order {
            Some(time) if self.by_time => canonical_order(time),
            time => order(time),
        }
    }

    /// Returns the number of rows to read: on SQLite one more than requested, to see whether it has the same time as the
    /// last row. A parameter is bound so.
    fn with_lookahead(&self, count: Count) -> String {
        let is_needed = self.dialect == Dialect::Sqlite && self.order.is_some() && !self.by_time;
        text(count, u32::from(is_needed))
    }

    /// Returns whether PostgreSQL must not see the value in a statement for the rows of one parent.
    ///
    /// PostgreSQL keeps a generic plan only if it seems no worse than the custom plans before it. Where some parents have
    /// many more rows than most, the plan for the average seems worse, so PostgreSQL would plan the statement on every
    /// execution, which takes longer than finding some fifty rows.
    fn hides_the_value(&self) -> bool {
        self.dialect == Dialect::Postgres && !matches!(self.condition, Condition::Equals("id"))
    }

    fn condition(&self, hide: bool) -> String {
        let condition = match (&self.condition, self.dialect) {
            (Condition::Equals(column), _) if hide => format!("{column} = (SELECT $1)"),
            (Condition::Equals(column), _) => format!("{column} = $1"),
            (Condition::Any(column), Dialect::Postgres) => format!("{column} = ANY($1)"),
            (Condition::Any(column), Dialect::Sqlite) => format!("{column} IN rarray($1)"),
            // An array of few values avoids a hash join: the planner assumes ten elements, however many there are.
            (Condition::In { column, subquery, are_few: true }, Dialect::Postgres) => {
                format!("{column} = ANY(ARRAY({subquery}))")
            }
            (Condition::In { column, subquery, .. }, _) => format!("{column} IN ({subquery})"),
        };
        match self.filter {
            Some(filter) => format!("{condition} AND ({filter})"),
            None => condition,
        }
    }
}

fn text(count: Count, lookahead: u32) -> String {
    match count {
        Count::Parameter => "$2".to_owned(),
        Count::Literal(count) => (u64::from(count) + u64::from(lookahead)).to_string(),
    }
}
