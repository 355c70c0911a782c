//! sea-orm with its pool, which is sqlx's; children by its loader. Its pool does not ping when it hands out.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sea_orm::prelude::*;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, LoaderTrait, QueryOrder, QuerySelect, Set, TransactionTrait};

use super::entities::{execution, portfolio, position, session, trade};
use crate::book::checksum::loaded;
use crate::book::contestant::Peer;
use crate::book::rows::{Answer, Beside};
use crate::book::work::{NEWEST, PAGE, Question};
use crate::book::written;
use crate::connections::CONNECTIONS;

type Models = Beside<portfolio::Model, position::Model, trade::Model, execution::Model, session::Model>;

loaded!(portfolio::Model, position::Model, trade::Model, execution::Model, session::Model);

/// A pool for reads, and one for writes: the same on PostgreSQL, a single connection on SQLite.
pub(super) struct SeaOrm {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
}

impl SeaOrm {
    pub(super) async fn postgres(url: &str) -> Result<Self> {
        let pool = Database::connect(options(url, CONNECTIONS)).await?;
        Ok(Self { writer: pool.clone(), reader: pool })
    }

    pub(super) async fn sqlite(file: &Path) -> Result<Self> {
        let url = format!("sqlite://{}", file.display());
        let open = async |size| {
            let mut options = options(&url, size);
            options.map_sqlx_sqlite_opts(|connection| {
                connection
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
            });
            Database::connect(options).await
        };
        Ok(Self { reader: open(CONNECTIONS).await?, writer: open(1).await? })
    }

    async fn write(&self, portfolio: i32) -> Result<Models> {
        let transaction = self.writer.begin().await?;
        let trade = new_trade(portfolio).insert(&transaction).await?;
        for _ in 0..written::PARTS {
            new_execution(trade.id).insert(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(Answer::Written)
    }
}

fn options(url: &str, size: usize) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(size as u32).test_before_acquire(false).sqlx_logging(false);
    options
}

impl Peer for SeaOrm {
    type Answer = Models;

    async fn ask(&self, question: &Question) -> Result<Models> {
        let pool = &self.reader;
        Ok(match question {
            Question::Relations(id) => Answer::Relations((
                portfolio::Entity::find_by_id(*id).one(pool).await?.context("no portfolio")?,
                position::Entity::find()
                    .filter(position::Column::PortfolioId.eq(*id))
                    .order_by_desc(position::Column::Id)
                    .all(pool)
                    .await?,
                trades().filter(trade::Column::PortfolioId.eq(*id)).all(pool).await?,
                session::Entity::find()
                    .filter(session::Column::PortfolioId.eq(*id))
                    .order_by_desc(session::Column::StartedAt)
                    .order_by_desc(session::Column::Id)
                    .all(pool)
                    .await?,
            )),
            Question::Executions(id) => {
                let newest = trades().filter(trade::Column::PortfolioId.eq(*id)).limit(NEWEST as u64);
                let newest = newest.all(pool).await?;
                let executions = execution::Entity::find()
                    .order_by_desc(execution::Column::ExecutedAt)
                    .order_by_desc(execution::Column::Id);
                let executions = newest.load_many(executions, pool).await?;
                Answer::Executions(newest.into_iter().zip(executions).collect())
            }
            Question::Position(id, symbol) => Answer::Positions(
                position::Entity::find()
                    .filter(position::Column::PortfolioId.eq(*id))
                    .filter(position::Column::Symbol.eq(symbol))
                    .order_by_desc(position::Column::Id)
                    .all(pool)
                    .await?,
            ),
            Question::Session(id) => {
                Answer::Trades(trades().filter(trade::Column::SessionId.eq(*id)).all(pool).await?)
            }
            Question::Portfolios(ids) => {
                let portfolios = portfolio::Entity::find()
                    .filter(portfolio::Column::Id.is_in(ids.iter().copied()))
                    .order_by_asc(portfolio::Column::Id)
                    .all(pool)
                    .await?;
                let positions = position::Entity::find().order_by_desc(position::Column::Id);
                let positions = portfolios.load_many(positions, pool).await?;
                Answer::Portfolios(portfolios.into_iter().zip(positions).collect())
            }
            // Its cursor has no row values: the filter lets the index be used, the cursor is exact.
            Question::Page(time, id) => {
                let page = trade::Entity::find().filter(trade::Column::CreatedAt.lte(*time));
                let mut cursor = page.cursor_by((trade::Column::CreatedAt, trade::Column::Id));
                Answer::Trades(cursor.after((*time, *id)).desc().first(PAGE as u64).all(pool).await?)
            }
            Question::Write(portfolio) => return self.write(*portfolio).await,
            Question::Record(_) => bail!("it records no fills"),
        })
    }
}

/// The newest first.
fn trades() -> Select<trade::Entity> {
    trade::Entity::find().order_by_desc(trade::Column::CreatedAt).order_by_desc(trade::Column::Id)
}

fn new_trade(portfolio: i32) -> trade::ActiveModel {
    trade::ActiveModel {
        portfolio_id: Set(portfolio),
        symbol: Set(written::SYMBOL.to_owned()),
        action: Set(written::ACTION.to_owned()),
        quantity: Set(written::QUANTITY),
        order_type: Set(written::ORDER_TYPE.to_owned()),
        status: Set(written::STATUS.to_owned()),
        filled_quantity: Set(written::QUANTITY),
        average_fill_price: Set(Some(written::PRICE)),
        created_at: Set(written::time()),
        updated_at: Set(written::time()),
        filled_at: Set(Some(written::time())),
        ..Default::default()
    }
}

fn new_execution(trade: i32) -> execution::ActiveModel {
    execution::ActiveModel {
        trade_id: Set(trade),
        symbol: Set(written::SYMBOL.to_owned()),
        quantity: Set(written::PART),
        price: Set(written::PRICE),
        execution_type: Set(written::EXECUTION_TYPE.to_owned()),
        commission: Set(written::COMMISSION),
        fees: Set(written::FEES),
        exchange: Set(Some(written::EXCHANGE.to_owned())),
        executed_at: Set(written::time()),
        ..Default::default()
    }
}
