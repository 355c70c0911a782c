//! The portfolio that a load writes into.

use std::process;

use anyhow::{Context, Result};
use tallybook::book::{NewPortfolio, PortfolioId, Portfolios};
use tallybook::{Database, WriteSession, now};
use tallybook::{Statement, execute, optional, params};

/// A portfolio that no other program writes into.
pub(crate) struct OwnPortfolio {
    pub(crate) id: PortfolioId,
    name: String,
}

impl OwnPortfolio {
    pub(crate) async fn make(db: &Database) -> Result<Self> {
        let name = format!("tallybook bench load {} {}", process::id(), now().timestamp_micros());
        let new = NewPortfolio::new(name.as_str());
        let created = db
            .write(async |session: &mut WriteSession| Portfolios::new(session).create(&new).await)
            .await?
            .into_value();
        Ok(Self { id: created.id, name })
    }

    /// Removes it with its trades and their executions.
    pub(crate) async fn remove(self, db: &Database) -> Result<()> {
        let delete = DELETE.map(|sql| execute(sql, params![self.id]));
        let batch = (optional::<(PortfolioId,)>(LOCK, params![self.id]), Vec::from(delete));
        let removed = db.write(async |session: &mut WriteSession| session.run(batch).await).await;
        removed.with_context(|| {
            format!("the portfolio \"{}\" could not be removed; remove it by hand", self.name)
        })?;
        Ok(())
    }
}

/// Waits for transactions that still write into the portfolio, and blocks new ones: those of an interrupted load
/// may still be running. SQLite has one writer.
const LOCK: Statement = Statement::per_dialect(
    "SELECT id FROM portfolios WHERE id = $1 FOR UPDATE",
    "SELECT id FROM portfolios WHERE id = $1",
);

const DELETE: [&str; 3] = [
    "DELETE FROM executions WHERE trade_id IN (SELECT id FROM trades WHERE portfolio_id = $1)",
    "DELETE FROM trades WHERE portfolio_id = $1",
    "DELETE FROM portfolios WHERE id = $1",
];
