//! The indexes, and what the database knows of them.

use anyhow::{Context, Result};
use tallybook::Session;
use tallybook::engine::{Statement, optional, params};

/// An index of the optimisation revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    TradesSession,
    PositionsPortfolioSymbol,
    TradesPortfolioStatus,
    TradesPortfolioCreated,
}

pub(super) const INDEXES: [Index; 4] = [
    Index::TradesSession,
    Index::PositionsPortfolioSymbol,
    Index::TradesPortfolioStatus,
    Index::TradesPortfolioCreated,
];

/// The definition, the bytes and the pages of an index. The definition is the database's own, so that an index
/// that was dropped is made again as it was.
const KNOWN: Statement = Statement::per_engine(
    "SELECT pg_get_indexdef($1::regclass), pg_relation_size($1::regclass), \
     pg_relation_size($1::regclass) / current_setting('block_size')::bigint",
    "SELECT sql, (SELECT sum(pgsize) FROM dbstat WHERE name = $1), (SELECT count(*) FROM dbstat WHERE name = $1) \
     FROM sqlite_master WHERE type = 'index' AND name = $1",
);

/// What a database knows of an index.
#[derive(Debug)]
pub(super) struct Known {
    /// The statement that makes it.
    pub(super) definition: String,
    pub(super) bytes: u64,
    pub(super) pages: u64,
}

impl Index {
    pub(super) fn name(self) -> &'static str {
        match self {
            Index::TradesSession => "ix_trades_session_id",
            Index::PositionsPortfolioSymbol => "ix_positions_portfolio_symbol",
            Index::TradesPortfolioStatus => "ix_trades_portfolio_status",
            Index::TradesPortfolioCreated => "ix_trades_portfolio_created",
        }
    }

    /// The table that it is on.
    pub(super) fn table(self) -> &'static str {
        match self {
            Index::PositionsPortfolioSymbol => "positions",
            _ => "trades",
        }
    }

    /// The statement that drops it.
    pub(super) fn drop_statement(self) -> String {
        format!("DROP INDEX {}", self.name())
    }

    pub(super) async fn look_up(self, session: &mut impl Session) -> Result<Known> {
        let query = optional::<(String, i64, i64)>(KNOWN, params![self.name()]);
        let found = session.fetch(query).await?;
        let (definition, bytes, pages) =
            found.with_context(|| format!("the scratch copy has no index {}", self.name()))?;
        Ok(Known { definition, bytes: bytes.unsigned_abs(), pages: pages.unsigned_abs() })
    }
}
