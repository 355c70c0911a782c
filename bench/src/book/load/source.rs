//! The trades that are loaded: those of the book, as rows and as a CSV file.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use rust_decimal::Decimal;
use tallybook::book::{Trade, TradingSessionId};
use tallybook::{Database, Row, Settings, Statement, Value, all, params};
use tempfile::TempDir;

/// The columns that later revisions added: the last ones of the table, in this order.
const LAST_COLUMNS: [&str; 2] = ["session_id", "realized_pnl"];

/// The same rows twice.
pub(super) struct Source {
    pub(super) trades: Vec<Trade>,
    /// The columns of the file, in the order of the table, which `.import` wants.
    pub(super) columns: Vec<&'static str>,
    directory: TempDir,
}

impl Source {
    /// The first trades of the book at `url`.
    pub(super) async fn take(url: &str, rows: u32) -> Result<Self> {
        let database = Database::open(Settings::new(url)?).await?;
        let first =
            Statement::from(format!("SELECT {} FROM trades ORDER BY id LIMIT $1", Trade::COLUMN_LIST));
        let read = database.read().await?.run(all::<Trade>(&first, params![i64::from(rows)])).await?;
        database.close().await;
        ensure!(read.len() == rows as usize, "the book has only {} trades", read.len());
        let trades: Vec<Trade> = read.into_iter().map(without_null).collect();
        let mut order: Vec<usize> = (0..Trade::COLUMNS.len()).collect();
        order.sort_by_key(|&index| LAST_COLUMNS.iter().position(|&last| last == Trade::COLUMNS[index].name));
        let source = Self {
            columns: order.iter().map(|&index| Trade::COLUMNS[index].name).collect(),
            directory: tempfile::tempdir()?,
            trades,
        };
        fs::write(source.file(), csv(&source.trades, &order)?)?;
        Ok(source)
    }

    /// The file, with the names of the columns in its first line.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join("trades.csv")
    }
}

/// A value in every column: `.import` can't load NULL.
fn without_null(trade: Trade) -> Trade {
    let price = Decimal::new(18_525, 2);
    Trade {
        session_id: trade.session_id.or(Some(TradingSessionId::new(1))),
        limit_price: trade.limit_price.or(Some(price)),
        stop_price: trade.stop_price.or(Some(price)),
        average_fill_price: trade.average_fill_price.or(Some(price)),
        filled_at: trade.filled_at.or(Some(trade.created_at)),
        decision_rationale: trade.decision_rationale.or_else(|| Some("none".to_owned())),
        confidence_score: trade.confidence_score.or(Some(Decimal::new(5, 1))),
        metadata_json: trade.metadata_json.or_else(|| Some("{}".to_owned())),
        realized_pnl: trade.realized_pnl.or(Some(Decimal::new(5, 1))),
        ..trade
    }
}

/// Texts are quoted, as they may have commas.
fn csv(trades: &[Trade], order: &[usize]) -> Result<String> {
    let names: Vec<_> = order.iter().map(|&index| Trade::COLUMNS[index].name).collect();
    let mut text = names.join(",") + "\n";
    for trade in trades {
        let values = trade.encode()?;
        for (place, &index) in order.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            match &values[index] {
                Value::Text(value) => write!(text, "\"{}\"", value.replace('"', "\"\""))?,
                value => write!(text, "{value}")?,
            }
        }
        text.push('\n');
    }
    Ok(text)
}
