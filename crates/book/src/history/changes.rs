//! Trades in the order in which they were changed.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tallybook_core::{Batch, CallSite, Row, Session, Statement, all, params};
use tallybook_tables::tables::{Result, Table};

use crate::{Trade, TradeId, Trades};

/// A place among the changes of trades: after the last change of one of them. A poller stores it and continues there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePosition {
    /// The `updated_at` of the trade.
    pub updated_at: DateTime<Utc>,
    /// The identifier of the trade; among trades of one time, lower ones come first.
    pub id: TradeId,
}

impl UpdatePosition {
    /// Returns the place after the change that this row shows.
    pub fn after(trade: &Trade) -> Self {
        Self { updated_at: trade.updated_at, id: trade.id }
    }

    /// Returns the place this long before, so that the changes of that time are read again.
    #[must_use]
    pub fn overlapping(self, by: TimeDelta) -> Self {
        let updated_at = self.updated_at.checked_sub_signed(by).unwrap_or(self.updated_at);
        Self { updated_at, id: TradeId::new(0) }
    }
}

impl From<DateTime<Utc>> for UpdatePosition {
    /// Returns the place after all changes of this moment.
    fn from(updated_at: DateTime<Utc>) -> Self {
        Self { updated_at, id: TradeId::new(i64::MAX) }
    }
}

/// The status of an order for which no fill is expected any more.
const IS_CLOSED: &str = "AND status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED') ";

impl<S: Session> Trades<'_, S> {
    /// Returns the trades that were changed after a moment, or after the [`UpdatePosition`] of the last one read, oldest change
    /// first, at most `limit`. Trades of one time are ordered by their identifiers, so `UpdatePosition::after` the last row of a
    /// page is where the next page begins, however many trades share a time. One statement, by `ix_trades_updated`.
    ///
    /// # Polling
    /// `updated_at` is the time at which a writer changed the row, and others see it only when the writer commits. So a trade may
    /// appear with an `updated_at` before the last one already read. A poller that misses none begins each poll earlier than
    /// where it is, by longer than any writing transaction lasts and the clocks of the writers differ, and drops the changes
    /// that it has read already:
    ///
    /// ```
    /// use std::collections::BTreeSet;
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use tallybook::Session;
    /// use tallybook::book::{Result, Trade, TradeId, Trades, UpdatePosition};
    ///
    /// struct Poller {
    ///     last: UpdatePosition,
    ///     seen: BTreeSet<(DateTime<Utc>, TradeId)>,
    /// }
    ///
    /// impl Poller {
    ///     async fn poll(&mut self, session: &mut impl Session) -> Result<Vec<Trade>> {
    ///         let from = self.last.overlapping(TimeDelta::seconds(30));
    ///         self.seen.retain(|(updated_at, _)| *updated_at >= from.updated_at);
    ///         let (mut new, mut position) = (Vec::new(), from);
    ///         loop {
    ///             let page = Trades::new(session).get_updated_since(position, 500).await?;
    ///             let Some(last) = page.last() else { return Ok(new) };
    ///             position = UpdatePosition::after(last);
    ///             if position.updated_at > self.last.updated_at {
    ///                 self.last = position;
    ///             }
    ///             new.extend(page.into_iter().filter(|trade| self.seen.insert((trade.updated_at, trade.id))));
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// A trade that changes twice between two polls is returned once, as it is then. Deleted trades are not returned.
    #[track_caller]
    pub fn get_updated_since(
        &mut self,
        position: impl Into<UpdatePosition>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        self.changes("", position.into(), limit, CallSite::here())
    }

    /// As [`get_updated_since`](Self::get_updated_since), the closed trades only: those that are filled, cancelled, rejected or
    /// expired. One statement, by `ix_trades_updated`.
    ///
    /// It follows `updated_at`, which says when the book learned that a trade is closed, not `filled_at`, the venue's time: a fill
    /// that is reported an hour late has a `filled_at` of an hour ago, and a cancelled order has none. A closed trade that is
    /// changed again, for example by a fill after its cancel, is returned again.
    #[track_caller]
    pub fn get_closed_since(
        &mut self,
        position: impl Into<UpdatePosition>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        self.changes(IS_CLOSED, position.into(), limit, CallSite::here())
    }

    fn changes(
        &mut self,
        and: &str,
        position: UpdatePosition,
        limit: u32,
        call: CallSite,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let query = all(statement(and, limit), params![position.updated_at, position.id]).called(call);
        let session = self.session();
        async move { Ok(session.fetch(query).await?) }
    }
}

/// Selects the first `limit` trades after the place `($1, $2)`.
///
/// On SQLite times are texts, which other programs may spell otherwise than the book. Every spelling begins with the day, and none
/// of a moment sorts before its second. So the index gives all trades of the second of `$1` and later, up to the end of the day
/// of number `limit` of those after the place; they are compared and sorted by their moments. A time that is none comes last: the
/// page that contains it is an error.
fn statement(and: &str, limit: u32) -> Statement {
    let select = format!("SELECT {} FROM trades WHERE", Trade::COLUMN_LIST);
    let postgres = format!("{select} (updated_at, id) > ($1, $2) {and}ORDER BY updated_at, id LIMIT {limit}");
    let moment = "coalesce(tallybook_micros(updated_at), 9e18)";
    let after =
        format!("updated_at >= substr($1, 1, 19) AND ({moment}, id) > (tallybook_micros($1), $2) {and}");
    let skipped = limit.saturating_sub(1);
    let last_day = format!(
        "SELECT substr(updated_at, 1, 10) || 'U' FROM {} WHERE {after}ORDER BY updated_at LIMIT 1 OFFSET {skipped}",
        Trade::NAME
    );
    let sqlite = format!(
        "{select} {after}AND updated_at < coalesce(({last_day}), x'ff') ORDER BY {moment}, id LIMIT {limit}"
    );
    Statement::per_dialect_owned(postgres, sqlite)
}
