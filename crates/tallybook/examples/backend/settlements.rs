//! The table `settlements`, with a UUID as its key, an exact amount, and JSON.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use tallybook::book::{Portfolio, Trade};
use tallybook::now;
use tallybook::tables::{Aggregate, Id, Table};
use uuid::Uuid;

use super::listing::{Listed, listed};

/// Money paid or received for a trade. The client chooses the identifier, so that a request that is sent twice settles once.
#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "settlements", order = settled_at, new = NewSettlement, serde)]
pub(crate) struct Settlement {
    pub(crate) id: Id<Settlement, Uuid>,
    pub(crate) trade_id: Id<Trade>,
    #[table(numeric(20, 8))]
    pub(crate) amount: Decimal,
    #[table(max = 3)]
    pub(crate) currency: String,
    pub(crate) details: Value,
    #[table(default = "now")]
    pub(crate) settled_at: DateTime<Utc>,
}

listed!(Settlement {
    trade_id: Id<Trade> => "trade_id = $1",
    currency: String => "currency = $1",
});

/// A trade with its portfolio.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct TradeOfPortfolio {
    #[root]
    pub(crate) trade: Trade,
    #[parent]
    pub(crate) portfolio: Portfolio,
}

/// A settlement with its trade, and with that trade's portfolio.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct SettlementOfTrade {
    #[root]
    pub(crate) settlement: Settlement,
    #[parent]
    pub(crate) of: TradeOfPortfolio,
}
