//! The filters of lists.

use tallybook::tables::Filter;
use tallybook::{Params, SqlType};

use super::{Resource, field};
use crate::endpoint::Parameter;
use crate::openapi::schema;
use crate::request::field::{Field, parse_time};
use crate::request::{Parameters, parse_id};

/// A parameter that selects rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListFilter {
    /// The name of the parameter.
    pub(crate) name: &'static str,
    /// The column, whose type the parameter has.
    pub(crate) column: &'static str,
    /// The condition, with `$1` for the value.
    pub(crate) condition: &'static str,
    /// What the rows have in common, for the document.
    pub(crate) docs: &'static str,
}

/// Declares filters: the name of the parameter, the column, the condition, and what it selects.
macro_rules! filters {
    ($($name:ident: $column:literal, $condition:literal, $docs:literal;)*) => {
        &[$(crate::resource::ListFilter {
            name: stringify!($name),
            column: $column,
            condition: $condition,
            docs: $docs,
        }),*]
    };
}

pub(crate) use filters;

/// Takes the filters of a list.
pub(super) fn filter<T: Resource>(parameters: &mut Parameters) -> Filter {
    T::FILTERS.iter().fold(Filter::all(), |filter, declared| {
        match value(&field::<T>(declared.column), declared, parameters) {
            Some(value) => filter.and(declared.condition, value),
            None => filter,
        }
    })
}

/// Takes the value of a filter, as the one parameter of its condition.
fn value(field: &Field, filter: &ListFilter, parameters: &mut Parameters) -> Option<Params> {
    let name = filter.name;
    match field.sql_type {
        SqlType::Int => {
            let id = parameters.parsed_by(name, "an integer of 64 bits", parse_id)?;
            Some(Params::none().and(&id))
        }
        SqlType::Timestamp => {
            let what =
                "a time as RFC 3339 writes it, such as 2026-11-30T09:30:00Z, with at most microseconds";
            let exact =
                |text: &str| parse_time(text).filter(|time| time.timestamp_subsec_nanos() % 1_000 == 0);
            let time = parameters.parsed_by(name, what, exact)?;
            Some(Params::none().and(&time))
        }
        _ => {
            let text = parameters.text(name)?;
            if let Some(max) = field.max
                && text.chars().count() > max
            {
                parameters.refuse(name, format!("has more than {max} characters"));
                return None;
            }
            Some(Params::none().and(&text))
        }
    }
}

/// Returns the parameters of the filters.
pub(super) fn described<T: Resource>() -> impl Iterator<Item = Parameter> {
    T::FILTERS.iter().map(|filter| Parameter {
        name: filter.name,
        place: "query",
        is_required: false,
        docs: filter.docs.to_owned(),
        schema: schema::parameter(&field::<T>(filter.column)),
    })
}
