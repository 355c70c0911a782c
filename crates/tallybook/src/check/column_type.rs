//! The types of columns that a field suits.

use tallybook_migrate::{Column as Declared, Schema, SchemaColumn, Type};
use tallybook_sql::{Column, Dialect, SqlType};

/// The reason why a column does not suit a field.
pub(super) struct Misfit {
    pub(super) dialect: Dialect,
    pub(super) reason: Option<String>,
}

/// Returns the dialects on which a column does not suit a field.
pub(super) fn misfits(field: &Column, column: &SchemaColumn) -> Vec<Misfit> {
    let found = column.misfits(&types(field));
    let found = found
        .into_iter()
        .map(|misfit| Misfit { dialect: misfit.dialect, reason: misfit.reason.map(str::to_owned) });
    match field.sql_type {
        // On SQLite a list is a parameter only, which revisions for both dialects cannot say.
        SqlType::Ints | SqlType::Floats | SqlType::Bools | SqlType::Texts | SqlType::Uuids
            if column.declared.is_some() =>
        {
            found.filter(|misfit| misfit.dialect == Dialect::Postgres).collect()
        }
        SqlType::Enum => found.filter(|misfit| !is_own_type(column, misfit.dialect)).collect(),
        SqlType::Numeric if field.precision.is_none() && column.precision().is_some() => {
            let reason = Some("rounds digits that the field may have".to_owned());
            vec![Misfit { dialect: Dialect::Postgres, reason }]
        }
        _ => found.collect(),
    }
}

/// Returns the types that hold every value of a field, of which any will do. The first is the one that a revision would
/// declare.
fn types(field: &Column) -> Vec<Type> {
    let array = |names: &[&'static str]| {
        names.iter().map(|name| Type::Other { postgres: name, sqlite: "(none)" }).collect()
    };
    match field.sql_type {
        SqlType::Bool => vec![Type::Boolean],
        SqlType::Int => vec![Type::BigInt, Type::Integer, Type::SmallInt],
        SqlType::Float | SqlType::Decimal => vec![Type::Float],
        SqlType::Numeric => match field.precision {
            Some((digits, scale)) => vec![Type::Numeric(small(digits), small(scale))],
            None => vec![Type::Numeric(0, 0)],
        },
        SqlType::Text => match field.max {
            Some(max) => vec![Type::Varchar(u32::try_from(max).unwrap_or(u32::MAX))],
            None => vec![Type::Text],
        },
        SqlType::Enum => vec![Type::Text],
        SqlType::Timestamp => vec![Type::Timestamp, Type::TimestampTz],
        SqlType::Date => vec![Type::Date],
        SqlType::Time => vec![Type::Time],
        SqlType::Uuid => vec![Type::Uuid],
        SqlType::Json => vec![Type::Jsonb, Type::Json],
        SqlType::Bytes => vec![Type::Bytes],
        SqlType::Ints => array(&["bigint[]", "integer[]", "smallint[]"]),
        SqlType::Floats => array(&["double precision[]", "real[]"]),
        SqlType::Bools => array(&["boolean[]"]),
        SqlType::Texts => array(&["text[]", "character varying[]"]),
        SqlType::Uuids => array(&["uuid[]"]),
    }
}

fn small(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Returns whether PostgreSQL's column has a type that is not built in.
fn is_own_type(column: &SchemaColumn, dialect: Dialect) -> bool {
    const BUILT_IN: [&str; 17] = [
        "smallint",
        "integer",
        "bigint",
        "real",
        "double",
        "numeric",
        "boolean",
        "text",
        "character",
        "timestamp",
        "date",
        "time",
        "uuid",
        "json",
        "jsonb",
        "bytea",
        "interval",
    ];
    let found = column.types.iter().find(|(of, _)| *of == dialect && dialect == Dialect::Postgres);
    let first = found.and_then(|(_, ty)| ty.split([' ', '(', '[']).next());
    first.is_some_and(|first| !BUILT_IN.contains(&first))
}

/// Returns the column that a revision would declare for a field.
pub(super) fn column(field: &Column, schema: &Schema) -> Declared {
    let id_of = |table| schema.table(table).and_then(|table| table.column("id")?.declared);
    let ty = match (field.sql_type, field.references) {
        (SqlType::Int, _) if field.name == "id" => Type::Id,
        (SqlType::Int, Some(table)) => match id_of(table) {
            Some(id) if id.ty() == Type::BigId => Type::BigInt,
            _ => Type::Integer,
        },
        (SqlType::Numeric, _) if field.precision.is_none() => {
            Type::Other { postgres: "numeric", sqlite: "TEXT" }
        }
        _ => types(field)[0],
    };
    let column = Declared::new(field.name, ty);
    let column = if field.nullable { column.null() } else { column };
    match field.references {
        _ if field.name == "id" && ty == Type::Uuid => column.unique(),
        Some(table) if field.name != "id" => column.references(table),
        _ => column,
    }
}

/// Returns a field in words.
pub(super) fn field(field: &Column) -> String {
    let name = field.sql_type.to_string();
    let name = name.split(" (").next().unwrap_or_default();
    let limit = match (field.max, field.precision) {
        (Some(max), _) => format!(" of at most {max} characters"),
        (_, Some((digits, scale))) => format!(" of {digits} digits, {scale} after the point"),
        _ => String::new(),
    };
    format!("{name}{limit}, {}", null(field.nullable))
}

/// Returns the type of a column, and its nullability.
pub(super) fn found(column: &SchemaColumn) -> String {
    let ty = match &column.declared {
        Some(declared) => declared.ty().source(),
        None => column.types.first().map(|(_, ty)| ty.clone()).unwrap_or_default(),
    };
    format!("{ty}, {}", null(column.is_null))
}

fn null(is_null: bool) -> &'static str {
    if is_null { "null" } else { "not null" }
}
