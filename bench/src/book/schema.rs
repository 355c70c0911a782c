//! The tables as diesel knows them.

#![allow(unreachable_pub, missing_docs, reason = "the macro makes its items public")]

use diesel::{joinable, table};

table! {
    portfolios (id) {
        id -> Integer,
        name -> Text,
        description -> Nullable<Text>,
        initial_capital -> Double,
        current_capital -> Double,
        currency -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        metadata_json -> Nullable<Text>,
    }
}

table! {
    positions (id) {
        id -> Integer,
        portfolio_id -> Integer,
        symbol -> Text,
        quantity -> Double,
        average_cost -> Double,
        current_price -> Double,
        unrealized_pnl -> Double,
        realized_pnl -> Double,
        position_type -> Text,
        entry_date -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        metadata_json -> Nullable<Text>,
    }
}

table! {
    trades (id) {
        id -> Integer,
        portfolio_id -> Integer,
        session_id -> Nullable<Integer>,
        symbol -> Text,
        action -> Text,
        quantity -> Double,
        order_type -> Text,
        limit_price -> Nullable<Double>,
        stop_price -> Nullable<Double>,
        status -> Text,
        filled_quantity -> Double,
        average_fill_price -> Nullable<Double>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        filled_at -> Nullable<Timestamp>,
        decision_rationale -> Nullable<Text>,
        confidence_score -> Nullable<Double>,
        metadata_json -> Nullable<Text>,
        realized_pnl -> Nullable<Double>,
    }
}

table! {
    executions (id) {
        id -> Integer,
        trade_id -> Integer,
        symbol -> Text,
        quantity -> Double,
        price -> Double,
        execution_type -> Text,
        commission -> Double,
        fees -> Double,
        exchange -> Nullable<Text>,
        execution_id -> Nullable<Text>,
        executed_at -> Timestamp,
        metadata_json -> Nullable<Text>,
        realized_pnl -> Nullable<Double>,
        reverses_id -> Nullable<Integer>,
        mark -> Nullable<Text>,
    }
}

table! {
    trading_sessions (id) {
        id -> Integer,
        portfolio_id -> Integer,
        session_type -> Text,
        status -> Text,
        name -> Nullable<Text>,
        description -> Nullable<Text>,
        max_position_size -> Nullable<Double>,
        max_portfolio_exposure -> Nullable<Double>,
        stop_loss_percentage -> Nullable<Double>,
        take_profit_percentage -> Nullable<Double>,
        starting_capital -> Double,
        current_capital -> Double,
        total_pnl -> Double,
        total_trades -> Integer,
        winning_trades -> Integer,
        losing_trades -> Integer,
        started_at -> Timestamp,
        stopped_at -> Nullable<Timestamp>,
        metadata_json -> Nullable<Text>,
    }
}

joinable!(positions -> portfolios (portfolio_id));
joinable!(trades -> portfolios (portfolio_id));
joinable!(executions -> trades (trade_id));
joinable!(trading_sessions -> portfolios (portfolio_id));
