//! tokio-postgres and deadpool by hand, with prepared statements: one statement after another.

use anyhow::Result;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

use super::recording::record;
use crate::book::by_hand::Identifiers;
use crate::book::contestant::Peer;
use crate::book::rows::{Answer, Plain, Trade, with_executions, with_positions};
use crate::book::sql;
use crate::book::work::{NEWEST, PAGE, Question};
use crate::book::written;
use crate::connections::CONNECTIONS;

pub(super) struct Deadpool {
    pool: Pool,
    identifiers: Identifiers,
}

impl Deadpool {
    pub(super) fn open(url: &str) -> Result<Self> {
        Ok(Self { pool: pool(url)?, identifiers: Identifiers::of("deadpool") })
    }
}

/// Connections that are handed out without asking the server whether they live.
pub(super) fn pool(url: &str) -> Result<Pool> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(url.parse()?, NoTls, config);
    Ok(Pool::builder(manager).max_size(CONNECTIONS).build()?)
}

/// The rows of one statement.
pub(super) async fn all<T>(client: &Object, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<T>>
where
    T: TryFrom<tokio_postgres::Row, Error = tokio_postgres::Error>,
{
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, values).await?;
    Ok(rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?)
}

/// The row of one statement.
pub(super) async fn one<T>(client: &Object, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<T>
where
    T: TryFrom<tokio_postgres::Row, Error = tokio_postgres::Error>,
{
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, values).await?.try_into()?)
}

impl Peer for Deadpool {
    type Answer = Plain;

    const RECORDS: bool = true;

    async fn ask(&self, question: &Question) -> Result<Plain> {
        let mut client = self.pool.get().await?;
        Ok(match question {
            Question::Relations(id) => Answer::Relations((
                one(&client, sql::PORTFOLIO, &[id]).await?,
                all(&client, sql::POSITIONS, &[id]).await?,
                all(&client, sql::TRADES, &[id]).await?,
                all(&client, sql::SESSIONS, &[id]).await?,
            )),
            Question::Executions(id) => {
                let trades: Vec<Trade> = all(&client, sql::NEWEST_TRADES, &[id, &i64::from(NEWEST)]).await?;
                let ids: Vec<i32> = trades.iter().map(|trade| trade.id).collect();
                with_executions(trades, all(&client, sql::array::EXECUTIONS, &[&ids]).await?)
            }
            Question::Portfolios(ids) => with_positions(
                all(&client, sql::array::PORTFOLIOS, &[ids]).await?,
                all(&client, sql::array::POSITIONS, &[ids]).await?,
            ),
            Question::Record(fill) => {
                record(&mut client, fill, &self.identifiers.next()).await?;
                Answer::Written
            }
            _ => single(&mut client, question).await?,
        })
    }
}

/// What takes one statement, and the write.
pub(super) async fn single(client: &mut Object, question: &Question) -> Result<Plain> {
    Ok(match question {
        Question::Position(id, symbol) => {
            Answer::Positions(all(client, sql::BY_SYMBOL, &[id, symbol]).await?)
        }
        Question::Session(id) => Answer::Trades(all(client, sql::BY_SESSION, &[id]).await?),
        Question::Page(time, id) => {
            Answer::Trades(all(client, sql::PAGE, &[time, id, &i64::from(PAGE)]).await?)
        }
        Question::Write(id) => {
            write(client, *id).await?;
            Answer::Written
        }
        _ => anyhow::bail!("{question:?} takes several statements"),
    })
}

async fn write(client: &mut Object, portfolio: i32) -> Result<()> {
    let transaction = client.transaction().await?;
    let (time, none) = (written::time(), None::<f64>);
    let (no_id, no_text) = (None::<i32>, None::<&str>);
    let statement = transaction.prepare_cached(sql::INSERT_TRADE).await?;
    let values: [&(dyn ToSql + Sync); 18] = [
        &portfolio,
        &no_id,
        &written::SYMBOL,
        &written::ACTION,
        &written::QUANTITY,
        &written::ORDER_TYPE,
        &none,
        &none,
        &written::STATUS,
        &written::QUANTITY,
        &Some(written::PRICE),
        &time,
        &time,
        &Some(time),
        &no_text,
        &none,
        &no_text,
        &none,
    ];
    let trade: i32 = transaction.query_one(&statement, &values).await?.try_get(0)?;
    let statement = transaction.prepare_cached(sql::INSERT_EXECUTION).await?;
    for _ in 0..written::PARTS {
        let values: [&(dyn ToSql + Sync); 14] = [
            &trade,
            &written::SYMBOL,
            &written::PART,
            &written::PRICE,
            &written::EXECUTION_TYPE,
            &written::COMMISSION,
            &written::FEES,
            &written::EXCHANGE,
            &no_text,
            &time,
            &no_text,
            &none,
            &no_id,
            &no_text,
        ];
        transaction.query_one(&statement, &values).await?;
    }
    Ok(transaction.commit().await?)
}
