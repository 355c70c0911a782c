//! The declaration of a table as data, for checks.

use chrono::DateTime;
use tallybook_core::{Column, Dialect, Row, SqlType, Statement, Value};
use uuid::Uuid;

use crate::sql::{self, ListStatements, Selection};
use crate::table::Table;

/// The declaration of a table, without its type: the data that `tallybook::check!` compares with revisions and databases.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Declaration {
    /// The name of the struct.
    pub row: &'static str,
    /// The table's name in the database.
    pub name: &'static str,
    /// The columns of the struct.
    pub columns: &'static [Column],
    /// The columns that an insert gives; none if the program inserts no rows.
    pub new: &'static [Column],
    /// The time column that orders lists.
    pub order: Option<&'static str>,
    /// The columns whose values are unique.
    pub unique: &'static [&'static str],
    statements: fn(Dialect) -> Vec<TableStatement>,
}

/// A statement of a table, with parameters of the types that it is run with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TableStatement {
    /// The call that runs it, for messages: `get`, `load_of portfolio_id`.
    pub call: String,
    /// The statement, for the dialect that was asked for.
    pub statement: Statement,
    /// A value for each parameter.
    pub values: Vec<Value>,
    /// The column of a relation, if it reads the rows of a parent in no order: so an index of the column must serve it.
    pub relation: Option<&'static str>,
}

impl Declaration {
    /// Returns the declaration of `T`.
    pub fn of<T: Table>() -> Self {
        let row = std::any::type_name::<T>();
        Self {
            row: row.rsplit("::").next().unwrap_or(row),
            name: T::NAME,
            columns: T::COLUMNS,
            new: <T::New as Row>::COLUMNS,
            order: T::ORDER,
            unique: T::UNIQUE,
            statements: statements::<T>,
        }
    }

    /// Returns the statements that a repository of the table runs.
    pub fn statements(&self, dialect: Dialect) -> Vec<TableStatement> {
        (self.statements)(dialect)
    }

    /// Returns the columns that refer to rows of a table, each with the name of that table.
    pub fn relations(&self) -> impl Iterator<Item = (&'static Column, &'static str)> {
        let columns = self.columns.iter().filter(|column| column.name != "id");
        columns.filter_map(|column| Some((column, column.references?)))
    }
}

/// Returns the statements of a repository of `T`. The writing ones come last.
fn statements<T: Table>(dialect: Dialect) -> Vec<TableStatement> {
    let id = sample_of::<T>("id");
    let mut all = Vec::new();
    let mut add = |call: &str, statement: Statement, values: Vec<Value>| {
        all.push(TableStatement { call: call.to_owned(), statement, values, relation: None });
    };
    add("get", sql::by_id::<T>(), vec![id.clone()]);
    add("get_by_ids", sql::by_ids::<T>(), vec![list(&id)]);
    add("get_for_update", sql::for_update::<T>(), vec![id.clone()]);
    add("scan", sql::scan::<T>(true, 1), vec![id.clone()]);
    let lists = ListStatements::new("", 0);
    let window = vec![Value::Int(1), Value::Int(0)];
    add("get_many", lists.by_index::<T>().clone(), window.clone());
    add("get_many", lists.by_index_skipping::<T>().clone(), window.clone());
    add("get_many", lists.by_time::<T>().clone(), window);
    add("get_all", lists.all::<T>().clone(), Vec::new());
    add("count", lists.count::<T>().clone(), Vec::new());
    add("exists", lists.exists::<T>().clone(), Vec::new());
    let position: Vec<_> = T::ORDER.map(sample_of::<T>).into_iter().chain([id.clone()]).collect();
    add("get_page", lists.page_by_index::<T>(dialect, false, 2), Vec::new());
    add("get_page", lists.page_by_index::<T>(dialect, true, 2), position.clone());
    // Without an order by time, no spelling of a time disturbs the order.
    if dialect == Dialect::Sqlite && T::ORDER.is_some() {
        add("get_page", lists.page_by_time::<T>(false, 2), Vec::new());
        add("get_page", lists.page_by_time::<T>(true, 2), position);
    }
    for column in T::UNIQUE {
        add(&format!("get_by {column}"), sql::by_column::<T>(column), vec![sample_of::<T>(column)]);
    }
    all.extend(relations::<T>(dialect));
    all.extend(writes::<T>(dialect, &id));
    all
}

/// Returns the statements that read the rows which belong to a row of another table.
fn relations<T: Table>(dialect: Dialect) -> Vec<TableStatement> {
    let relations = T::COLUMNS.iter().filter(|column| column.name != "id" && column.references.is_some());
    let mut all = Vec::new();
    for column in relations {
        let key = sample(column.sql_type);
        let calls = [
            ("load_of", false, false),
            ("load_of_many", true, false),
            ("load_newest_of", false, true),
            ("load_newest_of_many", true, true),
        ];
        let conditions = [
            ("load_of", format!("{} = $1", column.name), key.clone()),
            ("load_of_many", format!("{} = ANY($1)", column.name), list(&key)),
        ];
        for (call, condition, value) in conditions {
            all.push(TableStatement {
                call: format!("{call} {}", column.name),
                statement: sql::select::<T>(&format!("WHERE {condition}")),
                values: vec![value],
                relation: Some(column.name),
            });
        }
        for (call, is_list, newest) in calls {
            let text = Selection::root::<T>(dialect, column.name, is_list, newest, false).rows();
            let first = if is_list { list(&key) } else { key.clone() };
            all.push(TableStatement {
                call: format!("{call} {}", column.name),
                statement: Statement::from(text),
                values: [first].into_iter().chain(newest.then_some(Value::Int(1))).collect(),
                relation: None,
            });
        }
    }
    all
}

/// Returns the statements that write. A table whose new rows or changes have no columns has none of that kind.
fn writes<T: Table>(dialect: Dialect, id: &Value) -> Vec<TableStatement> {
    let mut all = Vec::new();
    let mut add = |call: String, statement: Statement, values: Vec<Value>| {
        all.push(TableStatement { call, statement, values, relation: None });
    };
    let nulls =
        |columns: &[Column]| columns.iter().map(|column| Value::Null(column.sql_type)).collect::<Vec<_>>();
    let new = <T::New as Row>::COLUMNS;
    let now = sample(SqlType::Timestamp);
    if !new.is_empty() {
        add("create".to_owned(), sql::insert::<T>(), nulls(new));
        for column in T::UNIQUE {
            let values = nulls(new).into_iter().chain(T::TOUCH.then(|| now.clone())).collect();
            add(format!("upsert {column}"), sql::upsert::<T>(&[column]), values);
        }
    }
    let changed: Vec<_> =
        T::COLUMNS.iter().filter(|column| T::CHANGEABLE.contains(&column.name)).copied().collect();
    if !changed.is_empty() || T::TOUCH {
        let mut set: Vec<_> =
            (1..).zip(&changed).map(|(number, column)| format!("{} = ${number}", column.name)).collect();
        let mut values = nulls(&changed);
        if T::TOUCH {
            values.push(now);
            set.push(sql::touch(dialect, "updated_at", values.len()));
        }
        values.push(id.clone());
        let condition = format!("id = ${}", values.len());
        add("update".to_owned(), sql::update::<T>(&set.join(", "), &condition), values);
    }
    add("delete".to_owned(), sql::delete::<T>("id = $1"), vec![id.clone()]);
    all
}

/// Returns a value of the type of a column.
fn sample_of<T: Table>(column: &str) -> Value {
    let known = T::COLUMNS.iter().find(|known| known.name == column);
    known.map_or(Value::Null(SqlType::Text), |column| sample(column.sql_type))
}

/// Returns a value for a condition. A planner that sees NULL there reads no table.
fn sample(of: SqlType) -> Value {
    match of {
        SqlType::Int => Value::Int(1),
        SqlType::Text => Value::Text("a".to_owned()),
        SqlType::Timestamp => Value::Timestamp(DateTime::UNIX_EPOCH),
        SqlType::Uuid => Value::Uuid(Uuid::nil()),
        other => Value::Null(other),
    }
}

/// Returns a list of one key.
fn list(key: &Value) -> Value {
    match key {
        Value::Int(key) => Value::Ints(vec![*key]),
        Value::Uuid(key) => Value::Uuids(vec![*key]),
        _ => Value::Null(SqlType::Ints),
    }
}
