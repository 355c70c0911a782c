//! `0003`: what recording fills needs, and the order in which trades changed.

use tallybook_migrate::{Column, Revision, Step, Type};

const REVERSES_ID: Column =
    Column::new("reverses_id", Type::Integer).null().key("fk_executions_reverses_id", "executions");

pub(super) const REVISION: Revision = Revision::new(
    "0003",
    "realized profit, reversals and one position per symbol",
    &[
        Step::column("trades", Column::new("realized_pnl", Type::Float).null()),
        Step::column("executions", Column::new("realized_pnl", Type::Float).null()),
        Step::column("executions", REVERSES_ID),
        Step::column("executions", Column::new("mark", Type::Varchar(20)).null()),
        Step::validate("executions", "fk_executions_reverses_id"),
        Step::unique_index("ix_executions_reverses_id", "executions", &["reverses_id"])
            .filter("reverses_id IS NOT NULL"),
        Step::unique_where_rows_allow(
            "ix_positions_portfolio_symbol",
            "positions",
            &["portfolio_id", "symbol"],
        ),
        Step::index("ix_trades_updated", "trades", &["updated_at", "id"]),
    ],
);
