//! The rows that the check reads. Any value of them may be unreadable, since other programs write to the same tables.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::{Column, Error, Result, Row, RowRef, SqlType, Statement, Value};

use crate::{Action, ExecutionType, PositionType, TradeStatus};

/// Some columns of a row, or those of them that cannot be read.
pub(super) type Readable<R> = std::result::Result<R, Vec<Unread>>;

/// A column that cannot be read, and the reason, without the value.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    pub(super) column: &'static str,
    pub(super) reason: String,
}

/// A row in two parts: what others are computed from, and what is compared. One unreadable part leaves the other usable.
pub(super) struct Stored<Inputs, Figures> {
    pub(super) id: i64,
    pub(super) inputs: Readable<Inputs>,
    pub(super) figures: Readable<Figures>,
}

impl<Inputs: Row, Figures: Row> Stored<Inputs, Figures> {
    const COUNT: usize = 1 + Inputs::COLUMNS.len() + Figures::COLUMNS.len();
    const PADDED: &'static [Column] = &positional(&[ID, Inputs::COLUMNS, Figures::COLUMNS]);

    /// Returns the columns that cannot be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Unread> {
        let inputs = self.inputs.as_ref().err().into_iter().flatten();
        inputs.chain(self.figures.as_ref().err().into_iter().flatten())
    }

    /// Returns the columns for `SELECT`, of a table with this alias.
    fn list(alias: &str) -> String {
        let (inputs, figures) = (Inputs::select_list(alias, ""), Figures::select_list(alias, ""));
        format!("{alias}.id, {inputs}, {figures}")
    }
}

impl<Inputs: Row, Figures: Row> Row for Stored<Inputs, Figures> {
    const COLUMNS: &'static [Column] = Self::PADDED.split_at(Self::COUNT).0;
    const COLUMN_LIST: &'static str = "";

    fn decode(row: RowRef<'_>) -> Result<Self> {
        let inputs = row.nested::<Lenient<Inputs>>(1)?.0;
        let figures = row.nested::<Lenient<Figures>>(1 + Inputs::COLUMNS.len())?.0;
        Ok(Self { id: row.get(ID, 0)?, inputs, figures })
    }

    fn encode(&self) -> Result<Vec<Value>> {
        Err(not_written())
    }
}

/// An execution, the execution that it takes back, and its order.
pub(super) struct Filled {
    pub(super) execution: ExecutionRow,
    pub(super) original: Option<Readable<Original>>,
    pub(super) order: Option<OrderRow>,
    /// No later execution has the same order.
    pub(super) is_last: bool,
}

impl Row for Filled {
    const COLUMNS: &'static [Column] = FILLED.split_at(LAST + 1).0;
    const COLUMN_LIST: &'static str = "";

    fn decode(row: RowRef<'_>) -> Result<Self> {
        let execution = row.nested::<ExecutionRow>(0)?;
        let original = row.optional_nested::<Lenient<Original>>(ORIGINAL)?;
        let order = row.optional_nested::<OrderRow>(ORDER)?;
        let last: Option<i64> = row.get(Self::COLUMNS, LAST)?;
        Ok(Self {
            is_last: last == Some(execution.id),
            execution,
            original: original.map(|row| row.0),
            order,
        })
    }

    fn encode(&self) -> Result<Vec<Value>> {
        Err(not_written())
    }
}

pub(super) type PortfolioRow = Stored<Capital, CurrentCapital>;
pub(super) type SessionRow = Stored<StartingCapital, Totals>;
pub(super) type PositionRow = Stored<PositionKey, PositionFigures>;
pub(super) type ExecutionRow = Stored<ExecutionInputs, ExecutionFigures>;
pub(super) type OrderRow = Stored<OrderInputs, OrderFigures>;

#[derive(Row)]
pub(super) struct Capital {
    pub(super) initial_capital: Decimal,
    pub(super) currency: String,
}

#[derive(Row)]
pub(super) struct CurrentCapital {
    pub(super) current_capital: Decimal,
}

#[derive(Row)]
pub(super) struct StartingCapital {
    pub(super) portfolio_id: i64,
    pub(super) starting_capital: Decimal,
}

#[derive(Row)]
pub(super) struct Totals {
    pub(super) current_capital: Decimal,
    pub(super) total_pnl: Decimal,
    pub(super) total_trades: i64,
    pub(super) winning_trades: i64,
    pub(super) losing_trades: i64,
}

#[derive(Row)]
pub(super) struct PositionKey {
    pub(super) portfolio_id: i64,
    pub(super) symbol: String,
}

#[derive(Row)]
pub(super) struct PositionFigures {
    pub(super) quantity: Decimal,
    pub(super) average_cost: Decimal,
    pub(super) realized_pnl: Decimal,
    pub(super) position_type: PositionType,
}

#[derive(Row)]
pub(super) struct ExecutionInputs {
    pub(super) trade_id: i64,
    pub(super) quantity: Decimal,
    pub(super) price: Decimal,
    pub(super) commission: Decimal,
    pub(super) fees: Decimal,
}

#[derive(Row)]
pub(super) struct ExecutionFigures {
    pub(super) symbol: String,
    pub(super) execution_type: ExecutionType,
    pub(super) executed_at: DateTime<Utc>,
    pub(super) realized_pnl: Option<Decimal>,
    pub(super) reverses_id: Option<i64>,
}

#[derive(Row)]
pub(super) struct Original {
    pub(super) trade_id: i64,
    pub(super) quantity: Decimal,
    pub(super) price: Decimal,
}

#[derive(Row)]
pub(super) struct OrderInputs {
    pub(super) portfolio_id: i64,
    pub(super) session_id: Option<i64>,
    pub(super) symbol: String,
    pub(super) action: Action,
    pub(super) quantity: Decimal,
}

#[derive(Clone, Row)]
pub(super) struct OrderFigures {
    pub(super) status: TradeStatus,
    pub(super) filled_quantity: Decimal,
    pub(super) average_fill_price: Option<Decimal>,
    pub(super) realized_pnl: Option<Decimal>,
    pub(super) filled_at: Option<DateTime<Utc>>,
}

pub(super) static PORTFOLIOS: LazyLock<Statement> =
    LazyLock::new(|| format!("SELECT {} FROM portfolios p ORDER BY p.id", PortfolioRow::list("p")).into());

pub(super) static SESSIONS: LazyLock<Statement> = LazyLock::new(|| {
    format!("SELECT {} FROM trading_sessions s ORDER BY s.id", SessionRow::list("s")).into()
});

/// The rows of one portfolio and symbol follow each other, oldest first.
pub(super) static POSITIONS: LazyLock<Statement> = LazyLock::new(|| {
    format!("SELECT {} FROM positions p ORDER BY p.portfolio_id, p.symbol, p.id", PositionRow::list("p"))
        .into()
});

/// The executions in the order of their identifiers, which is that in which they were recorded: whoever records for a portfolio
/// has locked it.
///
/// The last execution of each order comes by a look-up in the index on SQLite, which then sorts and stores nothing. PostgreSQL
/// would read all executions of an order for each of them, so it groups them once.
pub(super) static EXECUTIONS: LazyLock<Statement> = LazyLock::new(|| {
    let columns =
        format!("{}, {}, {}", ExecutionRow::list("e"), Original::select_list("o", ""), OrderRow::list("t"));
    let joined = "FROM executions e LEFT JOIN trades t ON t.id = e.trade_id LEFT JOIN executions o ON o.id = e.reverses_id";
    Statement::per_dialect_owned(
        format!(
            "SELECT {columns}, l.last {joined} \
             LEFT JOIN (SELECT trade_id, max(id) AS last FROM executions GROUP BY trade_id) l ON l.trade_id = e.trade_id \
             ORDER BY e.id"
        ),
        format!(
            "SELECT {columns}, (SELECT max(l.id) FROM executions l WHERE l.trade_id = e.trade_id) {joined} ORDER BY e.id"
        ),
    )
});

/// The orders that have no execution.
pub(super) static UNFILLED: LazyLock<Statement> = LazyLock::new(|| {
    let columns = OrderRow::list("t");
    format!(
        "SELECT {columns} FROM trades t WHERE NOT EXISTS (SELECT 1 FROM executions e WHERE e.trade_id = t.id) ORDER BY t.id"
    )
    .into()
});

pub(super) static COUNT: Statement = Statement::new("SELECT count(*) FROM executions");

/// A part of a row, whose decoding never fails.
struct Lenient<R>(Readable<R>);

impl<R: Row> Row for Lenient<R> {
    const COLUMNS: &'static [Column] = R::COLUMNS;
    const COLUMN_LIST: &'static str = R::COLUMN_LIST;

    fn decode(row: RowRef<'_>) -> Result<Self> {
        Ok(Self(R::decode(row).map_err(|error| unread(R::COLUMNS, row, &error))))
    }

    fn encode(&self) -> Result<Vec<Value>> {
        Err(not_written())
    }
}

/// Returns all columns that cannot be read.
#[cold]
fn unread(columns: &'static [Column], row: RowRef<'_>, error: &Error) -> Vec<Unread> {
    let each = columns.iter().enumerate();
    let found: Vec<_> = each
        .filter_map(|(index, column)| {
            let reason = column.read(row.value(index)).err()?;
            Some(Unread { column: column.name, reason })
        })
        .collect();
    if found.is_empty() { vec![Unread { column: "?", reason: error.without_values() }] } else { found }
}

const ID: &[Column] = &[BLANK];
const ORIGINAL: usize = ExecutionRow::COUNT;
const ORDER: usize = ORIGINAL + Original::COLUMNS.len();
const LAST: usize = ORDER + OrderRow::COUNT;
const FILLED: &[Column] =
    &positional(&[ExecutionRow::COLUMNS, Original::COLUMNS, OrderRow::COLUMNS, &[BLANK]]);

/// No row of the check has more columns.
const MAX_COLUMNS: usize = 32;

/// An identifier, or the space after the last column.
const BLANK: Column = Column {
    name: "0",
    sql_type: SqlType::Int,
    nullable: true,
    max: None,
    precision: None,
    references: None,
};

/// Returns the columns of all parts, matched by their positions: names occur twice in a join.
const fn positional(parts: &[&[Column]]) -> [Column; MAX_COLUMNS] {
    let mut columns = [BLANK; MAX_COLUMNS];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            columns[at] = Column { name: "0", ..parts[part][index] };
            at += 1;
            index += 1;
        }
        part += 1;
    }
    columns
}

fn not_written() -> Error {
    Error::invalid_value("row", "rows of the check are only read")
}
