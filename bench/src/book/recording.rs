//! Fills that the peers record, each from the same beginning: their books must balance.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::contestant::Contestant;
use super::orders::Orders;
use super::refold::{Account, Figures, Precision, same};
use super::target::Target;
use super::work::Work;

/// Refuses to go on unless everyone makes the same books of the same fills.
pub(super) async fn check(target: Target, orders: &Orders, all: &[Arc<dyn Contestant>]) -> Result<()> {
    let fills = orders.fills().len();
    let mut expected: Option<Figures> = None;
    for contestant in all.iter().filter(|contestant| contestant.does(Work::Record)) {
        let name = contestant.name();
        orders.reset().await?;
        contestant.check(Work::Record).await.with_context(|| format!("{name} on {target}"))?;
        let books = Books::read(orders).await?;
        ensure!(books.fills == fills, "{name} on {target} recorded {} of {fills} fills", books.fills);
        books.balance(precision(name)).with_context(|| format!("the book of {name} on {target}"))?;
        let expected = expected.get_or_insert_with(|| books.figures.clone());
        let is_same = same(&books.figures, expected, precision(name));
        is_same.with_context(|| format!("the books of {name} and Tallybook on {target}"))?;
    }
    Ok(())
}

/// What happens around the turns in which fills are recorded.
pub(super) struct Turns<'a> {
    orders: &'a Orders,
    /// Fills that were recorded in them.
    pub(super) fills: usize,
}

impl<'a> Turns<'a> {
    pub(super) fn of(orders: &'a Orders) -> Self {
        Self { orders, fills: 0 }
    }

    /// Every turn begins with the same rows.
    pub(super) async fn begin(&self) -> Result<()> {
        self.orders.reset().await
    }

    /// Refuses to go on unless the books balance.
    pub(super) async fn end(&mut self, name: &str) -> Result<()> {
        let books = Books::read(self.orders).await?;
        self.fills += books.fills;
        books.balance(precision(name)).context("the book after a turn")
    }
}

/// Tallybook's books balance to the last digit.
fn precision(name: &str) -> Precision {
    if name == "Tallybook" { Precision::Exact } else { Precision::Float }
}

/// All accounts.
struct Books {
    accounts: Vec<Account>,
    figures: Figures,
    fills: usize,
}

impl Books {
    async fn read(orders: &Orders) -> Result<Self> {
        let accounts = orders.accounts().await?;
        let figures = accounts.iter().flat_map(Account::figures).collect();
        let fills = accounts.iter().map(|account| account.executions.len()).sum();
        Ok(Self { accounts, figures, fills })
    }

    fn balance(&self, precision: Precision) -> Result<()> {
        self.accounts.iter().try_for_each(|account| account.check(precision))
    }
}
