//! A scope to play in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::finding::Grade;
use super::flight::{Answered, Sent, Ticket};
use super::found::Found;
use super::rules::Rules;
use super::trace::Trace;
use crate::call::Call;
use crate::monitor::fingerprint::{Fingerprint, Role};
use crate::monitor::statement::Statement;
use crate::row::{Column, Key, Taken, parameter};
use crate::value::{Kind, Value};

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) fn statement(operation: &str, table: Option<&str>, text: &str, params: &[Role]) -> Arc<Statement> {
    let summary = format!("{operation} {}", table.unwrap_or_default());
    // The hash and whether it reads are those of a real text; the roles are given.
    let fingerprint = Fingerprint {
        text: text.into(),
        operation: operation.into(),
        collection: table.map(Into::into),
        summary: summary.into(),
        params: params.into(),
        ..Fingerprint::of(&format!("{operation} {text} {}", table.unwrap_or_default()))
    };
    Arc::new(Statement::new(fingerprint, Arc::default()))
}

pub(super) fn column(name: &str) -> Role {
    Role::Column(name.into())
}

/// `SELECT … FROM table WHERE column = $1`.
pub(super) fn select(table: &str, by: &str) -> Arc<Statement> {
    statement("SELECT", Some(table), &format!("select * from {table} where {by} = ?"), &[column(by)])
}

/// `SELECT … FROM table`.
pub(super) fn list(table: &str) -> Arc<Statement> {
    statement("SELECT", Some(table), &format!("select * from {table}"), &[])
}

pub(super) fn update(table: &str) -> Arc<Statement> {
    let params = [Role::Written, column("id")];
    statement("UPDATE", Some(table), &format!("update {table} set name = ? where id = ?"), &params)
}

/// A result of whole numbers, column by column.
pub(super) fn rows(columns: &[(&'static str, &[i64])]) -> Taken {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, values)| (*name, Kind::Int, values.iter().copied().map(Value::Int).collect()))
        .collect();
    table(&columns)
}

/// A result of one column of texts.
pub(super) fn words(name: &'static str, words: &[&str]) -> Taken {
    table(&[(name, Kind::Text, words.iter().map(|word| Value::Text((*word).to_owned())).collect())])
}

fn table(columns: &[(&'static str, Kind, Vec<Value>)]) -> Taken {
    let count = columns[0].2.len();
    let mut taken = Taken { rows: count as u64, ..Taken::default() };
    let known: Vec<Column> = columns
        .iter()
        .map(|(name, kind, _)| Column { name, kind: *kind, nullable: false, max: None })
        .collect();
    taken.know(&known, |index| columns[index].0);
    for row in 0..count {
        for (place, (_, _, values)) in columns.iter().enumerate() {
            let value = parameter(&values[row]).expect("it is no list");
            taken.keys.push(Key { column: place as u32, value });
        }
    }
    taken
}

pub(super) fn ids(ids: &[i64]) -> Taken {
    rows(&[("id", ids)])
}

/// A scope whose clock runs a millisecond for each flight.
pub(super) struct Scene {
    pub(super) trace: Trace,
    pub(super) now: Instant,
    pub(super) session: u64,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self { trace: Trace::default(), now: Instant::now(), session: 1 }
    }

    pub(super) fn send(&mut self, call: Call, flight: &[(&Arc<Statement>, Vec<Value>)]) -> Ticket {
        let sent = flight.iter().map(|(statement, values)| Sent { statement, call, sql: "", values });
        self.trace.sent(self.session, self.now, sent)
    }

    pub(super) fn answer(
        &mut self,
        ticket: Ticket,
        call: Call,
        flight: &[(&Arc<Statement>, Option<&Taken>)],
    ) {
        self.now += MILLISECOND;
        let answered = flight.iter().map(|(statement, taken)| Answered { statement, call, taken: *taken });
        self.trace.answered(ticket, MILLISECOND, answered);
    }

    /// One statement and its result.
    pub(super) fn run(
        &mut self,
        call: Call,
        of: &Arc<Statement>,
        values: Vec<Value>,
        result: Option<&Taken>,
    ) {
        let ticket = self.send(call, &[(of, values)]);
        self.answer(ticket, call, &[(of, result)]);
    }

    /// Reads a whole table.
    pub(super) fn list(&mut self, call: Call, table: &str, result: &Taken) {
        self.run(call, &list(table), Vec::new(), Some(result));
    }

    /// The same statement for each of the values.
    pub(super) fn each(&mut self, call: Call, of: &Arc<Statement>, values: &[i64]) {
        for value in values {
            self.run(call, of, vec![Value::Int(*value)], None);
        }
    }

    pub(super) fn findings(&self) -> Vec<Found> {
        self.trace.findings(&Rules::default())
    }

    pub(super) fn grades(&self) -> Vec<Grade> {
        self.findings().iter().map(|found| found.grade).collect()
    }
}

/// A confirmed N+1 of three runs at a line.
pub(super) fn looped(call: Call) -> Found {
    let mut scene = Scene::new();
    scene.list(Call::here(), "trades", &ids(&[1, 2, 3]));
    scene.each(call, &select("items", "trade_id"), &[1, 2, 3]);
    scene.findings().remove(0)
}
