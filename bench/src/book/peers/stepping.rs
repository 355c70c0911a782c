//! The limit on SQLite: the same statements stepped through, every column touched, and nothing built. On threads of
//! its own for a whole slice, so without a hop from task to thread.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, ToSql};
use tokio::task::{JoinSet, spawn_blocking};

use super::rusqlite::{connect, list, text};
use crate::book::checksum::Checksum;
use crate::book::contestant::{Contestant, Trial, Turn};
use crate::book::questions::Questions;
use crate::book::sql;
use crate::book::work::{NEWEST, PAGE, Question, Work};
use crate::connections::CONNECTIONS;
use crate::processor_time;

pub(super) struct Stepping {
    file: PathBuf,
    questions: Arc<Questions>,
}

impl Stepping {
    pub(super) fn shared(file: &Path, questions: &Arc<Questions>) -> Arc<dyn Contestant> {
        Arc::new(Self { file: file.to_owned(), questions: Arc::clone(questions) })
    }
}

impl Contestant for Stepping {
    fn name(&self) -> &'static str {
        "sqlite3 stepping"
    }

    fn does(&self, work: Work) -> bool {
        work.is_read()
    }

    fn check(&self, _: Work) -> Trial<Option<Checksum>> {
        Box::pin(async { Ok(None) })
    }

    fn slice(&self, work: Work, tasks: usize, time: Duration) -> Trial<Turn> {
        let (file, questions) = (self.file.clone(), Arc::clone(&self.questions));
        Box::pin(async move {
            let mut threads = JoinSet::new();
            for task in 0..tasks.min(CONNECTIONS) {
                let (file, questions) = (file.clone(), Arc::clone(&questions));
                threads.spawn(async move {
                    spawn_blocking(move || step(&file, &questions, work, task, time)).await?
                });
            }
            let (mut operations, mut speed, mut client) = (0.0, 0.0, Duration::ZERO);
            while let Some(own) = threads.join_next().await {
                let own = own??;
                operations += own.operations;
                speed += own.speed();
                client += own.client.unwrap_or_default();
            }
            // The threads begin one after another, when their connections are warm.
            let time = Duration::try_from_secs_f64(operations / speed)?;
            Ok(Turn { operations, time, client: Some(client), server: None })
        })
    }
}

/// One thread's turn, with a warm connection.
fn step(file: &Path, questions: &Questions, work: Work, skip: usize, time: Duration) -> Result<Turn> {
    let connection = connect(file)?;
    let questions = questions.of(work);
    for question in questions {
        read(&connection, question)?;
    }
    let (start, before) = (Instant::now(), processor_time::of_thread()?);
    let mut turns = 0;
    for question in questions.iter().cycle().skip(skip) {
        read(&connection, question)?;
        turns += 1;
        if start.elapsed() >= time {
            break;
        }
    }
    let (time, client) = (start.elapsed(), Some(processor_time::of_thread()? - before));
    Ok(Turn { operations: f64::from(turns), time, client, server: None })
}

/// As rusqlite by hand asks, in one transaction.
fn read(connection: &Connection, question: &Question) -> Result<()> {
    let connection = connection.unchecked_transaction()?;
    match question {
        Question::Relations(id) => {
            for sql in [sql::PORTFOLIO, sql::POSITIONS, sql::TRADES, sql::SESSIONS] {
                touch(&connection, sql, &[id])?;
            }
        }
        Question::Executions(id) => {
            touch(&connection, sql::NEWEST_TRADES, &[id, &NEWEST])?;
            touch(&connection, sql::EXECUTIONS_OF_NEWEST, &[id, &NEWEST])?;
        }
        Question::Position(id, symbol) => touch(&connection, sql::BY_SYMBOL, &[id, symbol])?,
        Question::Session(id) => touch(&connection, sql::BY_SESSION, &[id])?,
        Question::Portfolios(ids) => {
            let ids = list(ids.iter().copied());
            touch(&connection, sql::rarray::PORTFOLIOS, &[&ids])?;
            touch(&connection, sql::rarray::POSITIONS, &[&ids])?;
        }
        Question::Page(time, id) => touch(&connection, sql::PAGE, &[&text(*time), id, &PAGE])?,
        Question::Write(_) | Question::Record(_) => bail!("a write is no read"),
    }
    Ok(())
}

fn touch(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = Statement::column_count(&statement);
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Text(text) | ValueRef::Blob(text) => _ = black_box(text.len()),
                ValueRef::Real(number) => _ = black_box(number),
                ValueRef::Integer(number) => _ = black_box(number),
                ValueRef::Null => {}
            }
        }
    }
    Ok(())
}
