//! diesel-async with deadpool. On PostgreSQL it speaks by tokio-postgres; on SQLite it runs diesel on blocking
//! threads. Its pool does not ping when it hands out.

use std::path::Path;

use anyhow::{Result, bail};
use chrono::NaiveDateTime;
use diesel::dsl::insert_into;
use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;

use crate::book::contestant::Peer;
use crate::book::rows::{Answer, Execution, Plain, Portfolio, Position, Trade, TradingSession};
use crate::book::rows::{with_executions, with_positions};
use crate::book::schema::{executions, portfolios, positions, trades, trading_sessions};
use crate::book::work::{NEWEST, PAGE, Question};
use crate::book::written;
use crate::connections::CONNECTIONS;

type SqliteConnection = SyncConnectionWrapper<diesel::SqliteConnection>;

/// On PostgreSQL.
pub(super) struct Postgres {
    reader: Pool<AsyncPgConnection>,
    writer: Pool<AsyncPgConnection>,
}

impl Postgres {
    pub(super) fn open(url: &str) -> Result<Self> {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
        Ok(Self { writer: pool.clone(), reader: pool })
    }
}

/// On SQLite: a pool for reads, and a connection for writes, as SQLite has one writer at a time.
pub(super) struct Sqlite {
    reader: Pool<SqliteConnection>,
    writer: Pool<SqliteConnection>,
}

impl Sqlite {
    pub(super) fn open(file: &Path) -> Result<Self> {
        Ok(Self { reader: sqlite(file, CONNECTIONS)?, writer: sqlite(file, 1)? })
    }
}

fn sqlite(file: &Path, size: usize) -> Result<Pool<SqliteConnection>> {
    const SETTINGS: &str = "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                            PRAGMA foreign_keys = ON;";
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| {
        async move {
            let mut connection = SqliteConnection::establish(url).await?;
            connection.batch_execute(SETTINGS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(connection)
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::new_with_config(file.display().to_string(), config);
    Ok(Pool::builder(manager).max_size(size).build()?)
}

#[derive(Insertable)]
#[diesel(table_name = trades)]
struct NewTrade {
    portfolio_id: i32,
    symbol: &'static str,
    action: &'static str,
    quantity: f64,
    order_type: &'static str,
    status: &'static str,
    filled_quantity: f64,
    average_fill_price: Option<f64>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    filled_at: Option<NaiveDateTime>,
}

impl NewTrade {
    fn of(portfolio_id: i32) -> Self {
        Self {
            portfolio_id,
            symbol: written::SYMBOL,
            action: written::ACTION,
            quantity: written::QUANTITY,
            order_type: written::ORDER_TYPE,
            status: written::STATUS,
            filled_quantity: written::QUANTITY,
            average_fill_price: Some(written::PRICE),
            created_at: written::time(),
            updated_at: written::time(),
            filled_at: Some(written::time()),
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = executions)]
struct NewExecution {
    trade_id: i32,
    symbol: &'static str,
    quantity: f64,
    price: f64,
    execution_type: &'static str,
    commission: f64,
    fees: f64,
    exchange: Option<&'static str>,
    executed_at: NaiveDateTime,
}

impl NewExecution {
    fn of(trade_id: i32) -> Self {
        Self {
            trade_id,
            symbol: written::SYMBOL,
            quantity: written::PART,
            price: written::PRICE,
            execution_type: written::EXECUTION_TYPE,
            commission: written::COMMISSION,
            fees: written::FEES,
            exchange: Some(written::EXCHANGE),
            executed_at: written::time(),
        }
    }
}

macro_rules! peer {
    ($peer:ident) => {
        impl Peer for $peer {
            type Answer = Plain;

            async fn ask(&self, question: &Question) -> Result<Plain> {
                if let Question::Write(portfolio) = question {
                    return self.write(*portfolio).await;
                }
                let session = &mut self.reader.get().await?;
                Ok(match question {
                    Question::Relations(id) => Answer::Relations((
                        portfolios::table.find(id).select(Portfolio::as_select()).first(session).await?,
                        positions::table
                            .filter(positions::portfolio_id.eq(id))
                            .order(positions::id.desc())
                            .select(Position::as_select())
                            .load(session)
                            .await?,
                        trades::table
                            .filter(trades::portfolio_id.eq(id))
                            .order((trades::created_at.desc(), trades::id.desc()))
                            .select(Trade::as_select())
                            .load(session)
                            .await?,
                        trading_sessions::table
                            .filter(trading_sessions::portfolio_id.eq(id))
                            .order((trading_sessions::started_at.desc(), trading_sessions::id.desc()))
                            .select(TradingSession::as_select())
                            .load(session)
                            .await?,
                    )),
                    Question::Executions(id) => {
                        let newest: Vec<Trade> = trades::table
                            .filter(trades::portfolio_id.eq(id))
                            .order((trades::created_at.desc(), trades::id.desc()))
                            .limit(NEWEST.into())
                            .select(Trade::as_select())
                            .load(session)
                            .await?;
                        let ids: Vec<i32> = newest.iter().map(|trade| trade.id).collect();
                        let executions = executions::table
                            .filter(executions::trade_id.eq_any(ids))
                            .order((executions::executed_at.desc(), executions::id.desc()))
                            .select(Execution::as_select());
                        with_executions(newest, executions.load(session).await?)
                    }
                    Question::Position(id, symbol) => Answer::Positions(
                        positions::table
                            .filter(positions::portfolio_id.eq(id).and(positions::symbol.eq(symbol)))
                            .order(positions::id.desc())
                            .select(Position::as_select())
                            .load(session)
                            .await?,
                    ),
                    Question::Session(id) => Answer::Trades(
                        trades::table
                            .filter(trades::session_id.eq(id))
                            .order((trades::created_at.desc(), trades::id.desc()))
                            .select(Trade::as_select())
                            .load(session)
                            .await?,
                    ),
                    Question::Portfolios(ids) => with_positions(
                        portfolios::table
                            .filter(portfolios::id.eq_any(ids))
                            .order(portfolios::id)
                            .select(Portfolio::as_select())
                            .load(session)
                            .await?,
                        positions::table
                            .filter(positions::portfolio_id.eq_any(ids))
                            .order(positions::id.desc())
                            .select(Position::as_select())
                            .load(session)
                            .await?,
                    ),
                    // It has no row values: the first condition lets the index be used, the second is exact.
                    Question::Page(time, id) => Answer::Trades(
                        trades::table
                            .filter(trades::created_at.le(time))
                            .filter(trades::created_at.lt(time).or(trades::id.lt(id)))
                            .order((trades::created_at.desc(), trades::id.desc()))
                            .limit(PAGE.into())
                            .select(Trade::as_select())
                            .load(session)
                            .await?,
                    ),
                    Question::Write(_) | Question::Record(_) => bail!("a write is no read"),
                })
            }
        }

        impl $peer {
            async fn write(&self, portfolio: i32) -> Result<Plain> {
                let session = &mut self.writer.get().await?;
                let written = session.transaction(async |session| -> diesel::QueryResult<()> {
                    let trade = NewTrade::of(portfolio).insert_into(trades::table).returning(trades::id);
                    let trade: i32 = trade.get_result(session).await?;
                    for _ in 0..written::PARTS {
                        let execution = NewExecution::of(trade);
                        insert_into(executions::table).values(&execution).execute(session).await?;
                    }
                    Ok(())
                });
                written.await?;
                Ok(Answer::Written)
            }
        }
    };
}

peer!(Postgres);
peer!(Sqlite);
