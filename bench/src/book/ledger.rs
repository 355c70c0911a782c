//! What the peers wrote, read back from the database: each must have written the same.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tallybook::book::{Execution, ExecutionId, Trade, TradeId};
use tallybook::{Database, Row, Settings, Statement, all, params};

use super::checksum::Loaded;

const LAST: Statement = Statement::new("SELECT coalesce(max(id), 0), count(*) FROM trades");

/// A book and the place from which it is looked at.
pub(super) struct Ledger {
    database: Database,
    trades: Statement,
    executions: Statement,
    /// The last trade that is not looked at.
    last: i64,
}

impl Ledger {
    /// Of the book at `url`, from its end.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let select = |columns, rest| Statement::from(format!("SELECT {columns} FROM {rest}"));
        let mut ledger = Self {
            database: Database::open(Settings::new(url)?).await?,
            trades: select(Trade::COLUMN_LIST, "trades WHERE id > $1 ORDER BY id"),
            executions: select(Execution::COLUMN_LIST, "executions WHERE trade_id > $1 ORDER BY id"),
            last: 0,
        };
        ledger.mark().await?;
        Ok(ledger)
    }

    /// Leaves out what was written until now.
    pub(super) async fn mark(&mut self) -> Result<()> {
        let found = self.database.read().await?.run(all::<(i64, i64)>(LAST, params![])).await?;
        self.last = found.first().map_or(0, |(last, _)| *last);
        Ok(())
    }

    /// The trades that were written since, in the order of their identifiers.
    pub(super) async fn written(&self) -> Result<Written> {
        let mut session = self.database.read().await?;
        let trades = session.run(all::<Trade>(&self.trades, params![self.last])).await?;
        let executions = session.run(all::<Execution>(&self.executions, params![self.last])).await?;
        let mut of_trade: BTreeMap<TradeId, Vec<Execution>> = BTreeMap::new();
        for execution in executions {
            of_trade.entry(execution.trade_id).or_default().push(execution);
        }
        let sum = |trade: Trade| {
            let own = of_trade.remove(&trade.id).unwrap_or_default();
            content(trade, own)
        };
        let sums: Vec<_> = trades.into_iter().map(sum).collect();
        Ok(Written { sums, orphans: of_trade.len() })
    }
}

/// Trades that were written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The checksum of each with its executions.
    pub(super) sums: Vec<u64>,
    /// Trades that don't exist and have executions.
    pub(super) orphans: usize,
}

impl Written {
    /// Whether nothing but those was written, however often.
    pub(super) fn repeats(&self, others: &Self) -> bool {
        let known: BTreeSet<_> = others.sums.iter().collect();
        self.orphans == 0 && self.sums.iter().all(|sum| known.contains(sum))
    }
}

/// The sum of a trade with its executions, without the identifiers that the database gave them.
fn content(mut trade: Trade, mut executions: Vec<Execution>) -> u64 {
    trade.id = TradeId::new(0);
    for execution in &mut executions {
        (execution.id, execution.trade_id) = (ExecutionId::new(0), TradeId::new(0));
    }
    (trade, executions).checksum().sum
}
