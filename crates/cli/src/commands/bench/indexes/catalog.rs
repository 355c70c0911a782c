//! The measured indexes, and their entries in the database's catalog.

use anyhow::{Context, Result};
use tallybook::Session;
use tallybook::{Statement, optional, params};

/// An index of revision `0002`.
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

/// Selects the definition, the bytes and the pages of an index. The definition is the database's own, so that a
/// dropped index is created again exactly as it was.
const INDEX_INFO: Statement = Statement::per_dialect(
    "SELECT pg_get_indexdef($1::regclass), pg_relation_size($1::regclass), \
     pg_relation_size($1::regclass) / current_setting('block_size')::bigint",
    "SELECT sql, (SELECT sum(pgsize) FROM dbstat WHERE name = $1), (SELECT count(*) FROM dbstat WHERE name = $1) \
     FROM sqlite_master WHERE type = 'index' AND name = $1",
);

/// An index as the catalog describes it.
#[derive(Debug)]
pub(super) struct IndexInfo {
    /// The statement that creates it.
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

    /// Returns the table of the index.
    pub(super) fn table(self) -> &'static str {
        match self {
            Index::PositionsPortfolioSymbol => "positions",
            _ => "trades",
        }
    }

    /// Returns the statement that drops it.
    pub(super) fn drop_statement(self) -> String {
        format!("DROP INDEX {}", self.name())
    }

    pub(super) async fn look_up(self, session: &mut impl Session) -> Result<IndexInfo> {
        let query = optional::<(String, i64, i64)>(INDEX_INFO, params![self.name()]);
        let found = session.fetch(query).await?;
        let (definition, bytes, pages) =
            found.with_context(|| format!("the scratch copy has no index {}", self.name()))?;
        Ok(IndexInfo { definition, bytes: bytes.unsigned_abs(), pages: pages.unsigned_abs() })
    }
}
