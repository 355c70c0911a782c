//! Portfolios.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_engine::now;

use crate::changes::changes;
use crate::ids::PortfolioId;
use crate::table::table;

model! {
    /// A portfolio: capital under a name.
    Portfolio(PortfolioId);
    /// A portfolio to create.
    NewPortfolio;
    /// Its name; no two portfolios share one.
    #[row(max = 255)]
    name: String,
    /// What it is for.
    #[row(max = 1000)]
    description: Option<String>,
    /// What it began with.
    initial_capital: Decimal,
    /// What it has now.
    current_capital: Decimal,
    /// The ISO 4217 code of its currency.
    #[row(max = 3)]
    currency: String,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// Anything else, as JSON.
    metadata_json: Option<String>,
}

impl NewPortfolio {
    /// A portfolio of 100,000 USD, created now.
    pub fn new(name: impl Into<String>) -> Self {
        let now = now();
        Self {
            name: name.into(),
            description: None,
            initial_capital: Decimal::from(100_000),
            current_capital: Decimal::from(100_000),
            currency: "USD".to_owned(),
            created_at: now,
            updated_at: now,
            metadata_json: None,
        }
    }
}

changes! {
    /// Changes to a portfolio.
    PortfolioChanges {
        /// Renames it.
        name: String,
        /// Describes it anew.
        description: Option<String>,
        /// Sets what it began with.
        initial_capital: Decimal,
        /// Sets what it has now.
        current_capital: Decimal,
        /// Sets its currency.
        currency: String,
        /// Sets its metadata.
        metadata_json: Option<String>,
    }
}

table!(
    Portfolio, NewPortfolio, PortfolioChanges, PortfolioId, Portfolios,
    "portfolios", "portfolio", order: none, touch: true
);
