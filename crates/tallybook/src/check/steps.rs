//! The steps that end a difference, as Rust source.

use tallybook_migrate::{Column as Declared, SchemaColumn, Type};
use tallybook_sql::{Column, Dialect, SqlType};

/// SQL that does nothing.
const NOTHING: &str = "SELECT 1";

/// Returns the steps that create a table.
pub(super) fn create_table(table: &str, columns: &[Declared]) -> String {
    let columns: Vec<_> = columns.iter().map(Declared::source).collect();
    format!("Step::table({table:?}, &[{}])", columns.join(", "))
}

/// Returns the steps that add a column. A column that is not null gets a default for the rows that exist, except one with
/// a foreign key.
pub(super) fn add_column(table: &str, field: &Column, column: Declared) -> Vec<String> {
    let column = match default(field.sql_type) {
        _ if field.nullable || field.references.is_some() => column,
        (postgres, sqlite) if postgres == sqlite => column.default(postgres),
        (postgres, sqlite) => column.default_per_dialect(postgres, sqlite),
    };
    let Some(parent) = field.references else {
        return vec![format!("Step::column({table:?}, {})", column.source())];
    };
    let key = format!("fk_{table}_{}", field.name);
    let column =
        column.source().replace(&format!(".references({parent:?})"), &format!(".key({key:?}, {parent:?})"));
    vec![
        format!("Step::column({table:?}, {column})"),
        format!("Step::validate({table:?}, {key:?})"),
        index(table, &[field.name]),
    ]
}

/// Returns a default for the rows that exist, on each dialect.
fn default(ty: SqlType) -> (&'static str, &'static str) {
    let both = |text| (text, text);
    match ty {
        SqlType::Bool => ("false", "0"),
        SqlType::Int | SqlType::Float | SqlType::Decimal => both("0"),
        SqlType::Numeric => ("0", "'0'"),
        SqlType::Text => both("''"),
        SqlType::Timestamp => both("'1970-01-01 00:00:00'"),
        SqlType::Date => both("'1970-01-01'"),
        SqlType::Time => both("'00:00:00'"),
        SqlType::Uuid => both("'00000000-0000-0000-0000-000000000000'"),
        SqlType::Json => both("'null'"),
        SqlType::Bytes => (r"'\x'", "x''"),
        _ => both("…"),
    }
}

/// Returns the step that adds a foreign key, and the one that validates it.
pub(super) fn add_key(table: &str, column: &str, parent: &str) -> Vec<String> {
    let key = format!("fk_{table}_{column}");
    vec![
        format!("Step::key({table:?}, {column:?}, Key::new({key:?}, {parent:?}))"),
        format!("Step::validate({table:?}, {key:?})"),
    ]
}

/// Returns the step that creates an index.
pub(super) fn index(table: &str, columns: &[&str]) -> String {
    format!("Step::index(\"ix_{table}_{}\", {table:?}, &{columns:?})", columns.join("_"))
}

/// Returns the step that makes the values of a column unique.
pub(super) fn unique_index(table: &str, column: &str) -> String {
    format!("Step::unique_index(\"uq_{table}_{column}\", {table:?}, &[{column:?}])")
}

/// Returns the step that changes the type of a column. SQLite needs nothing if the column suits the new type there.
pub(super) fn change_type(
    table: &str,
    column: &SchemaColumn,
    name: &'static str,
    to: Type,
    sqlite_suits: bool,
) -> String {
    let (from, after) = match column.declared {
        Some(declared) => (declared.ty().sql(Dialect::Postgres).into_owned(), declared.of_type(to)),
        None => {
            let after = Declared::new(name, to);
            let found = column.types.first().map(|(_, ty)| ty.clone()).unwrap_or_default();
            (found, if column.is_null { after.null() } else { after })
        }
    };
    let alter = |ty: &str| format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {ty}");
    let to = to.sql(Dialect::Postgres);
    alter_step(&format!("{table}.{name}: {to}"), &alter(&to), &alter(&from), sqlite_suits, table, &after)
}

/// Returns the step that permits `NULL` in a column, or forbids it.
pub(super) fn change_null(table: &str, column: &SchemaColumn, after: Declared, is_null: bool) -> String {
    let alter = |is_null| {
        let verb = if is_null { "DROP" } else { "SET" };
        format!("ALTER TABLE {table} ALTER COLUMN {} {verb} NOT NULL", column.name)
    };
    let what = format!("{table}.{}: {}", column.name, if is_null { "null" } else { "not null" });
    alter_step(&what, &alter(is_null), &alter(!is_null), false, table, &after)
}

/// Returns an SQL step that leaves a column in another form. SQLite has no such statement: where it needs the change, its
/// author rebuilds the table.
fn alter_step(what: &str, up: &str, back: &str, sqlite_suits: bool, table: &str, after: &Declared) -> String {
    let sqlite = if sqlite_suits { NOTHING } else { "…: rebuild the table" };
    format!(
        "Step::sql({what:?}, {up:?}, {back:?}).on_sqlite({sqlite:?}, {sqlite:?}).alters({table:?}, {})",
        after.source()
    )
}
