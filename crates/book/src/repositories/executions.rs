//! What only executions offer.

use std::future::Future;

use tallybook_engine::{Batch, Call, Session, all, params};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::TradeId;
use crate::loader::loader;
use crate::models::Execution;
use crate::newest::newest_first;
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
    #[track_caller]
    pub fn get_by_trade(&mut self, trade: TradeId) -> impl Future<Output = Result<Vec<Execution>>> + Send {
        let call = Call::here().instead(loader!(Trades::get_many_with_executions, "&ids"));
        let query = all(&*BY_TRADE, params![trade]).called(call);
        async move { Ok(newest_first(self.fetch(query).await?)) }
    }
}
