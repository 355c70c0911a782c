//! Methods of the execution repository.

use std::future::Future;

use tallybook_core::{Batch, CallSite, Session, all, params};

use super::repository::Repository;
use crate::advice::advice;
use crate::error::Result;
use crate::ids::TradeId;
use crate::models::Execution;
use crate::sql::statements;
use crate::table::select;
use crate::time_order::newest_first;

statements! {
    BY_TRADE = select::<Execution>("WHERE trade_id = $1 ORDER BY executed_at DESC, id DESC");
}

impl<S: Session> Repository<'_, S, Execution> {
    /// Returns the executions of a trade. One statement.
    #[track_caller]
    pub fn get_by_trade(&mut self, trade: TradeId) -> impl Future<Output = Result<Vec<Execution>>> + Send {
        let call = CallSite::here().suggest(advice!(Trades::get_many_with_executions, "&ids"));
        let query = all(&*BY_TRADE, params![trade]).called(call);
        async move { Ok(newest_first(self.fetch(query).await?)) }
    }
}
