//! The fold of all executions.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::compare::{At, Comparison};
use super::rows::{
    ExecutionRow, Filled, OrderInputs, OrderRow, Original, PortfolioRow, PositionRow, Readable, SessionRow,
    Totals, Unread,
};
use super::{BookCheck, CheckEvent, DiscrepancyKind as Kind};
use crate::bookkeeping::{Holding, HoldingFill, OrderFill, Unholdable, currency_scale, money};
use crate::{Action, ExecutionType, NewTrade, Trade, TradeStatus};

/// The book as its executions give it, as far as they are read. What is `None` cannot be known, because a row was unreadable
/// or contradicts itself.
pub(super) struct Refold<'o> {
    pub(super) counts: BookCheck,
    comparison: Comparison<'o>,
    accounts: BTreeMap<i64, Account>,
    desks: BTreeMap<i64, Desk>,
    /// Orders of which more executions follow.
    orders: HashMap<i64, Order>,
    /// Positions of one portfolio and symbol, oldest first.
    group: Vec<PositionRow>,
    /// Holds the state of an order while an execution is applied to it.
    trade: Trade,
    /// An order is unreadable, so nothing shows which position, cash and totals its executions belong to.
    has_lost_order: bool,
    /// A position is unreadable, so nothing shows which one is not missing.
    has_lost_position: bool,
}

/// A portfolio.
struct Account {
    /// Decimals of its currency.
    scale: u32,
    stored: Option<Decimal>,
    cash: Option<Decimal>,
    holdings: BTreeMap<String, Option<Holding>>,
}

/// A trading session.
struct Desk {
    stored: Option<Totals>,
    scale: Option<u32>,
    capital: Option<Decimal>,
    total_pnl: Option<Decimal>,
    /// Orders with fills, with a profit, with a loss.
    tally: Option<(i64, i64, i64)>,
}

/// An order.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) filled: Decimal,
    pub(super) average: Option<Decimal>,
    pub(super) filled_at: Option<DateTime<Utc>>,
    status: TradeStatus,
    /// Sum of the profits of executions that have one stored; `None` if none has.
    pub(super) recorded_pnl: Option<Decimal>,
    /// Sum of the profits of all executions; `None` if it cannot be known.
    pub(super) profit: Option<Decimal>,
    /// Every execution could be read completely.
    pub(super) has_figures: bool,
    is_known: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            filled: Decimal::ZERO,
            average: None,
            filled_at: None,
            status: TradeStatus::Pending,
            recorded_pnl: None,
            profit: Some(Decimal::ZERO),
            has_figures: true,
            is_known: true,
        }
    }
}

impl<'o> Refold<'o> {
    pub(super) fn new(observe: &'o mut (dyn FnMut(CheckEvent) + Send)) -> Self {
        Self {
            counts: BookCheck::default(),
            comparison: Comparison::new(observe),
            accounts: BTreeMap::new(),
            desks: BTreeMap::new(),
            orders: HashMap::new(),
            group: Vec::new(),
            trade: NewTrade::market(0.into(), Action::Buy, "", Decimal::ZERO).with_id(0.into()),
            has_lost_order: false,
            has_lost_position: false,
        }
    }

    pub(super) fn progress(&mut self, done: u64, total: u64) {
        self.comparison.progress(done, total);
    }

    pub(super) fn portfolio(&mut self, row: PortfolioRow) {
        self.counts.portfolios += 1;
        self.unread(At::row("portfolios", row.id), row.unread());
        // The executions of a portfolio that is not here count for their orders only.
        if let Ok(inputs) = row.inputs {
            let stored = row.figures.ok().map(|figures| figures.current_capital);
            let scale = currency_scale(&inputs.currency);
            let cash = Some(inputs.initial_capital);
            self.accounts.insert(row.id, Account { scale, stored, cash, holdings: BTreeMap::new() });
        }
    }

    pub(super) fn session(&mut self, row: SessionRow) {
        self.counts.trading_sessions += 1;
        self.unread(At::row("trading_sessions", row.id), row.unread());
        if let Ok(inputs) = row.inputs {
            let desk = Desk {
                stored: row.figures.ok(),
                scale: self.accounts.get(&inputs.portfolio_id).map(|account| account.scale),
                capital: Some(inputs.starting_capital),
                total_pnl: Some(Decimal::ZERO),
                tally: Some((0, 0, 0)),
            };
            self.desks.insert(row.id, desk);
        }
    }

    /// Applies an execution to its order, position, portfolio and trading session.
    pub(super) fn execution(&mut self, filled: Filled) {
        let Filled { execution, original, order: row, is_last } = filled;
        self.counts.executions += 1;
        let at = At::row("executions", execution.id);
        self.unread(at, execution.unread());
        let Some(row) = row else {
            let trade = execution.inputs.as_ref().ok().map(|inputs| inputs.trade_id);
            return self.comparison.found(at, Kind::OrphanExecution, "trade_id", trade, None::<i64>);
        };
        if is_last {
            self.counts.trades += 1;
            self.unread(At::row("trades", row.id), row.unread());
        }
        let Ok(inputs) = &row.inputs else {
            self.has_lost_order = true;
            return;
        };
        self.check_links(&execution, original.as_ref(), inputs);
        let mut order = self.orders.remove(&row.id).unwrap_or_default();
        match self.fill_of(&execution, inputs) {
            Some(fill) => self.apply(&execution, inputs, &fill, &mut order),
            None => self.give_up(inputs, &mut order),
        }
        if is_last {
            self.finish_order(&row, &order);
        } else {
            self.orders.insert(row.id, order);
        }
    }

    /// Compares the symbol of an execution with that of its order, and a reversal with what it takes back.
    fn check_links(
        &mut self,
        execution: &ExecutionRow,
        original: Option<&Readable<Original>>,
        order: &OrderInputs,
    ) {
        let Ok(figures) = &execution.figures else { return };
        let at = At::row("executions", execution.id).of(order.portfolio_id, &order.symbol);
        if figures.symbol != order.symbol {
            let (found, expected) = (figures.symbol.as_str(), order.symbol.as_str());
            self.comparison.found(at, Kind::ForeignSymbol, "symbol", found, expected);
        }
        let is_reversal = figures.execution_type == ExecutionType::Reversal;
        let is_dangling = match (original, &execution.inputs) {
            (None, _) => figures.reverses_id.is_some() || is_reversal,
            (Some(Ok(original)), Ok(inputs)) => {
                original.trade_id != inputs.trade_id
                    || original.quantity != -inputs.quantity
                    || original.price != inputs.price
            }
            // Another difference says so.
            _ => false,
        };
        if is_dangling {
            let found = figures.reverses_id;
            self.comparison.found(at, Kind::DanglingReversal, "reverses_id", found, None::<i64>);
        }
    }

    /// Returns what the execution does to its position; nothing if that is unclear.
    fn fill_of(&mut self, execution: &ExecutionRow, order: &OrderInputs) -> Option<HoldingFill> {
        let inputs = execution.inputs.as_ref().ok()?;
        let is_fill = execution.figures.as_ref().is_ok_and(|figures| {
            figures.reverses_id.is_none() && figures.execution_type != ExecutionType::Reversal
        });
        if is_fill && inputs.quantity <= Decimal::ZERO {
            let at = At::row("executions", execution.id).of(order.portfolio_id, &order.symbol);
            self.comparison.found(at, Kind::InvalidFill, "quantity", inputs.quantity, None::<i64>);
            return None;
        }
        let quantity = match order.action {
            Action::Buy => inputs.quantity,
            Action::Sell => -inputs.quantity,
            Action::Other(_) => return None,
        };
        Some(HoldingFill { quantity, price: inputs.price, commission: inputs.commission, fees: inputs.fees })
    }

    /// Applies what `record` would.
    fn apply(
        &mut self,
        execution: &ExecutionRow,
        inputs: &OrderInputs,
        fill: &HoldingFill,
        order: &mut Order,
    ) {
        let at = At::row("executions", execution.id).of(inputs.portfolio_id, &inputs.symbol);
        let figures = execution.figures.as_ref().ok();
        let mut profit = None;
        let mut moved_cash = None;
        let mut scale = None;
        if let Some(account) = self.accounts.get_mut(&inputs.portfolio_id) {
            if !account.holdings.contains_key(&inputs.symbol) {
                account.holdings.insert(inputs.symbol.clone(), Some(Holding::default()));
            }
            let held = account.holdings.get_mut(&inputs.symbol).expect("it was inserted");
            let Ok((after, moved)) = held.unwrap_or_default().after(fill, account.scale) else {
                self.comparison.found(at, Kind::TooManyDigits, "quantity", fill.quantity.abs(), None::<i64>);
                return self.give_up(inputs, order);
            };
            if held.is_some() {
                *held = Some(after);
                profit = Some(moved.realized_pnl);
            }
            scale = Some(account.scale);
            moved_cash = Some(moved.cash);
            let cash = add(account.cash, moved_cash, account.scale, "current_capital");
            if cash.is_none() && account.cash.is_some() {
                let at = At::row("portfolios", inputs.portfolio_id).of_portfolio(inputs.portfolio_id);
                self.comparison.found(
                    at,
                    Kind::TooManyDigits,
                    "current_capital",
                    account.stored,
                    None::<i64>,
                );
            }
            account.cash = cash;
        }
        if let (Some(expected), Some(scale), Some(stored)) =
            (profit, scale, figures.and_then(|figures| figures.realized_pnl))
        {
            self.comparison.money(at, Kind::WrongProfit, "realized_pnl", stored, expected, scale);
        }
        let desk = inputs.session_id.and_then(|id| self.desks.get_mut(&id));
        if let Some(desk) = desk {
            let scale = scale.unwrap_or_default();
            desk.capital = add(desk.capital, moved_cash, scale, "current_capital");
            desk.total_pnl = add(desk.total_pnl, profit, scale, "total_pnl");
        }
        self.apply_to_order(execution, inputs, profit, scale.unwrap_or_default(), order);
    }

    fn apply_to_order(
        &mut self,
        execution: &ExecutionRow,
        inputs: &OrderInputs,
        profit: Option<Decimal>,
        scale: u32,
        order: &mut Order,
    ) {
        let Ok(filled) = &execution.inputs else { return };
        let figures = execution.figures.as_ref().ok();
        order.profit = add(order.profit, profit, scale, "realized_pnl");
        order.has_figures &= figures.is_some();
        let recorded = figures.is_none_or(|figures| figures.realized_pnl.is_some());
        if recorded {
            order.recorded_pnl = Some(order.recorded_pnl.unwrap_or_default() + profit.unwrap_or_default());
        }
        if !order.is_known {
            return;
        }
        self.trade.quantity = inputs.quantity;
        self.trade.filled_quantity = order.filled;
        self.trade.average_fill_price = order.average;
        self.trade.filled_at = order.filled_at;
        self.trade.status = order.status.clone();
        let fill = OrderFill {
            quantity: filled.quantity,
            price: filled.price,
            realized_pnl: Decimal::ZERO,
            executed_at: figures.map_or_else(Default::default, |figures| figures.executed_at),
        };
        match fill.applied_to(&self.trade, scale) {
            Ok(step) => {
                order.filled = step.filled_quantity;
                order.average = step.average_fill_price;
                order.filled_at = step.filled_at;
                order.status = step.status;
            }
            Err(Unholdable { .. }) => {
                order.is_known = false;
                let is_negative = filled.quantity + order.filled < Decimal::ZERO;
                let kind = if is_negative { Kind::InvalidFill } else { Kind::TooManyDigits };
                let at = At::row("executions", execution.id).of(inputs.portfolio_id, &inputs.symbol);
                self.comparison.found(at, kind, "quantity", filled.quantity, None::<i64>);
            }
        }
    }

    /// Forgets what an execution changes, because that is unclear.
    fn give_up(&mut self, inputs: &OrderInputs, order: &mut Order) {
        order.is_known = false;
        order.profit = None;
        if let Some(account) = self.accounts.get_mut(&inputs.portfolio_id) {
            account.cash = None;
            account.holdings.insert(inputs.symbol.clone(), None);
        }
        if let Some(desk) = inputs.session_id.and_then(|id| self.desks.get_mut(&id)) {
            (desk.capital, desk.total_pnl, desk.tally) = (None, None, None);
        }
    }

    /// Compares an order that has no execution.
    pub(super) fn unfilled(&mut self, row: &OrderRow) {
        self.counts.trades += 1;
        self.unread(At::row("trades", row.id), row.unread());
        self.finish_order(row, &Order::default());
    }

    /// Compares an order after its last execution, and counts it for its trading session.
    fn finish_order(&mut self, row: &OrderRow, order: &Order) {
        let Ok(inputs) = &row.inputs else { return };
        let at = At::row("trades", row.id).of(inputs.portfolio_id, &inputs.symbol);
        if let Action::Other(word) = &inputs.action
            && !order.is_known
        {
            self.comparison.found(at, Kind::UnknownSide, "action", &**word, None::<i64>);
        }
        if let Some(desk) = inputs.session_id.and_then(|id| self.desks.get_mut(&id)) {
            desk.tally = match (desk.tally, order.is_known, order.profit) {
                (Some((filled, won, lost)), true, Some(profit)) => Some((
                    filled + i64::from(order.filled > Decimal::ZERO),
                    won + i64::from(profit > Decimal::ZERO),
                    lost + i64::from(profit < Decimal::ZERO),
                )),
                _ => None,
            };
        }
        if let (Ok(figures), true) = (&row.figures, order.is_known) {
            let scale = self.accounts.get(&inputs.portfolio_id).map(|account| account.scale);
            self.comparison.order(at, inputs, figures, order, scale);
        }
    }

    /// Collects the positions of one portfolio and symbol.
    pub(super) fn position(&mut self, row: PositionRow) {
        self.counts.positions += 1;
        self.unread(At::row("positions", row.id), row.unread());
        let Ok(key) = &row.inputs else {
            self.has_lost_position = true;
            return;
        };
        let is_of_group = self.group.first().and_then(|first| first.inputs.as_ref().ok());
        let is_of_group =
            is_of_group.is_some_and(|of| (of.portfolio_id, &of.symbol) == (key.portfolio_id, &key.symbol));
        if !is_of_group {
            self.finish_group();
        }
        self.group.push(row);
    }

    /// Compares the positions of one portfolio and symbol.
    fn finish_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        let Some(key) = group.first().and_then(|first| first.inputs.as_ref().ok()) else { return };
        let Some(account) = self.accounts.get_mut(&key.portfolio_id) else { return };
        let expected = account.holdings.remove(&key.symbol);
        let scale = account.scale;
        if self.has_lost_order {
            return;
        }
        self.comparison.positions(key, &group, expected, scale);
    }

    /// Compares portfolios and trading sessions, and reports positions that are missing.
    pub(super) fn finish(mut self) -> BookCheck {
        self.finish_group();
        let Self { accounts, desks, has_lost_order, has_lost_position, .. } = self;
        let comparison = &mut self.comparison;
        if !has_lost_order {
            for (&id, account) in &accounts {
                let is_missing =
                    account.holdings.iter().filter_map(|(symbol, held)| Some((symbol, (*held)?)));
                for (symbol, holding) in is_missing.filter(|_| !has_lost_position) {
                    comparison.missing_position(id, symbol, &holding);
                }
                if let (Some(found), Some(expected)) = (account.stored, account.cash) {
                    let at = At::row("portfolios", id).of_portfolio(id);
                    comparison.money(at, Kind::WrongCash, "current_capital", found, expected, account.scale);
                }
            }
            for (id, desk) in &desks {
                if let Some(stored) = &desk.stored {
                    let at = At::row("trading_sessions", *id);
                    let scale = desk.scale.unwrap_or_default();
                    if let Some(expected) = desk.capital {
                        let found = stored.current_capital;
                        comparison.money(at, Kind::WrongCash, "current_capital", found, expected, scale);
                    }
                    if let Some(expected) = desk.total_pnl {
                        comparison.money(
                            at,
                            Kind::WrongTotals,
                            "total_pnl",
                            stored.total_pnl,
                            expected,
                            scale,
                        );
                    }
                    if let Some(tally) = desk.tally {
                        comparison.tally(at, stored, tally);
                    }
                }
            }
        }
        BookCheck { discrepancies: comparison.count, ..self.counts }
    }

    fn unread<'u>(&mut self, at: At<'_>, columns: impl Iterator<Item = &'u Unread>) {
        for Unread { column, reason } in columns {
            self.comparison.found(at, Kind::Unreadable, column, reason.as_str(), None::<i64>);
        }
    }
}

/// Returns a sum as `record` stores it; nothing if it cannot be known, or its column cannot hold it.
fn add(before: Option<Decimal>, moved: Option<Decimal>, scale: u32, column: &'static str) -> Option<Decimal> {
    money(before?, moved?, scale, column).ok()
}
