//! What only executions offer.

use tallybook_engine::{Session, all, params};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::TradeId;
use crate::models::Execution;
use crate::sql::statements;
use crate::table::select;

statements! {
    BY_TRADE = select::<Execution>("WHERE trade_id = $1 ORDER BY executed_at DESC, id DESC");
}

impl<S: Session> Repository<'_, S, Execution> {
    /// The executions of a trade. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_by_trade(&mut self, trade: TradeId) -> Result<Vec<Execution>> {
        Ok(self.session.fetch(all(&*BY_TRADE, params![trade])).await?)
    }
}
