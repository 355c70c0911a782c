//! Recording a fill on tokio-postgres by hand: one statement after another, or with those that need not wait for each other on
//! the way at once.

use anyhow::{Context, Result};
use chrono::{NaiveDateTime, Utc};
use deadpool_postgres::{Object, Transaction};
use tokio::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::book::by_hand::{Execution, Position, Rows, Session, Trade};
use crate::book::sql;
use crate::book::work::Fill;
use crate::book::written;

/// One statement after another.
pub(super) async fn record(client: &mut Object, fill: &Fill, execution_id: &str) -> Result<()> {
    let transaction = client.transaction().await?;
    let capital = capital(one(&transaction, sql::locking::CAPITAL, &[&fill.portfolio]).await?)?;
    let trade = trade(one(&transaction, sql::locking::TRADE, &[&fill.trade]).await?)?;
    let held = one(&transaction, sql::locking::POSITION, &[&fill.portfolio, &trade.symbol]).await?;
    let position = position(held)?;
    let session = match trade.session_id {
        Some(id) => session(one(&transaction, sql::TOTALS, &[&id]).await?)?,
        None => None,
    };
    if one(&transaction, sql::RECORDED, &[&execution_id]).await?.is_some() {
        return Ok(());
    }
    let mut rows = Rows { capital, trade, position, session };
    let execution = rows.record(fill)?;
    let write = Write { transaction: &transaction, fill, rows: &rows, now: Utc::now().naive_utc() };
    write.execution(&execution, execution_id).await?;
    write.trade().await?;
    write.capital().await?;
    write.session().await?;
    write.position().await?;
    Ok(transaction.commit().await?)
}

/// All reads at once, then all writes.
pub(super) async fn record_pipelined(client: &mut Object, fill: &Fill, execution_id: &str) -> Result<()> {
    let transaction = client.transaction().await?;
    let (of_portfolio, of_trade): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) =
        ([&fill.portfolio], [&fill.trade]);
    let of_execution: [&(dyn ToSql + Sync); 1] = [&execution_id];
    // Prepared before they are sent together, so that none of them overtakes the lock on a new connection.
    for sql in [
        sql::locking::CAPITAL,
        sql::locking::TRADE,
        sql::POSITION_OF_TRADE,
        sql::TOTALS_OF_TRADE,
        sql::RECORDED,
    ] {
        transaction.prepare_cached(sql).await?;
    }
    let (cash, order, held, totals, recorded) = try_join!(
        one(&transaction, sql::locking::CAPITAL, &of_portfolio),
        one(&transaction, sql::locking::TRADE, &of_trade),
        one(&transaction, sql::POSITION_OF_TRADE, &of_trade),
        one(&transaction, sql::TOTALS_OF_TRADE, &of_trade),
        one(&transaction, sql::RECORDED, &of_execution),
    )?;
    if recorded.is_some() {
        return Ok(());
    }
    let mut rows = Rows {
        capital: capital(cash)?,
        trade: trade(order)?,
        position: position(held)?,
        session: session(totals)?,
    };
    let execution = rows.record(fill)?;
    let write = Write { transaction: &transaction, fill, rows: &rows, now: Utc::now().naive_utc() };
    try_join!(
        write.execution(&execution, execution_id),
        write.trade(),
        write.capital(),
        write.session(),
        write.position(),
    )?;
    Ok(transaction.commit().await?)
}

async fn one(
    transaction: &Transaction<'_>,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>> {
    let statement = transaction.prepare_cached(sql).await?;
    Ok(transaction.query_opt(&statement, values).await?)
}

fn capital(row: Option<Row>) -> Result<f64> {
    Ok(row.context("there is no such portfolio")?.try_get(0)?)
}

fn trade(row: Option<Row>) -> Result<Trade> {
    let row = row.context("there is no such order")?;
    Ok(Trade {
        session_id: row.try_get(0)?,
        symbol: row.try_get(1)?,
        action: row.try_get(2)?,
        quantity: row.try_get(3)?,
        status: row.try_get(4)?,
        filled_quantity: row.try_get(5)?,
        average_fill_price: row.try_get(6)?,
        realized_pnl: row.try_get(7)?,
        filled_at: row.try_get(8)?,
    })
}

fn position(row: Option<Row>) -> Result<Position> {
    let Some(row) = row else { return Ok(Position::default()) };
    Ok(Position {
        id: row.try_get(0)?,
        quantity: row.try_get(1)?,
        average_cost: row.try_get(2)?,
        current_price: row.try_get(3)?,
        unrealized_pnl: row.try_get(4)?,
        realized_pnl: row.try_get(5)?,
        position_type: row.try_get(6)?,
        entry_date: row.try_get(7)?,
    })
}

fn session(row: Option<Row>) -> Result<Option<Session>> {
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Session {
        current_capital: row.try_get(0)?,
        total_pnl: row.try_get(1)?,
        total_trades: row.try_get(2)?,
        winning_trades: row.try_get(3)?,
        losing_trades: row.try_get(4)?,
    }))
}

/// The statements that write the rows.
struct Write<'a> {
    transaction: &'a Transaction<'a>,
    fill: &'a Fill,
    rows: &'a Rows,
    now: NaiveDateTime,
}

impl Write<'_> {
    async fn run(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<()> {
        let statement = self.transaction.prepare_cached(sql).await?;
        self.transaction.execute(&statement, values).await?;
        Ok(())
    }

    async fn execution(&self, execution: &Execution, execution_id: &str) -> Result<()> {
        let values: [&(dyn ToSql + Sync); 14] = [
            &self.fill.trade,
            &self.rows.trade.symbol,
            &execution.quantity,
            &execution.price,
            &execution.execution_type,
            &written::COMMISSION,
            &written::FEES,
            &written::EXCHANGE,
            &execution_id,
            &written::time(),
            &None::<&str>,
            &execution.realized_pnl,
            &None::<i32>,
            &None::<&str>,
        ];
        self.run(sql::INSERT_EXECUTION, &values).await
    }

    async fn trade(&self) -> Result<()> {
        let trade = &self.rows.trade;
        let values: [&(dyn ToSql + Sync); 7] = [
            &trade.status,
            &trade.filled_quantity,
            &trade.average_fill_price,
            &trade.realized_pnl,
            &trade.filled_at,
            &self.now,
            &self.fill.trade,
        ];
        self.run(sql::UPDATE_TRADE, &values).await
    }

    async fn capital(&self) -> Result<()> {
        self.run(sql::UPDATE_CAPITAL, &[&self.rows.capital, &self.now, &self.fill.portfolio]).await
    }

    async fn session(&self) -> Result<()> {
        let Some(session) = &self.rows.session else { return Ok(()) };
        let values: [&(dyn ToSql + Sync); 6] = [
            &session.current_capital,
            &session.total_pnl,
            &session.total_trades,
            &session.winning_trades,
            &session.losing_trades,
            &self.rows.trade.session_id,
        ];
        self.run(sql::UPDATE_TOTALS, &values).await
    }

    async fn position(&self) -> Result<()> {
        let position = &self.rows.position;
        let figures: [&(dyn ToSql + Sync); 8] = [
            &position.quantity,
            &position.average_cost,
            &position.current_price,
            &position.unrealized_pnl,
            &position.realized_pnl,
            &position.position_type,
            &position.entry_date,
            &self.now,
        ];
        match &position.id {
            Some(id) => self.run(sql::UPDATE_POSITION, &[&figures[..], &[id]].concat()).await,
            None => {
                let row: [&(dyn ToSql + Sync); 2] = [&self.fill.portfolio, &self.rows.trade.symbol];
                self.run(sql::INSERT_POSITION, &[&row[..], &figures[..]].concat()).await
            }
        }
    }
}
