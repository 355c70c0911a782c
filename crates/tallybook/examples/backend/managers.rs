//! The table `portfolio_managers`, which links users and portfolios.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::book::Portfolio;
use tallybook::now;
use tallybook::tables::{ColumnSet, Id, Table};

use super::api::Named;
use super::listing::{Listed, listed};
use super::users::User;

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "portfolio_managers", new = NewPortfolioManager, serde)]
pub(crate) struct PortfolioManager {
    pub(crate) id: Id<PortfolioManager>,
    #[table(fixed)]
    pub(crate) user_id: Id<User>,
    #[table(fixed)]
    pub(crate) portfolio_id: Id<Portfolio>,
    pub(crate) may_trade: bool,
    #[table(fixed, default = "now")]
    pub(crate) since: DateTime<Utc>,
}

listed!(PortfolioManager {
    user_id: Id<User> => "user_id = $1",
    portfolio_id: Id<Portfolio> => "portfolio_id = $1",
});

impl Named for PortfolioManager {
    fn unique() -> impl ColumnSet<Self> + Send {
        (Self::COLUMN.user_id, Self::COLUMN.portfolio_id)
    }
}
