//! The locked rows of some orders, and what executions change in them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::{Execute, One, Row, Value, execute, now, one, params};
use tallybook_tables::tables::{Id, Table};

use super::statements::{
    INSERT_EXECUTION, INSERT_POSITION, UPDATE_PORTFOLIO, UPDATE_POSITION, UPDATE_SESSION, UPDATE_TRADE,
};
use super::{Fill, Locked, RecordError, Recorded, Reversal};
use crate::bookkeeping::{ChangedRow, ExecutionRows, ExecutionStep, ExecutionStepError, currency_scale};
use crate::{
    Action, Execution, FillMark, NewExecution, NewPosition, Portfolio, PortfolioId, Position, PositionId,
    PositionType, Trade, TradingSession,
};

/// The locked rows, and the executions recorded so far. Nothing is written before all of them are accepted.
pub(super) struct Ledger {
    portfolios: Rows<Portfolio>,
    trades: Rows<Trade>,
    sessions: Rows<TradingSession>,
    positions: BTreeMap<(PortfolioId, String), Vec<PositionRow>>,
    executions: BTreeMap<String, Execution>,
    recorded: Vec<Entry>,
    now: DateTime<Utc>,
}

/// The statements that write a ledger: executions, orders and totals, changed positions, new positions.
pub(super) type Writes = (Vec<One<(i64,)>>, Vec<Execute>, Vec<One<(i64,)>>);

/// The identifiers that the database gave to the new rows.
pub(super) type Written = (Vec<(i64,)>, Vec<u64>, Vec<(i64,)>);

/// Rows by identifier, and whether they changed.
type Rows<T> = BTreeMap<Id<T>, (T, bool)>;

/// A position that is stored, or will be.
struct PositionRow {
    position: Position,
    state: PositionState,
}

#[derive(Clone, Copy, PartialEq)]
enum PositionState {
    Stored,
    Changed,
    New,
}

/// An answer, whose new rows have no identifiers yet.
struct Entry {
    recorded: Recorded,
    /// The execution to insert.
    new: Option<NewExecution>,
}

/// Stands for the identifier of a row that is not written yet.
const UNWRITTEN: i64 = 0;

impl Ledger {
    pub(super) fn new((portfolios, trades, sessions, held, executions): Locked) -> Self {
        let mut positions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for position in held {
            let key = (position.portfolio_id, position.symbol.clone());
            positions.entry(key).or_default().push(PositionRow { position, state: PositionState::Stored });
        }
        let named =
            executions.into_iter().filter_map(|execution| Some((execution.execution_id.clone()?, execution)));
        Self {
            portfolios: by_id(portfolios),
            trades: by_id(trades),
            sessions: by_id(sessions),
            positions,
            executions: named.collect(),
            recorded: Vec::new(),
            now: now(),
        }
    }

    /// Records a fill, or finds it recorded.
    pub(super) fn fill(&mut self, fill: &Fill) -> Result<(), RecordError> {
        if let Some(recorded) = self.executions.get(&fill.execution_id) {
            if let Some(field) = fill.different_field(recorded) {
                return Err(different(recorded, &fill.execution_id, field));
            }
            return self.repeat(&fill.execution_id);
        }
        let Some((trade, _)) = self.trades.get(&fill.trade_id) else {
            return Err(RecordError::NoTrade {
                execution_id: fill.execution_id.clone(),
                trade: fill.trade_id,
            });
        };
        let execution = fill.execution(trade);
        self.apply(&fill.execution_id, execution, fill.accept_over_fill)
    }

    /// Records a reversal, or finds it recorded.
    pub(super) fn reverse(
        &mut self,
        reversal: &Reversal,
        earlier: Option<&Execution>,
    ) -> Result<(), RecordError> {
        let Some(original) = self.executions.get(&reversal.reverses) else {
            return Err(RecordError::NothingToReverse { execution_id: reversal.reverses.clone() });
        };
        if let Some(recorded) = self.executions.get(&reversal.execution_id) {
            if recorded.reverses_id != Some(original.id) {
                return Err(different(recorded, &reversal.execution_id, "reverses_id"));
            }
            return self.repeat(&reversal.execution_id);
        }
        let problem = match earlier {
            _ if original.reverses_id.is_some() => Some("it takes another execution back itself"),
            Some(_) => Some("it was taken back already"),
            None => None,
        };
        if let Some(problem) = problem {
            return Err(RecordError::NotReversible { execution_id: reversal.reverses.clone(), problem });
        }
        let execution = reversal.execution(original);
        self.apply(&reversal.execution_id, execution, true)
    }

    /// Answers with the recorded execution.
    fn repeat(&mut self, execution_id: &str) -> Result<(), RecordError> {
        let execution = self.executions[execution_id].clone();
        let Some((trade, _)) = self.trades.get(&execution.trade_id) else {
            let (execution_id, trade) = (execution_id.to_owned(), execution.trade_id);
            return Err(RecordError::NoTrade { execution_id, trade });
        };
        let key = (trade.portfolio_id, trade.symbol.clone());
        let rows = self.positions.get(&key).map_or(&[][..], Vec::as_slice);
        let position = current(rows).ok().flatten().map(|index| rows[index].position.clone());
        let recorded = Recorded { execution, trade: trade.clone(), position, is_repeat: true };
        self.recorded.push(Entry { recorded, new: None });
        Ok(())
    }

    /// Applies an execution to its order, position, portfolio and trading session.
    fn apply(&mut self, id: &str, mut new: NewExecution, accept_over_fill: bool) -> Result<(), RecordError> {
        let no_trade = || RecordError::NoTrade { execution_id: id.to_owned(), trade: new.trade_id };
        let (trade, trade_changed) = self.trades.get_mut(&new.trade_id).ok_or_else(no_trade)?;
        let (portfolio, portfolio_changed) =
            self.portfolios.get_mut(&trade.portfolio_id).ok_or_else(no_trade)?;
        if let Action::Other(_) = trade.action {
            return Err(RecordError::UnknownSide { execution_id: id.to_owned(), trade: trade.id });
        }
        let rows = self.positions.entry((trade.portfolio_id, trade.symbol.clone())).or_default();
        let index = match current(rows).map_err(|several| several.of(portfolio.id))? {
            Some(index) => index,
            None => {
                rows.push(PositionRow::opened(trade, self.now));
                rows.len() - 1
            }
        };
        let PositionRow { position, state } = &mut rows[index];
        check_direction(position)?;
        let mut session = trade.session_id.and_then(|id| self.sessions.get_mut(&id));

        let refused = refusal(id, trade, position);
        let scale = currency_scale(&portfolio.currency);
        let step = ExecutionStep::of(&(&new).into(), trade, position, scale).map_err(&refused)?;
        if step.order.mark == Some(FillMark::OverFill) && !accept_over_fill {
            return Err(RecordError::OverFill { execution_id: id.to_owned(), trade: trade.id });
        }
        let rows = ExecutionRows {
            portfolio,
            trade,
            position,
            session: session.as_mut().map(|(session, _)| session),
        };
        step.apply(rows, self.now).map_err(&refused)?;
        (new.execution_type, new.mark) = (step.order.execution_type, step.order.mark);
        new.realized_pnl = Some(step.moved.realized_pnl);
        // Refuses what a column of the execution cannot hold.
        new.encode().map_err(|error| error.in_table(Execution::NAME))?;

        (*trade_changed, *portfolio_changed) = (true, true);
        if let Some((_, session_changed)) = session {
            *session_changed = true;
        }
        if *state == PositionState::Stored {
            *state = PositionState::Changed;
        }
        let execution = stored(&new);
        self.executions.insert(id.to_owned(), execution.clone());
        let recorded =
            Recorded { execution, trade: trade.clone(), position: Some(position.clone()), is_repeat: false };
        self.recorded.push(Entry { recorded, new: Some(new) });
        Ok(())
    }

    /// Returns the statements that write the changes.
    pub(super) fn writes(&self) -> Result<Writes, RecordError> {
        let mut executions = Vec::new();
        for new in self.recorded.iter().filter_map(|entry| entry.new.as_ref()) {
            executions.push(one(&*INSERT_EXECUTION, values(new, Execution::NAME)?));
        }
        let mut updates = Vec::new();
        for trade in changed(&self.trades) {
            let Trade {
                status,
                filled_quantity,
                average_fill_price,
                realized_pnl,
                filled_at,
                updated_at,
                id,
                ..
            } = trade;
            let values =
                params![status, filled_quantity, average_fill_price, realized_pnl, filled_at, updated_at, id];
            updates.push(execute(&UPDATE_TRADE, values));
        }
        for Portfolio { current_capital, updated_at, id, .. } in changed(&self.portfolios) {
            updates.push(execute(&UPDATE_PORTFOLIO, params![current_capital, updated_at, id]));
        }
        for session in changed(&self.sessions) {
            let TradingSession {
                current_capital,
                total_pnl,
                total_trades,
                winning_trades,
                losing_trades,
                id,
                ..
            } = session;
            let values = params![current_capital, total_pnl, total_trades, winning_trades, losing_trades, id];
            updates.push(execute(&UPDATE_SESSION, values));
        }
        let mut opened = Vec::new();
        for PositionRow { position, state } in self.positions.values().flatten() {
            match state {
                PositionState::Stored => {}
                PositionState::Changed => updates.push(update_position(position)),
                PositionState::New => {
                    opened.push(one(&*INSERT_POSITION, values(&new_position(position), Position::NAME)?));
                }
            }
        }
        Ok((executions, updates, opened))
    }

    /// Returns the answers, with the identifiers of the new rows.
    pub(super) fn answers(mut self, (executions, _, opened): Written) -> Vec<Recorded> {
        let rows = self.positions.values_mut().flatten();
        let new = rows.filter(|row| row.state == PositionState::New);
        for (row, (id,)) in new.zip(opened) {
            row.position.id = id.into();
        }
        let mut executions = executions.into_iter();
        let ids: BTreeMap<_, _> = self
            .recorded
            .iter()
            .filter(|entry| entry.new.is_some())
            .filter_map(|entry| Some((entry.recorded.execution.execution_id.clone()?, executions.next()?.0)))
            .collect();
        let mut answers = Vec::with_capacity(self.recorded.len());
        for Entry { mut recorded, .. } in self.recorded {
            if recorded.execution.id.get() == UNWRITTEN
                && let Some(id) = recorded.execution.execution_id.as_ref().and_then(|name| ids.get(name))
            {
                recorded.execution.id = (*id).into();
            }
            if let Some(position) =
                recorded.position.as_mut().filter(|position| position.id.get() == UNWRITTEN)
            {
                let key = (position.portfolio_id, position.symbol.clone());
                let written = self.positions[&key].iter().find(|row| row.state == PositionState::New);
                position.id = written.map_or(position.id, |row| row.position.id);
            }
            answers.push(recorded);
        }
        answers
    }
}

impl PositionRow {
    fn opened(trade: &Trade, now: DateTime<Utc>) -> Self {
        let position = Position::flat(UNWRITTEN.into(), trade.portfolio_id, trade.symbol.as_str(), now);
        Self { position, state: PositionState::New }
    }
}

/// Several positions in one symbol are open.
struct Several(Vec<PositionId>);

impl Several {
    fn of(self, portfolio: PortfolioId) -> RecordError {
        RecordError::SeveralPositions { portfolio, positions: self.0 }
    }
}

/// Returns the position that executions change: the open one, or else the oldest.
fn current(rows: &[PositionRow]) -> Result<Option<usize>, Several> {
    let open = || rows.iter().enumerate().filter(|(_, row)| !row.position.quantity.is_zero());
    if open().count() > 1 {
        return Err(Several(open().map(|(_, row)| row.position.id).collect()));
    }
    Ok(open().map(|(index, _)| index).next().or((!rows.is_empty()).then_some(0)))
}

/// Refuses a position whose direction contradicts its quantity.
fn check_direction(position: &Position) -> Result<(), RecordError> {
    let is_clear = match position.position_type {
        _ if position.quantity.is_zero() => true,
        PositionType::Long => position.quantity > Decimal::ZERO,
        PositionType::Short => position.quantity < Decimal::ZERO,
        PositionType::Other(_) => false,
    };
    if is_clear { Ok(()) } else { Err(RecordError::UnclearPosition { position: position.id }) }
}

/// Returns the function that names the row of a figure which it cannot hold.
fn refusal<'i>(
    execution_id: &'i str,
    trade: &Trade,
    position: &Position,
) -> impl Fn(ExecutionStepError) -> RecordError + use<'i> {
    let (trade, portfolio, session, position) =
        (trade.id, trade.portfolio_id, trade.session_id.unwrap_or(UNWRITTEN.into()), position.id);
    move |error| match error {
        ExecutionStepError::UnknownSide => {
            RecordError::UnknownSide { execution_id: execution_id.to_owned(), trade }
        }
        ExecutionStepError::Unholdable { row, figure } => {
            let row = match row {
                ChangedRow::Trade => format!("trade {trade}"),
                ChangedRow::Position => format!("position {position} of portfolio {portfolio}"),
                ChangedRow::Portfolio => format!("portfolio {portfolio}"),
                ChangedRow::TradingSession => format!("trading session {session}"),
            };
            RecordError::unholdable(execution_id, row, &figure)
        }
    }
}

fn by_id<T: Table<Key = i64>>(rows: Vec<T>) -> Rows<T> {
    rows.into_iter().map(|row| (row.id().get().into(), (row, false))).collect()
}

fn changed<T>(rows: &Rows<T>) -> impl Iterator<Item = &T> {
    rows.values().filter(|(_, is_changed)| *is_changed).map(|(row, _)| row)
}

fn values(new: &impl Row, table: &'static str) -> Result<Vec<Value>, RecordError> {
    Ok(new.encode().map_err(|error| error.in_table(table))?)
}

fn update_position(position: &Position) -> Execute {
    let Position { quantity, average_cost, current_price, unrealized_pnl, realized_pnl, .. } = position;
    let Position { position_type, entry_date, updated_at, id, .. } = position;
    execute(
        &UPDATE_POSITION,
        params![
            quantity,
            average_cost,
            current_price,
            unrealized_pnl,
            realized_pnl,
            position_type,
            entry_date,
            updated_at,
            id
        ],
    )
}

fn new_position(position: &Position) -> NewPosition {
    let Position { portfolio_id, quantity, average_cost, current_price, unrealized_pnl, .. } = *position;
    NewPosition {
        portfolio_id,
        symbol: position.symbol.clone(),
        quantity,
        average_cost,
        current_price,
        unrealized_pnl,
        realized_pnl: position.realized_pnl,
        position_type: position.position_type.clone(),
        entry_date: position.entry_date,
        created_at: position.created_at,
        updated_at: position.updated_at,
        metadata_json: None,
    }
}

/// Returns a new execution as the row that it will be.
fn stored(new: &NewExecution) -> Execution {
    let new = new.clone();
    Execution {
        id: UNWRITTEN.into(),
        trade_id: new.trade_id,
        symbol: new.symbol,
        quantity: new.quantity,
        price: new.price,
        execution_type: new.execution_type,
        commission: new.commission,
        fees: new.fees,
        exchange: new.exchange,
        execution_id: new.execution_id,
        executed_at: new.executed_at,
        metadata_json: new.metadata_json,
        realized_pnl: new.realized_pnl,
        reverses_id: new.reverses_id,
        mark: new.mark,
    }
}

fn different(recorded: &Execution, execution_id: &str, field: &'static str) -> RecordError {
    RecordError::DifferentContent { execution_id: execution_id.to_owned(), recorded: recorded.id, field }
}
