//! sqlx with its own pool and cached statements, rows by `FromRow`. Its pool does not ping when it hands out.

use std::path::Path;

use anyhow::{Result, bail};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{query_as, query_scalar};

use crate::book::contestant::Peer;
use crate::book::rows::{Answer, Plain, Trade, with_executions, with_positions};
use crate::book::sql;
use crate::book::work::{NEWEST, PAGE, Question};
use crate::book::written;
use crate::connections::CONNECTIONS;

/// On PostgreSQL.
pub(super) struct Postgres {
    reader: PgPool,
    writer: PgPool,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let options = PgPoolOptions::new().max_connections(CONNECTIONS as u32).test_before_acquire(false);
        let pool = options.connect(url).await?;
        Ok(Self { writer: pool.clone(), reader: pool })
    }
}

/// On SQLite: a pool for reads, and a connection for writes, as SQLite has one writer at a time.
pub(super) struct Sqlite {
    reader: SqlitePool,
    writer: SqlitePool,
}

impl Sqlite {
    pub(super) async fn open(file: &Path) -> Result<Self> {
        let connection = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let pool = |size| SqlitePoolOptions::new().max_connections(size).test_before_acquire(false);
        Ok(Self {
            reader: pool(CONNECTIONS as u32).connect_with(connection.clone()).await?,
            writer: pool(1).connect_with(connection).await?,
        })
    }
}

/// An array, as PostgreSQL takes it.
fn array(ids: &[i32]) -> Vec<i32> {
    ids.to_vec()
}

/// A JSON text: sqlx binds no lists on SQLite.
fn json(ids: &[i32]) -> String {
    format!("{ids:?}")
}

macro_rules! peer {
    ($peer:ident, $list:ident) => {
        impl Peer for $peer {
            type Answer = Plain;

            async fn ask(&self, question: &Question) -> Result<Plain> {
                if let Question::Write(portfolio) = question {
                    return self.write(*portfolio).await;
                }
                let mut session = self.reader.acquire().await?;
                let session = &mut *session;
                Ok(match question {
                    Question::Relations(id) => Answer::Relations((
                        query_as(sql::PORTFOLIO).bind(id).fetch_one(&mut *session).await?,
                        query_as(sql::POSITIONS).bind(id).fetch_all(&mut *session).await?,
                        query_as(sql::TRADES).bind(id).fetch_all(&mut *session).await?,
                        query_as(sql::SESSIONS).bind(id).fetch_all(&mut *session).await?,
                    )),
                    Question::Executions(id) => {
                        let newest = query_as(sql::NEWEST_TRADES).bind(id).bind(i64::from(NEWEST));
                        let trades: Vec<Trade> = newest.fetch_all(&mut *session).await?;
                        let ids: Vec<i32> = trades.iter().map(|trade| trade.id).collect();
                        let executions = query_as(sql::$list::EXECUTIONS).bind($list(&ids));
                        with_executions(trades, executions.fetch_all(&mut *session).await?)
                    }
                    Question::Position(id, symbol) => Answer::Positions(
                        query_as(sql::BY_SYMBOL).bind(id).bind(symbol).fetch_all(&mut *session).await?,
                    ),
                    Question::Session(id) => {
                        Answer::Trades(query_as(sql::BY_SESSION).bind(id).fetch_all(&mut *session).await?)
                    }
                    Question::Portfolios(ids) => {
                        let portfolios = query_as(sql::$list::PORTFOLIOS).bind($list(ids));
                        let portfolios = portfolios.fetch_all(&mut *session).await?;
                        let positions = query_as(sql::$list::POSITIONS).bind($list(ids));
                        with_positions(portfolios, positions.fetch_all(&mut *session).await?)
                    }
                    Question::Page(time, id) => {
                        let page = query_as(sql::PAGE).bind(time).bind(id).bind(i64::from(PAGE));
                        Answer::Trades(page.fetch_all(&mut *session).await?)
                    }
                    Question::Write(_) | Question::Record(_) => bail!("a write is no read"),
                })
            }
        }

        impl $peer {
            async fn write(&self, portfolio: i32) -> Result<Plain> {
                let time = written::time();
                let mut transaction = self.writer.begin().await?;
                let trade: i32 = query_scalar(sql::INSERT_TRADE)
                    .bind(portfolio)
                    .bind(None::<i32>)
                    .bind(written::SYMBOL)
                    .bind(written::ACTION)
                    .bind(written::QUANTITY)
                    .bind(written::ORDER_TYPE)
                    .bind(None::<f64>)
                    .bind(None::<f64>)
                    .bind(written::STATUS)
                    .bind(written::QUANTITY)
                    .bind(written::PRICE)
                    .bind(time)
                    .bind(time)
                    .bind(time)
                    .bind(None::<&str>)
                    .bind(None::<f64>)
                    .bind(None::<&str>)
                    .bind(None::<f64>)
                    .fetch_one(&mut *transaction)
                    .await?;
                for _ in 0..written::PARTS {
                    let _: i32 = query_scalar(sql::INSERT_EXECUTION)
                        .bind(trade)
                        .bind(written::SYMBOL)
                        .bind(written::PART)
                        .bind(written::PRICE)
                        .bind(written::EXECUTION_TYPE)
                        .bind(written::COMMISSION)
                        .bind(written::FEES)
                        .bind(written::EXCHANGE)
                        .bind(None::<&str>)
                        .bind(time)
                        .bind(None::<&str>)
                        .bind(None::<f64>)
                        .bind(None::<i32>)
                        .bind(None::<&str>)
                        .fetch_one(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
                Ok(Answer::Written)
            }
        }
    };
}

peer!(Postgres, array);
peer!(Sqlite, json);
