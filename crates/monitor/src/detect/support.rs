//! A scope for unit tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::{Fingerprint, Role};
use tallybook_sql::row::{Column, Key, KeySample, parameter};
use tallybook_sql::value::{SqlType, Value};

use super::finding::Confidence;
use super::history::History;
use super::pipeline::{AnsweredStatement, PipelineHandle, SentStatement};
use super::raw_finding::RawFinding;
use super::rules::Rules;
use crate::statement_stats::StatementStats;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) fn statement(
    operation: &str,
    table: Option<&str>,
    text: &str,
    params: &[Role],
) -> Arc<StatementStats> {
    let summary = format!("{operation} {}", table.unwrap_or_default());
    // Hash and kind come from a real text; the roles are given.
    let mut fingerprint = Fingerprint::of(&format!("{operation} {text} {}", table.unwrap_or_default()));
    fingerprint.text = text.into();
    fingerprint.operation = operation.into();
    fingerprint.collection = table.map(Into::into);
    fingerprint.summary = summary.into();
    fingerprint.params = params.into();
    Arc::new(StatementStats::new(fingerprint, Arc::default()))
}

pub(super) fn column(name: &str) -> Role {
    Role::Column(name.into())
}

/// `SELECT … FROM table WHERE column = $1`.
pub(super) fn select(table: &str, by: &str) -> Arc<StatementStats> {
    statement("SELECT", Some(table), &format!("select * from {table} where {by} = ?"), &[column(by)])
}

/// `SELECT … FROM table`.
pub(super) fn list(table: &str) -> Arc<StatementStats> {
    statement("SELECT", Some(table), &format!("select * from {table}"), &[])
}

pub(super) fn update(table: &str) -> Arc<StatementStats> {
    let params = [Role::Written, column("id")];
    statement("UPDATE", Some(table), &format!("update {table} set name = ? where id = ?"), &params)
}

/// A result of whole numbers, column by column.
pub(super) fn rows(columns: &[(&'static str, &[i64])]) -> KeySample {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, values)| (*name, SqlType::Int, values.iter().copied().map(Value::Int).collect()))
        .collect();
    table(&columns)
}

/// A result of one column of texts.
pub(super) fn words(name: &'static str, words: &[&str]) -> KeySample {
    table(&[(name, SqlType::Text, words.iter().map(|word| Value::Text((*word).to_owned())).collect())])
}

/// A result of whole numbers, each column with the table whose rows it identifies.
pub(super) fn typed_rows(columns: &[(&'static str, &'static str, &[i64])]) -> KeySample {
    let values = columns
        .iter()
        .map(|(name, _, values)| (*name, SqlType::Int, values.iter().copied().map(Value::Int).collect()));
    let references: Vec<_> = columns.iter().map(|(_, table, _)| Some(*table)).collect();
    sample(&values.collect::<Vec<_>>(), &references)
}

fn table(columns: &[(&'static str, SqlType, Vec<Value>)]) -> KeySample {
    sample(columns, &vec![None; columns.len()])
}

fn sample(columns: &[(&'static str, SqlType, Vec<Value>)], references: &[Option<&'static str>]) -> KeySample {
    let count = columns[0].2.len();
    let mut sample = KeySample::default();
    sample.rows = count as u64;
    let known: Vec<Column> = columns
        .iter()
        .zip(references)
        .map(|((name, kind, _), references)| Column {
            name,
            sql_type: *kind,
            nullable: false,
            max: None,
            precision: None,
            references: *references,
        })
        .collect();
    sample.know(&known, |index| columns[index].0);
    for row in 0..count {
        for (place, (_, _, values)) in columns.iter().enumerate() {
            let value = parameter(&values[row]).expect("it is not a list");
            sample.keys.push(Key { column: place as u32, value });
        }
    }
    sample
}

pub(super) fn ids(ids: &[i64]) -> KeySample {
    rows(&[("id", ids)])
}

/// A scope whose clock advances one millisecond per pipeline.
pub(super) struct TestScope {
    pub(super) history: History,
    pub(super) now: Instant,
    pub(super) session: u64,
}

impl TestScope {
    pub(super) fn new() -> Self {
        Self { history: History::default(), now: Instant::now(), session: 1 }
    }

    pub(super) fn send(
        &mut self,
        call: CallSite,
        pipeline: &[(&Arc<StatementStats>, Vec<Value>)],
    ) -> PipelineHandle {
        let sent =
            pipeline.iter().map(|(statement, values)| SentStatement { statement, call, sql: "", values });
        self.history.sent(self.session, self.now, sent)
    }

    pub(super) fn answer(
        &mut self,
        handle: PipelineHandle,
        call: CallSite,
        pipeline: &[(&Arc<StatementStats>, Option<&KeySample>)],
    ) {
        self.now += MILLISECOND;
        let answered = pipeline.iter().map(|(statement, sample)| AnsweredStatement {
            statement,
            call,
            key_sample: *sample,
        });
        self.history.answered(handle, MILLISECOND, answered);
    }

    /// Sends one statement and answers it.
    pub(super) fn run(
        &mut self,
        call: CallSite,
        of: &Arc<StatementStats>,
        values: Vec<Value>,
        result: Option<&KeySample>,
    ) {
        let handle = self.send(call, &[(of, values)]);
        self.answer(handle, call, &[(of, result)]);
    }

    /// Reads a whole table.
    pub(super) fn list(&mut self, call: CallSite, table: &str, result: &KeySample) {
        self.run(call, &list(table), Vec::new(), Some(result));
    }

    /// Runs the statement once for each value.
    pub(super) fn each(&mut self, call: CallSite, of: &Arc<StatementStats>, values: &[i64]) {
        for value in values {
            self.run(call, of, vec![Value::Int(*value)], None);
        }
    }

    pub(super) fn findings(&self) -> Vec<RawFinding> {
        self.history.findings(&Rules::default())
    }

    pub(super) fn confidences(&self) -> Vec<Confidence> {
        self.findings().iter().map(|found| found.confidence).collect()
    }
}

/// Returns a confirmed N+1 of three runs at this call site.
pub(super) fn confirmed_loop(call: CallSite) -> RawFinding {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    scene.each(call, &select("items", "trade_id"), &[1, 2, 3]);
    scene.findings().remove(0)
}
