//! The lines of a file of fills.

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook::book::{Fill, RecordError, Reversal, TradeId};
use tallybook::{Row, Value};

/// The columns of a file of fills.
#[derive(Row)]
pub(crate) struct Line {
    #[row(max = 100)]
    execution_id: String,
    trade_id: Option<i64>,
    quantity: Option<Decimal>,
    price: Option<Decimal>,
    commission: Option<Decimal>,
    fees: Option<Decimal>,
    #[row(max = 50)]
    exchange: Option<String>,
    executed_at: Option<DateTime<Utc>>,
    metadata_json: Option<String>,
    accept_over_fill: Option<bool>,
    #[row(max = 100)]
    reverses: Option<String>,
}

/// What a line records.
pub(crate) enum Entry {
    Fill(Fill),
    Reversal(Reversal),
}

impl Entry {
    /// Returns whether the line is about an execution with this identifier of the venue.
    pub(crate) fn names(&self, id: &str) -> bool {
        match self {
            Self::Fill(fill) => fill.execution_id == id,
            Self::Reversal(reversal) => reversal.execution_id == id || reversal.reverses == id,
        }
    }
}

/// Refuses a header that lacks columns which some line needs.
pub(crate) fn check_columns(columns: &[&str]) -> Result<()> {
    let needed = ["trade_id", "quantity", "price"];
    let missing: Vec<_> = needed.into_iter().filter(|name| !columns.contains(name)).collect();
    if !missing.is_empty() && !columns.contains(&"reverses") {
        bail!("line 1: the columns {} are missing and can't be empty", missing.join(", "));
    }
    Ok(())
}

/// Returns what a line records. Its values are those of `columns`.
pub(crate) fn entry(columns: &[&str], values: Vec<Value>, line: u64) -> Result<Entry> {
    let given = Line::of(columns, values);
    let executed_at = given.executed_at.unwrap_or_else(tallybook::now);
    let execution_id = given.execution_id;
    if execution_id.trim().is_empty() {
        bail!(
            "line {line}, column execution_id: it can't be empty; it makes sure that an execution is recorded once"
        );
    }
    let fields = [
        ("trade_id", given.trade_id.is_some()),
        ("quantity", given.quantity.is_some()),
        ("price", given.price.is_some()),
    ];
    if let Some(reverses) = given.reverses {
        let costs = [
            ("commission", given.commission.is_some()),
            ("fees", given.fees.is_some()),
            ("exchange", given.exchange.is_some()),
            ("accept_over_fill", given.accept_over_fill.is_some()),
        ];
        if let Some((column, _)) = fields.into_iter().chain(costs).find(|(_, is_given)| *is_given) {
            bail!(
                "line {line}, column {column}: it must be empty on a line that reverses an execution, which has its own"
            );
        }
        let metadata_json = given.metadata_json;
        return Ok(Entry::Reversal(Reversal { reverses, execution_id, executed_at, metadata_json }));
    }
    let (Some(trade), Some(quantity), Some(price)) = (given.trade_id, given.quantity, given.price) else {
        let missing = fields.into_iter().find(|(_, is_given)| !is_given).map_or("?", |(column, _)| column);
        bail!("line {line}, column {missing}: it can't be empty, unless the line reverses an execution");
    };
    Ok(Entry::Fill(Fill {
        commission: given.commission.unwrap_or_default(),
        fees: given.fees.unwrap_or_default(),
        exchange: given.exchange,
        executed_at,
        metadata_json: given.metadata_json,
        accept_over_fill: given.accept_over_fill.unwrap_or_default(),
        ..Fill::new(TradeId::new(trade), execution_id, quantity, price)
    }))
}

impl Line {
    fn of(columns: &[&str], values: Vec<Value>) -> Self {
        let mut line = Self {
            execution_id: String::new(),
            trade_id: None,
            quantity: None,
            price: None,
            commission: None,
            fees: None,
            exchange: None,
            executed_at: None,
            metadata_json: None,
            accept_over_fill: None,
            reverses: None,
        };
        for (column, value) in columns.iter().zip(values) {
            match (*column, value) {
                ("execution_id", value) => line.execution_id = text(value).unwrap_or_default(),
                ("trade_id", Value::Int(id)) => line.trade_id = Some(id),
                ("quantity", value) => line.quantity = decimal(&value),
                ("price", value) => line.price = decimal(&value),
                ("commission", value) => line.commission = decimal(&value),
                ("fees", value) => line.fees = decimal(&value),
                ("exchange", value) => line.exchange = text(value),
                ("executed_at", Value::Timestamp(at)) => line.executed_at = Some(at),
                ("metadata_json", value) => line.metadata_json = text(value),
                ("accept_over_fill", Value::Bool(accepts)) => line.accept_over_fill = Some(accepts),
                ("reverses", value) => line.reverses = text(value),
                _ => {}
            }
        }
        line
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(decimal) | Value::DecimalAsDouble(decimal) => Some(*decimal),
        _ => None,
    }
}

/// Returns the venue's identifier that an error is about, and the column to look at.
pub(crate) fn place(error: &RecordError) -> Option<(&str, &'static str)> {
    match error {
        RecordError::Invalid { execution_id, field, .. }
        | RecordError::DifferentContent { execution_id, field, .. } => {
            Some((execution_id, if *field == "reverses_id" { "reverses" } else { field }))
        }
        RecordError::NoTrade { execution_id, .. } | RecordError::UnknownSide { execution_id, .. } => {
            Some((execution_id, "trade_id"))
        }
        RecordError::OverFill { execution_id, .. } | RecordError::Unholdable { execution_id, .. } => {
            Some((execution_id, "quantity"))
        }
        RecordError::NothingToReverse { execution_id } | RecordError::NotReversible { execution_id, .. } => {
            Some((execution_id, "reverses"))
        }
        _ => None,
    }
}
