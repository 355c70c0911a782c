//! Checks a book: folds all executions again and compares the result with the stored rows.
//!
//! `rows` reads, `refold` folds with the functions of [`bookkeeping`](crate::bookkeeping), `compare` finds what differs, and
//! `repair` writes what the executions say.

mod compare;
mod discrepancy;
mod refold;
mod repair;
mod rows;

use serde::Serialize;
use tallybook_core::{Database, Session, all, one, params};
use tallybook_tables::tables::Result;

use refold::Refold;
use rows::{COUNT, EXECUTIONS, Filled, OrderRow, PORTFOLIOS, POSITIONS, PortfolioRow, PositionRow};
use rows::{SESSIONS, SessionRow, UNFILLED};

pub use discrepancy::{Discrepancy, DiscrepancyKind, Figure};
pub use repair::{BookRepair, RepairError, RepairSql, repair_book};

/// An event of [`check_book`].
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckEvent {
    /// It has read this many executions.
    Progress {
        /// Executions read so far.
        done: u64,
        /// Executions of the book.
        total: u64,
    },
    /// It has found a difference.
    Found(Discrepancy),
}

/// The result of [`check_book`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BookCheck {
    /// Number of portfolios compared.
    pub portfolios: u64,
    /// Number of positions compared.
    pub positions: u64,
    /// Number of trades compared.
    pub trades: u64,
    /// Number of executions folded.
    pub executions: u64,
    /// Number of trading sessions compared.
    pub trading_sessions: u64,
    /// Number of differences found.
    pub discrepancies: u64,
}

impl BookCheck {
    /// Returns whether every figure is what the executions say.
    pub fn is_balanced(&self) -> bool {
        self.discrepancies == 0
    }
}

/// Folds all executions of the book again and compares the result with the stored rows: the fills of each order, the positions,
/// the cash of portfolios, the totals of trading sessions, and the executions themselves. Read-only.
///
/// A book that [`Trades::record`](crate::Trades::record) alone has kept equals its refold digit for digit. In other books each
/// difference is reported with its [kind](DiscrepancyKind). Positions, cash or totals that were not derived from executions,
/// such as an opening balance, differ: the check knows executions only.
///
/// Five statements and a count, on one snapshot. The executions are read once, in the order in which they were recorded. Memory is
/// bounded by the number of portfolios, positions, trading sessions, and orders that are partially executed at one time; not by
/// the number of executions or orders. A session of PostgreSQL sorts the executions on the server, in its `work_mem`.
///
/// ```
/// use tallybook::book::{CheckEvent, Result, check_book, upgrade};
/// use tallybook::{Database, Settings};
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// upgrade(&db).await?;
/// let check = check_book(&db, |event| {
///     if let CheckEvent::Found(discrepancy) = event {
///         println!("{} {:?}: {}", discrepancy.table, discrepancy.id, discrepancy.kind.explanation());
///     }
/// })
/// .await?;
/// assert!(check.is_balanced());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What the database reports. A row that cannot be read is a difference, not an error, unless its identifier is unreadable.
pub async fn check_book(db: &Database, mut observe: impl FnMut(CheckEvent) + Send) -> Result<BookCheck> {
    check(&mut db.snapshot().await?, &mut observe).await
}

/// Number of executions between two reports of progress.
const STEP: u64 = 5_000;

/// Checks the book in a session.
async fn check(
    session: &mut impl Session,
    observe: &mut (dyn FnMut(CheckEvent) + Send),
) -> Result<BookCheck> {
    let (total,) = session.fetch(one::<(i64,)>(&COUNT, params![])).await?;
    let total = total.unsigned_abs();
    let mut refold = Refold::new(observe);

    let mut portfolios = session.stream(all::<PortfolioRow>(&*PORTFOLIOS, params![])).await?;
    while let Some(row) = portfolios.next().await {
        refold.portfolio(row?);
    }
    drop(portfolios);
    let mut sessions = session.stream(all::<SessionRow>(&*SESSIONS, params![])).await?;
    while let Some(row) = sessions.next().await {
        refold.session(row?);
    }
    drop(sessions);
    let mut executions = session.stream(all::<Filled>(&*EXECUTIONS, params![])).await?;
    while let Some(row) = executions.next().await {
        refold.execution(row?);
        let done = refold.counts.executions;
        if done.is_multiple_of(STEP) || done == total {
            refold.progress(done, total);
        }
    }
    drop(executions);
    let mut unfilled = session.stream(all::<OrderRow>(&*UNFILLED, params![])).await?;
    while let Some(row) = unfilled.next().await {
        refold.unfilled(&row?);
    }
    drop(unfilled);
    let mut positions = session.stream(all::<PositionRow>(&*POSITIONS, params![])).await?;
    while let Some(row) = positions.next().await {
        refold.position(row?);
    }
    drop(positions);
    Ok(refold.finish())
}
