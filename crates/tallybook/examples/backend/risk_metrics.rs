//! The table `risk_metrics`: how much a portfolio may lose, as measured from time to time.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use tallybook::book::{Portfolio, TradingSession};
use tallybook::now;
use tallybook::tables::{Aggregate, Id, Table};

use super::listing::{Listed, listed};

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "risk_metrics", order = measured_at, new = NewRiskMetric, serde)]
#[rustfmt::skip] // one line a column
pub(crate) struct RiskMetric {
    pub(crate) id: Id<RiskMetric>,
    pub(crate) portfolio_id: Id<Portfolio>,
    pub(crate) session_id: Option<Id<TradingSession>>,
    pub(crate) var_1day_95: Option<f64>,
    pub(crate) var_1day_99: Option<f64>,
    pub(crate) var_5day_95: Option<f64>,
    pub(crate) var_5day_99: Option<f64>,
    pub(crate) portfolio_value: Decimal,
    pub(crate) portfolio_volatility: Option<f64>,
    pub(crate) sharpe_ratio: Option<f64>,
    pub(crate) max_drawdown: Option<f64>,
    pub(crate) largest_position_weight: Option<f64>,
    pub(crate) top5_concentration: Option<f64>,
    pub(crate) number_of_positions: i32,
    pub(crate) total_exposure: Decimal,
    pub(crate) long_exposure: Decimal,
    pub(crate) short_exposure: Decimal,
    pub(crate) net_exposure: Decimal,
    pub(crate) market_beta: Option<f64>,
    pub(crate) correlation_to_spy: Option<f64>,
    #[table(default = "now")] pub(crate) measured_at: DateTime<Utc>,
    pub(crate) metadata_json: Option<String>,
}

listed!(RiskMetric {
    portfolio_id: Id<Portfolio> => "portfolio_id = $1",
    session_id: Id<TradingSession> => "session_id = $1",
    since: DateTime<Utc> => "measured_at >= $1",
});

/// A portfolio with its newest measurements and its trading sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct PortfolioWithRisk {
    #[root]
    pub(crate) portfolio: Portfolio,
    #[many(newest = 30)]
    pub(crate) metrics: Vec<RiskMetric>,
    #[many]
    pub(crate) sessions: Vec<TradingSession>,
}
