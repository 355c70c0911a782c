//! The endpoints that are measured, as a program by hand has them: axum, sqlx, a pool of 15 connections, PostgreSQL.
//!
//! `http-peer URL PORT`

use std::error::Error;

use axum::extract::{Path, Query, State};
use axum::routing::{get, patch};
use axum::{Json, Router};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};

macro_rules! rows {
    ($($name:ident { $($field:ident: $ty:ty),* $(,)? })*) => {$(
        #[derive(Serialize, sqlx::FromRow)]
        struct $name { $($field: $ty),* }
    )*};
}

rows! {
    Portfolio {
        id: i32, name: String, description: Option<String>, initial_capital: f64, current_capital: f64, currency: String,
        created_at: NaiveDateTime, updated_at: NaiveDateTime, metadata_json: Option<String>,
    }
    Position {
        id: i32, portfolio_id: i32, symbol: String, quantity: f64, average_cost: f64, current_price: f64,
        unrealized_pnl: f64, realized_pnl: f64, position_type: String, entry_date: Option<NaiveDateTime>,
        created_at: NaiveDateTime, updated_at: NaiveDateTime, metadata_json: Option<String>,
    }
    Trade {
        id: i32, portfolio_id: i32, session_id: Option<i32>, symbol: String, action: String, quantity: f64,
        order_type: String, limit_price: Option<f64>, stop_price: Option<f64>, status: String, filled_quantity: f64,
        average_fill_price: Option<f64>, created_at: NaiveDateTime, updated_at: NaiveDateTime,
        filled_at: Option<NaiveDateTime>, decision_rationale: Option<String>, confidence_score: Option<f64>,
        metadata_json: Option<String>, realized_pnl: Option<f64>,
    }
    TradingSession {
        id: i32, portfolio_id: i32, session_type: String, status: String, name: Option<String>,
        description: Option<String>, max_position_size: Option<f64>, max_portfolio_exposure: Option<f64>,
        stop_loss_percentage: Option<f64>, take_profit_percentage: Option<f64>, starting_capital: f64,
        current_capital: f64, total_pnl: f64, total_trades: i32, winning_trades: i32, losing_trades: i32,
        started_at: NaiveDateTime, stopped_at: Option<NaiveDateTime>, metadata_json: Option<String>,
    }
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    portfolio: Portfolio,
    positions: Vec<Position>,
    trades: Vec<Trade>,
    sessions: Vec<TradingSession>,
}

#[derive(Serialize)]
struct Rows<T> {
    rows: Vec<T>,
}

#[derive(Deserialize)]
struct Filter {
    portfolio_id: i32,
    symbol: Option<String>,
    limit: Option<i64>,
}

#[derive(Deserialize)]
struct Price {
    current_price: String,
}

type Answer<T> = Result<Json<T>, String>;

fn failed(error: impl Error) -> String {
    error.to_string()
}

async fn whole(State(pool): State<PgPool>, Path(id): Path<i32>) -> Answer<Whole> {
    // One snapshot, as Tallybook reads it.
    let mut tx = pool.begin().await.map_err(failed)?;
    let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::query(begin).execute(&mut *tx).await.map_err(failed)?;
    let portfolio = sqlx::query_as("SELECT * FROM portfolios WHERE id = $1").bind(id);
    let portfolio = portfolio.fetch_one(&mut *tx).await.map_err(failed)?;
    let positions =
        sqlx::query_as("SELECT * FROM positions WHERE portfolio_id = $1 ORDER BY id DESC").bind(id);
    let positions = positions.fetch_all(&mut *tx).await.map_err(failed)?;
    let trades =
        sqlx::query_as("SELECT * FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC");
    let trades = trades.bind(id).fetch_all(&mut *tx).await.map_err(failed)?;
    let sessions = sqlx::query_as(
        "SELECT * FROM trading_sessions WHERE portfolio_id = $1 ORDER BY started_at DESC, id DESC",
    );
    let sessions = sessions.bind(id).fetch_all(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(Json(Whole { portfolio, positions, trades, sessions }))
}

async fn trades(State(pool): State<PgPool>, Query(filter): Query<Filter>) -> Answer<Rows<Trade>> {
    let rows = sqlx::query_as(
        "SELECT * FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
    );
    let rows = rows.bind(filter.portfolio_id).bind(filter.limit.unwrap_or(50) + 1);
    let mut rows: Vec<Trade> = rows.fetch_all(&pool).await.map_err(failed)?;
    rows.truncate(usize::try_from(filter.limit.unwrap_or(50)).unwrap_or(0));
    Ok(Json(Rows { rows }))
}

async fn positions(State(pool): State<PgPool>, Query(filter): Query<Filter>) -> Answer<Rows<Position>> {
    let rows = sqlx::query_as(
        "SELECT * FROM positions WHERE portfolio_id = $1 AND symbol = $2 ORDER BY id DESC LIMIT 51",
    );
    let rows = rows.bind(filter.portfolio_id).bind(filter.symbol.unwrap_or_default());
    Ok(Json(Rows { rows: rows.fetch_all(&pool).await.map_err(failed)? }))
}

async fn price(State(pool): State<PgPool>, Path(id): Path<i32>, Json(new): Json<Price>) -> Answer<Position> {
    let price: f64 = new.current_price.parse().map_err(failed)?;
    let mut tx = pool.begin().await.map_err(failed)?;
    let row = sqlx::query_as(
        "UPDATE positions SET current_price = $1, updated_at = clock_timestamp() AT TIME ZONE 'UTC' WHERE id = $2 RETURNING *",
    );
    let row = row.bind(price).bind(id).fetch_one(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(Json(row))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("http-peer URL PORT".into());
    };
    let pool = PgPoolOptions::new().max_connections(15).connect(&url).await?;
    let routes = Router::new()
        .route("/v1/portfolios/{id}", get(whole))
        .route("/v1/trades", get(trades))
        .route("/v1/positions", get(positions))
        .route("/v1/positions/{id}", patch(price))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}
