//! `0004`: the order in which trades were changed.

use tallybook_migrate::{Revision, Step};

pub(super) const REVISION: Revision = Revision::new(
    "0004",
    "an index on the last change of trades",
    &[Step::index("ix_trades_updated", "trades", &["updated_at", "id"])],
);
