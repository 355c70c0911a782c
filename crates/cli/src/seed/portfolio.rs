//! One portfolio with all its rows.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use tallybook::book::{Portfolio, PortfolioId, SessionStatus, SessionType, TradingSession, TradingSessionId};

use super::ledger::Ledger;
use super::market::{Market, opening, span};
use super::rows::{LastIds, Rows, next};
use super::trading::Trader;

/// Generates a portfolio with `trades` trades and adds its rows.
pub(super) fn make(
    market: &Market,
    trades: u32,
    ids: &mut LastIds,
    rng: &mut ChaCha8Rng,
    rows: &mut Rows,
) -> Result<()> {
    let id = PortfolioId::new(next(&mut ids.portfolio));
    let began = opening() + span().min(TimeDelta::hours(rng.random_range(1..span().num_hours() / 2)));
    let ended = opening() + span();
    let capital = Decimal::from(rng.random_range(1..=50_u32) * 20_000);
    let portfolio = Portfolio {
        id,
        name: format!("{} {:05}", STRATEGIES[rng.random_range(0..STRATEGIES.len())], id),
        description: rng.random_bool(0.5).then(|| "Made by `tallybook seed`".to_owned()),
        initial_capital: capital,
        current_capital: capital,
        currency: "USD".to_owned(),
        created_at: began,
        updated_at: began,
        metadata_json: None,
    };

    let sessions = sessions(&portfolio, began, ended, ids, rng);
    let (orders, executions, positions) = (Vec::new(), Vec::new(), Vec::new());
    let mut ledger = Ledger { portfolio, sessions, orders, executions, positions };
    let mut trader = Trader::new(market, capital, rng);
    for at in times(began, ended, trades, rng) {
        trader.trade(at, ended, &mut ledger, ids, rng);
    }
    ledger.keep(ids)?;

    rows.portfolios.push(ledger.portfolio);
    rows.sessions.extend(ledger.sessions);
    rows.trades.extend(ledger.orders.into_iter().map(|order| order.trade));
    rows.executions.extend(ledger.executions);
    rows.positions.extend(ledger.positions);
    Ok(())
}

const STRATEGIES: [&str; 6] = ["Momentum", "Value", "Mean reversion", "Income", "Growth", "Market neutral"];

/// Returns ascending times, in whole microseconds.
fn times(from: DateTime<Utc>, to: DateTime<Utc>, count: u32, rng: &mut ChaCha8Rng) -> Vec<DateTime<Utc>> {
    let micros = (to - from).num_microseconds().unwrap_or(i64::MAX);
    let mut offsets: Vec<i64> = (0..count).map(|_| rng.random_range(0..micros)).collect();
    offsets.sort_unstable();
    offsets.into_iter().map(|offset| from + TimeDelta::microseconds(offset)).collect()
}

/// Generates one to six sessions, one after another with pauses; most often the last is still active.
fn sessions(
    portfolio: &Portfolio,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    ids: &mut LastIds,
    rng: &mut ChaCha8Rng,
) -> Vec<TradingSession> {
    let count = rng.random_range(1..=6);
    let length = (to - from) / count;
    (0..count)
        .map(|index| {
            let started_at = from + length * index;
            let active = index + 1 == count && rng.random_bool(0.7);
            let pause = length * rng.random_range(5..25) / 100;
            let session_type = match rng.random_range(0..10) {
                0..4 => SessionType::Live,
                4..8 => SessionType::Paper,
                _ => SessionType::Backtest,
            };
            TradingSession {
                id: TradingSessionId::new(next(&mut ids.session)),
                portfolio_id: portfolio.id,
                name: Some(format!("{session_type} {}", index + 1)),
                session_type,
                status: if active { SessionStatus::Active } else { SessionStatus::Stopped },
                description: None,
                max_position_size: Some(Decimal::from(rng.random_range(1..=20) * 5_000)),
                max_portfolio_exposure: Some(Decimal::new(rng.random_range(50..=100), 2)),
                stop_loss_percentage: Some(Decimal::new(rng.random_range(20..=100), 1)),
                take_profit_percentage: Some(Decimal::new(rng.random_range(50..=300), 1)),
                starting_capital: portfolio.initial_capital,
                current_capital: portfolio.initial_capital,
                total_pnl: Decimal::ZERO,
                total_trades: 0,
                winning_trades: 0,
                losing_trades: 0,
                started_at,
                stopped_at: (!active).then(|| whole_micros(started_at + length - pause)),
                metadata_json: None,
            }
        })
        .map(|session| TradingSession { started_at: whole_micros(session.started_at), ..session })
        .collect()
}

/// Removes the nanoseconds that dividing a time span leaves.
fn whole_micros(moment: DateTime<Utc>) -> DateTime<Utc> {
    use chrono::SubsecRound;
    moment.trunc_subsecs(6)
}
