//! The tables of the book, as clients see them.

mod fills;
mod resources;
mod status;
mod views;

use crate::endpoint::Endpoint;
use crate::resource::{creates, patches, reads, removes};

use tallybook::book::{Execution, Portfolio, Position, Trade, TradingSession};

pub(crate) use fills::{FILL_FIELDS, REVERSAL_FIELDS, batch_fields};
pub(crate) use status::STATUS_FIELDS;

/// Returns the endpoints of the book.
///
/// Clients do not write what follows from executions: positions, cash, and the filled part of a trade. Executions are only
/// added, each exactly once; a correction is a reversal.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let all = [
        reads::<Portfolio>(),
        creates::<Portfolio>(),
        patches::<Portfolio>(),
        removes::<Portfolio>(),
        reads::<Position>(),
        patches::<Position>(),
        reads::<Trade>(),
        creates::<Trade>(),
        patches::<Trade>(),
        removes::<Trade>(),
        status::endpoints(),
        fills::endpoints(),
        reads::<Execution>(),
        reads::<TradingSession>(),
        creates::<TradingSession>(),
        patches::<TradingSession>(),
        removes::<TradingSession>(),
    ];
    all.into_iter().flatten().collect()
}
