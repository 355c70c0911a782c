//! rusqlite by hand: a pool of connections, used on tokio's blocking threads, with cached statements.

use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, TransactionBehavior, params, vtab};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::recording_sqlite::record;
use crate::book::by_hand::Identifiers;
use crate::book::contestant::Peer;
use crate::book::rows::{Answer, Plain, Trade, with_executions, with_positions};
use crate::book::sql;
use crate::book::work::{NEWEST, PAGE, Question};
use crate::book::written;
use crate::connections::CONNECTIONS;

const STATEMENTS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections for reads, and one for writes: SQLite has one writer at a time.
pub(super) struct Rusqlite {
    readers: Arc<Connections>,
    writer: Arc<Connections>,
    identifiers: Identifiers,
}

impl Rusqlite {
    pub(super) fn open(file: &Path) -> Result<Self> {
        Ok(Self {
            readers: Connections::open(file, CONNECTIONS)?,
            writer: Connections::open(file, 1)?,
            identifiers: Identifiers::of("rusqlite"),
        })
    }
}

/// A pool.
struct Connections {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Connections {
    fn open(file: &Path, size: usize) -> Result<Arc<Self>> {
        let idle = (0..size).map(|_| connect(file)).collect::<Result<_>>()?;
        Ok(Arc::new(Self { idle: Mutex::new(idle), permits: Semaphore::new(size) }))
    }

    /// Uses a connection on a blocking thread.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _permit = self.permits.acquire().await?;
        let pool = Arc::clone(self);
        spawn_blocking(move || {
            let mut connection = pool.idle().pop().context("no connection is idle")?;
            let outcome = job(&mut connection);
            pool.idle().push(connection);
            outcome
        })
        .await?
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With the same settings as Tallybook's connections, though few would find the last two by themselves.
pub(super) fn connect(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    vtab::array::load_module(&connection)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "mmap_size", 0x7fff_0000)?;
    Ok(connection)
}

impl Peer for Rusqlite {
    type Answer = Plain;

    const RECORDS: bool = true;

    async fn ask(&self, question: &Question) -> Result<Plain> {
        let question = question.clone();
        match question {
            Question::Write(portfolio) => {
                self.writer.run(move |connection| write(connection, portfolio)).await
            }
            Question::Record(fill) => {
                let execution_id = self.identifiers.next();
                self.writer.run(move |connection| record(connection, &fill, &execution_id)).await?;
                Ok(Answer::Written)
            }
            _ => self.readers.run(move |connection| read(connection, &question)).await,
        }
    }
}

fn all<T>(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<T>>
where
    T: for<'r, 's> TryFrom<&'r rusqlite::Row<'s>, Error = rusqlite::Error>,
{
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| T::try_from(row))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// In one transaction where it takes several statements, as Tallybook does: it costs less than one for each.
fn read(connection: &mut Connection, question: &Question) -> Result<Plain> {
    let connection = connection.transaction()?;
    Ok(match question {
        Question::Relations(id) => Answer::Relations((
            all(&connection, sql::PORTFOLIO, &[id])?.pop().context("no portfolio")?,
            all(&connection, sql::POSITIONS, &[id])?,
            all(&connection, sql::TRADES, &[id])?,
            all(&connection, sql::SESSIONS, &[id])?,
        )),
        Question::Executions(id) => {
            let trades: Vec<Trade> = all(&connection, sql::NEWEST_TRADES, &[id, &NEWEST])?;
            let ids = list(trades.iter().map(|trade| trade.id));
            with_executions(trades, all(&connection, sql::rarray::EXECUTIONS, &[&ids])?)
        }
        Question::Position(id, symbol) => Answer::Positions(all(&connection, sql::BY_SYMBOL, &[id, symbol])?),
        Question::Session(id) => Answer::Trades(all(&connection, sql::BY_SESSION, &[id])?),
        Question::Portfolios(ids) => {
            let ids = list(ids.iter().copied());
            with_positions(
                all(&connection, sql::rarray::PORTFOLIOS, &[&ids])?,
                all(&connection, sql::rarray::POSITIONS, &[&ids])?,
            )
        }
        Question::Page(time, id) => Answer::Trades(all(&connection, sql::PAGE, &[&text(*time), id, &PAGE])?),
        Question::Write(_) | Question::Record(_) => bail!("a write is no read"),
    })
}

pub(super) fn list(ids: impl Iterator<Item = i32>) -> Rc<Vec<Value>> {
    Rc::new(ids.map(Value::from).collect())
}

/// A time as the book's columns have it.
pub(super) fn text(time: chrono::NaiveDateTime) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn write(connection: &mut Connection, portfolio: i32) -> Result<Plain> {
    let time = text(written::time());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let trade: i32 = transaction.prepare_cached(sql::INSERT_TRADE)?.query_row(
        params![
            portfolio,
            None::<i32>,
            written::SYMBOL,
            written::ACTION,
            written::QUANTITY,
            written::ORDER_TYPE,
            None::<f64>,
            None::<f64>,
            written::STATUS,
            written::QUANTITY,
            written::PRICE,
            time,
            time,
            time,
            None::<&str>,
            None::<f64>,
            None::<&str>,
            None::<f64>,
        ],
        |row| row.get(0),
    )?;
    for _ in 0..written::PARTS {
        let mut statement = transaction.prepare_cached(sql::INSERT_EXECUTION)?;
        let values = params![
            trade,
            written::SYMBOL,
            written::PART,
            written::PRICE,
            written::EXECUTION_TYPE,
            written::COMMISSION,
            written::FEES,
            written::EXCHANGE,
            None::<&str>,
            time,
            None::<&str>,
            None::<f64>,
            None::<i32>,
            None::<&str>,
        ];
        statement.query_row(values, |_| Ok(()))?;
    }
    transaction.commit()?;
    Ok(Answer::Written)
}
