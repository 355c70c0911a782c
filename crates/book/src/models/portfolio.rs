//! Portfolios.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::now;

use crate::changes::changes;
use crate::ids::PortfolioId;
use crate::table::table;

model! {
    /// A portfolio: capital in one currency, under a name.
    Portfolio(PortfolioId);
    /// A portfolio to create.
    NewPortfolio;
    /// Unique name, at most 255 characters.
    #[row(max = 255)]
    name: String,
    /// Description, at most 1,000 characters.
    #[row(max = 1000)]
    description: Option<String>,
    /// Capital at the beginning, in `currency`.
    initial_capital: Decimal,
    /// Current capital, in `currency`.
    current_capital: Decimal,
    /// Currency, as an ISO 4217 code of three letters, for example `USD`.
    #[row(max = 3)]
    currency: String,
    /// Time at which the row was created, in UTC.
    created_at: DateTime<Utc>,
    /// Time of the last change of the row, in UTC.
    updated_at: DateTime<Utc>,
    /// Additional data, as JSON text.
    metadata_json: Option<String>,
}

impl NewPortfolio {
    /// Creates a portfolio of 100,000 USD, as of now.
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
    /// A changeset for a portfolio.
    PortfolioChanges {
        /// Sets the name.
        name: String,
        /// Sets the description.
        description: Option<String>,
        /// Sets the capital at the beginning.
        initial_capital: Decimal,
        /// Sets the current capital. For concurrent changes use
        /// [`add_current_capital`](crate::Repository::add_current_capital).
        current_capital: Decimal,
        /// Sets the currency.
        currency: String,
        /// Sets the additional data.
        metadata_json: Option<String>,
    }
}

table!(
    Portfolio, NewPortfolio, PortfolioChanges, PortfolioId, Portfolios,
    "portfolios", "portfolio", order: none, touch: true
);
