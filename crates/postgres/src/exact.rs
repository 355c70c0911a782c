//! Decimals that a double would round, checked against the columns that they go to.
//!
//! A decimal is declared `numeric`, which the server converts to a double where the column is one. A decimal that reads
//! back equal from a double is safe in both. Any other is sent only if the statement does not need a double: the server
//! is asked once for each statement, by preparing it without the types of its decimals.

use std::sync::Arc;

use super::Connection;
use super::error::{convert, sql_state};
use super::pipeline::oid_of;
use postgres_types::{Oid, Type};
use rust_decimal::Decimal;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::MAX_PREPARED_BYTES;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::Query;
use tallybook_sql::value::{SqlType, Value, f64_from_decimal, would_change};

impl Connection {
    /// Refuses a decimal that a `double precision` column would round. One round trip the first time that a statement is
    /// given such a decimal, otherwise none.
    pub(super) async fn check_decimals(&mut self, queries: &mut [&mut dyn Query]) -> Result<()> {
        for (position, query) in queries.iter_mut().enumerate() {
            let request = query.request();
            if request.values().iter().any(|value| rounded(value).is_some()) {
                let sql = request.statement.sql(Dialect::Postgres);
                // Boxed: it is rare, and would enlarge the future of every pipeline.
                Box::pin(self.check_statement(sql, request.values()))
                    .await
                    .map_err(|error| error.with_statement(sql).at_position(position))?;
            }
        }
        Ok(())
    }

    async fn check_statement(&mut self, sql: &str, values: &[Value]) -> Result<()> {
        let types = match self.decimal_types.get(sql) {
            Some(types) => Arc::clone(types),
            None => self.types_of_decimals(sql, values).await?,
        };
        if sql.len() <= MAX_PREPARED_BYTES {
            self.decimal_types.put(sql.to_owned(), Arc::clone(&types));
        }
        for (index, value) in values.iter().enumerate() {
            if let Some(decimal) = rounded(value)
                && types.get(index).is_some_and(|ty| matches!(*ty, Type::FLOAT4 | Type::FLOAT8))
            {
                return Err(Error::invalid_value(format!("${}", index + 1), would_change(decimal)));
            }
        }
        Ok(())
    }

    /// Returns the types that the server gives to the parameters, if it may choose those of decimals.
    async fn types_of_decimals(&self, sql: &str, values: &[Value]) -> Result<Arc<[Type]>> {
        let types: Vec<Oid> = values
            .iter()
            .map(|value| match value.kind() {
                SqlType::Decimal | SqlType::Numeric => 0,
                kind => oid_of(kind),
            })
            .collect();
        match self.client.describe(sql, &types).await {
            Ok(described) => {
                Ok(described.parameters.into_iter().map(|oid| Type::from_oid(oid).unwrap_or(Type::UNKNOWN)).collect())
            }
            Err(error) => Err(match (error.code(), values.iter().position(|value| rounded(value).is_some())) {
                (Some(code), Some(index)) if is_undecided(code) => Error::invalid_value(
                    format!("${}", index + 1),
                    "has more digits than a double keeps, and the statement does not show that it goes to a numeric \
                     column; write CAST(… AS numeric)",
                )
                .with_source(convert(error)),
                _ => convert(error),
            }),
        }
    }
}

/// Returns the decimal of a value that a double would round.
fn rounded(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(decimal) | Value::Numeric(decimal) if f64_from_decimal(*decimal).is_none() => {
            Some(*decimal)
        }
        _ => None,
    }
}

/// Returns whether the server could not choose the type of a parameter.
fn is_undecided(code: &str) -> bool {
    [sql_state::AMBIGUOUS_FUNCTION, sql_state::AMBIGUOUS_PARAMETER, sql_state::INDETERMINATE_DATATYPE]
        .contains(&code)
}
