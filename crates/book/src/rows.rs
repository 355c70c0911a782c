//! Checks the rows of a book for values that cannot be decoded.

use tallybook_core::Database;
use tallybook_tables::tables::{Result, RowCheck, check_rows as check_table};

use crate::{Execution, Portfolio, Position, Trade, TradingSession};

/// Checks each existing table of the book for values that cannot be decoded: the first 200,000 rows, for at most five
/// seconds a table. Read-only; the result contains no values.
///
/// # Errors
/// Returns an error if there is no connection. An error while checking one table is in its [`RowCheck`].
pub async fn check_rows(db: &Database) -> Result<Vec<RowCheck>> {
    let checks = [
        check_table::<Portfolio>(db).await?,
        check_table::<Position>(db).await?,
        check_table::<Trade>(db).await?,
        check_table::<Execution>(db).await?,
        check_table::<TradingSession>(db).await?,
    ];
    Ok(checks.into_iter().flatten().collect())
}
