//! Recording a fill on rusqlite by hand, in one transaction.

use anyhow::Result;
use chrono::{NaiveDateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::rusqlite::text;
use crate::book::by_hand::{Position, Rows, Session, Trade};
use crate::book::sql;
use crate::book::work::Fill;
use crate::book::written;

pub(super) fn record(connection: &mut Connection, fill: &Fill, execution_id: &str) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let capital =
        transaction.prepare_cached(sql::alone::CAPITAL)?.query_row([fill.portfolio], |row| row.get(0))?;
    let trade = transaction.prepare_cached(sql::alone::TRADE)?.query_row([fill.trade], trade)?;
    let position = transaction
        .prepare_cached(sql::alone::POSITION)?
        .query_row(params![fill.portfolio, trade.symbol], position)
        .optional()?;
    let session = match trade.session_id {
        Some(id) => transaction.prepare_cached(sql::TOTALS)?.query_row([id], session).optional()?,
        None => None,
    };
    if transaction.prepare_cached(sql::RECORDED)?.exists([execution_id])? {
        return Ok(());
    }
    let mut rows = Rows { capital, trade, position: position.unwrap_or_default(), session };
    let execution = rows.record(fill)?;
    let (now, time) = (text(Utc::now().naive_utc()), text(written::time()));
    let Rows { capital, trade, position, session } = &rows;
    transaction.prepare_cached(sql::INSERT_EXECUTION)?.query_row(
        params![
            fill.trade,
            trade.symbol,
            execution.quantity,
            execution.price,
            execution.execution_type,
            written::COMMISSION,
            written::FEES,
            written::EXCHANGE,
            execution_id,
            time,
            None::<&str>,
            execution.realized_pnl,
            None::<i32>,
            None::<&str>,
        ],
        |_| Ok(()),
    )?;
    transaction.prepare_cached(sql::UPDATE_TRADE)?.execute(params![
        trade.status,
        trade.filled_quantity,
        trade.average_fill_price,
        trade.realized_pnl,
        trade.filled_at.map(text),
        now,
        fill.trade,
    ])?;
    transaction.prepare_cached(sql::UPDATE_CAPITAL)?.execute(params![capital, now, fill.portfolio])?;
    if let Some(session) = session {
        transaction.prepare_cached(sql::UPDATE_TOTALS)?.execute(params![
            session.current_capital,
            session.total_pnl,
            session.total_trades,
            session.winning_trades,
            session.losing_trades,
            trade.session_id,
        ])?;
    }
    let entry_date = position.entry_date.map(text);
    match position.id {
        Some(id) => transaction.prepare_cached(sql::UPDATE_POSITION)?.execute(params![
            position.quantity,
            position.average_cost,
            position.current_price,
            position.unrealized_pnl,
            position.realized_pnl,
            position.position_type,
            entry_date,
            now,
            id,
        ])?,
        None => transaction.prepare_cached(sql::INSERT_POSITION)?.execute(params![
            fill.portfolio,
            trade.symbol,
            position.quantity,
            position.average_cost,
            position.current_price,
            position.unrealized_pnl,
            position.realized_pnl,
            position.position_type,
            entry_date,
            now,
        ])?,
    };
    Ok(transaction.commit()?)
}

fn trade(row: &Row<'_>) -> rusqlite::Result<Trade> {
    Ok(Trade {
        session_id: row.get(0)?,
        symbol: row.get(1)?,
        action: row.get(2)?,
        quantity: row.get(3)?,
        status: row.get(4)?,
        filled_quantity: row.get(5)?,
        average_fill_price: row.get(6)?,
        realized_pnl: row.get(7)?,
        filled_at: row.get::<_, Option<NaiveDateTime>>(8)?,
    })
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position {
        id: row.get(0)?,
        quantity: row.get(1)?,
        average_cost: row.get(2)?,
        current_price: row.get(3)?,
        unrealized_pnl: row.get(4)?,
        realized_pnl: row.get(5)?,
        position_type: row.get(6)?,
        entry_date: row.get(7)?,
    })
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        current_capital: row.get(0)?,
        total_pnl: row.get(1)?,
        total_trades: row.get(2)?,
        winning_trades: row.get(3)?,
        losing_trades: row.get(4)?,
    })
}
