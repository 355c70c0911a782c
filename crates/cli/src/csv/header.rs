//! The first line of a CSV file, which names the column of each field.

use anyhow::{Result, bail};
use csv::StringRecord;
use tallybook::{Column, Row};

use super::excerpt::excerpt;

/// Returns the columns of the file, in the order of its fields. `what` has the columns of `R`.
pub(super) fn columns<R: Row>(what: &str, header: &StringRecord) -> Result<Vec<&'static Column>> {
    let known = R::COLUMNS;
    let mut columns = Vec::with_capacity(header.len());
    for name in header {
        let Some(column) = known.iter().find(|column| column.name == name) else {
            bail!("line 1: {what} has no column {}; it has {}", excerpt(name), R::COLUMN_LIST);
        };
        if columns.contains(&column) {
            bail!("line 1: the column {} occurs twice", excerpt(name));
        }
        columns.push(column);
    }
    let missing: Vec<_> = known
        .iter()
        .filter(|column| !column.nullable && column.name != "id" && !columns.contains(column))
        .map(|column| column.name)
        .collect();
    if !missing.is_empty() {
        bail!("line 1: the columns {} are missing and can't be empty", missing.join(", "));
    }
    Ok(columns)
}
