//! Several statements in one round trip.
//!
//! tokio-postgres sends a request when its future is first polled and takes answers in order. So a flight
//! polls every future once, which queues all messages behind each other, and then awaits them one by one.
//! A statement that is not prepared yet is sent unnamed, with its types, and prepared for the next time in
//! the same flight: also the first use of a statement costs no second round trip.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use futures_util::future::{MaybeDone, join, maybe_done};
use futures_util::{StreamExt, pin_mut};
use smallvec::{SmallVec, smallvec};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Column as PgColumn, RowStream, Statement};

use super::Connection;
use super::connection::Prepared;
use super::error::convert;
use super::observe::replay_position;
use super::param::{Param, type_of};
use super::pooler::Pooler;
use crate::driver::{Begin, Bounds, Flown, MAX_PREPARED_BYTES};
use crate::error::{Error, Result};
use crate::query::{Batch, Query, queries};
use crate::row::postgres::{PgRow, check_columns};
use crate::row::{Column, Notes};
use crate::settings::Engine;
use crate::stopwatch::{Stopwatch, Timing};

impl Connection {
    pub(crate) async fn fly<B: Batch>(
        &mut self,
        mut batch: B,
        bounds: Bounds,
        since: Option<Instant>,
    ) -> Flown<B> {
        let (outcome, replayed) = match self.fly_all(&mut queries(&mut batch), bounds, since).await {
            Ok(sent) => (sent.outcome, sent.replayed),
            Err(error) => (Err(error), None),
        };
        self.moved |= outcome.as_ref().is_err_and(Error::is_connect);
        if outcome.as_ref().is_err_and(Error::is_stale_plan) {
            self.prepared.clear();
        }
        Flown { batch: Some(batch), outcome, replayed }
    }

    async fn fly_all(
        &mut self,
        queries: &mut [&mut dyn Query],
        bounds: Bounds,
        since: Option<Instant>,
    ) -> Result<Sent> {
        let forms = self.find_forms(queries)?;
        self.notices.clear();
        let mut sent = send(&self.client, self.pooler.as_ref(), queries, forms, bounds, since).await;
        for (query, Ended { timing, prepared }) in queries.iter_mut().zip(sent.ends.drain(..)) {
            let request = query.request();
            request.timing = timing;
            if let Some(prepared) = prepared {
                self.prepared.put(request.statement.sql(Engine::Postgres).to_owned(), prepared);
            }
        }
        if bounds.end.is_some() && sent.outcome.is_ok() {
            sent.outcome = self.check_transaction();
        }
        Ok(sent)
    }

    /// How each query is sent: of those with the same new text, one prepares it.
    fn find_forms(&mut self, queries: &mut [&mut dyn Query]) -> Result<Few<Form>> {
        let mut forms = Few::with_capacity(queries.len());
        let mut new = HashSet::new();
        for (position, query) in queries.iter_mut().enumerate() {
            let found = self.find_prepared(*query).map_err(|error| error.at_position(position))?;
            forms.push(match found {
                Some(statement) => Form::Prepared(statement),
                None if self.prepares && is_kept(*query) && new.insert(sql_of(*query)) => Form::Preparing,
                None => Form::Unnamed,
            });
        }
        Ok(forms)
    }

    /// The prepared statement for a query, unless it was prepared for parameters of other types.
    ///
    /// # Errors
    /// When there are too many parameters, or the result is none for the struct of the query. Nothing was sent then.
    fn find_prepared(&mut self, query: &mut dyn Query) -> Result<Option<Statement>> {
        let columns = query.columns();
        let request = query.request();
        let sql = request.statement.sql(Engine::Postgres);
        let values = request.values();
        let fits = |Prepared { statement, .. }: &&mut Prepared| {
            statement.params().len() == values.len()
                && statement.params().iter().zip(values).all(|(ty, value)| *ty == type_of(value.kind()))
        };
        if let Some(prepared) = self.prepared.get_mut(sql).filter(fits) {
            // It is looked at once for a struct: its result stays the same as long as it is prepared.
            if let Some(columns) = columns
                && !prepared.fits.is_some_and(|fits| std::ptr::eq(fits, columns))
            {
                check_columns(sql, prepared.statement.columns(), columns)
                    .map_err(|error| error.with_statement(sql))?;
                prepared.fits = Some(columns);
            }
            return Ok(Some(prepared.statement.clone()));
        }
        check_count(sql, values.len()).map_err(|error| error.with_statement(sql)).map(|()| None)
    }
}

/// As many as most flights have need no allocation.
type Few<T> = SmallVec<[T; 4]>;

/// How a statement is sent.
enum Form {
    /// By the name under which it was prepared.
    Prepared(Statement),
    /// With its text, and prepared for the next time.
    Preparing,
    /// With its text.
    Unnamed,
}

/// Whether a query's text is short enough to be kept.
fn is_kept(query: &mut dyn Query) -> bool {
    query.request().statement.sql(Engine::Postgres).len() <= MAX_PREPARED_BYTES
}

fn sql_of(query: &mut dyn Query) -> String {
    query.request().statement.sql(Engine::Postgres).to_owned()
}

/// The highest `$7` of a text, also of one within quotes or a comment.
fn most_used(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|behind| {
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        behind[..end].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// What PostgreSQL says, in several ways, of a statement that was given too few parameters.
fn with_count(error: Error, sql: &str, given: usize) -> Error {
    let used = most_used(sql);
    let is_of_parameters =
        [SqlState::UNDEFINED_PARAMETER, SqlState::INDETERMINATE_DATATYPE, SqlState::PROTOCOL_VIOLATION]
            .iter()
            .any(|state| error.code() == Some(state.code()));
    if given < used && is_of_parameters {
        Error::parameter_count(given, used).with_source(error)
    } else {
        error
    }
}

/// Refuses parameters that the statement has no place for, which PostgreSQL would ignore.
fn check_count(sql: &str, given: usize) -> Result<()> {
    // Too few is for PostgreSQL to report, which knows what is within quotes.
    let used = most_used(sql);
    if given <= used {
        return Ok(());
    }
    Err(Error::parameter_count(given, used))
}

/// How a statement ended: its times, and its prepared form if that is new.
struct Ended {
    timing: Option<Timing>,
    prepared: Option<Prepared>,
}

/// How a flight went.
struct Sent {
    outcome: Result<()>,
    ends: Few<Ended>,
    replayed: Option<u64>,
}

async fn send(
    client: &Client,
    pooler: Option<&Pooler>,
    queries: &mut [&mut dyn Query],
    mut forms: Few<Form>,
    bounds: Bounds,
    since: Option<Instant>,
) -> Sent {
    if let ([query], None, None, false) = (&mut *queries, bounds.begin, bounds.end, bounds.asks_replayed)
        && let Some(form) = forms.pop()
    {
        let (outcome, ended) = send_one(client, *query, form, since).await;
        return Sent { outcome, ends: smallvec![ended], replayed: None };
    }
    send_all(client, pooler, queries, forms, bounds, since).await
}

/// Without anything before or behind it, nothing has to be started before it is awaited.
async fn send_one(
    client: &Client,
    query: &mut dyn Query,
    form: Form,
    since: Option<Instant>,
) -> (Result<()>, Ended) {
    let (watch, result) = run(client, query, form, since.is_some()).await;
    let timing = watch.stop(since).map(|(timing, _)| timing);
    match result {
        Ok(prepared) => (Ok(()), Ended { timing, prepared }),
        Err(error) => (Err(error.at_position(0)), Ended { timing, prepared: None }),
    }
}

async fn send_all(
    client: &Client,
    pooler: Option<&Pooler>,
    queries: &mut [&mut dyn Query],
    forms: Few<Form>,
    bounds: Bounds,
    since: Option<Instant>,
) -> Sent {
    let begin = bounds.begin.map(|begin| begin.sql(Engine::Postgres)).map(|begin| match pooler {
        Some(pooler) => Cow::Owned(pooler.fenced(begin)),
        None => Cow::Borrowed(begin),
    });
    let end = bounds.end.map(|end| end.sql());

    // Ahead of the transaction: its snapshot may be older than what its own statements are told.
    let mut asked = started(replayed(client, bounds.asks_replayed)).await;
    let mut begin = started(control(client, begin.as_deref())).await;
    let mut running = Few::with_capacity(queries.len());
    for (query, form) in queries.iter_mut().zip(forms) {
        running.push(started(run(client, *query, form, since.is_some())).await);
    }
    let mut end = started(control(client, end)).await;

    let (asked, replayed) = match finished(&mut asked).await {
        Ok(replayed) => (Ok(()), replayed),
        Err(error) => (Err(error), None),
    };
    let mut outcome = finished(&mut begin).await;
    if let Some(pooler) = pooler {
        outcome = outcome.map_err(|error| pooler.judge(error));
    }
    if bounds.begin.is_some_and(Begin::is_write) {
        outcome = outcome.map_err(Error::into_refused_write);
    }
    let mut ends = Few::with_capacity(running.len());
    let mut last = since;
    for (position, query) in running.iter_mut().enumerate() {
        let (watch, result) = finished(query).await;
        let timing = watch.stop(last);
        last = timing.map(|(_, now)| now);
        let result = result.map_err(|error| error.at_position(position));
        let (result, prepared) = match result {
            Ok(prepared) => (Ok(()), prepared),
            Err(error) => (Err(error), None),
        };
        ends.push(Ended { timing: timing.map(|(timing, _)| timing), prepared });
        // Later failures only say that the transaction is aborted: the first one is the reason.
        outcome = outcome.and(result);
    }
    let ended = finished(&mut end).await;
    drop(running);
    Sent { outcome: asked.and(outcome).and(ended), ends, replayed }
}

type Started<F> = Pin<Box<MaybeDone<F>>>;

/// Polls a future once, which sends its request.
async fn started<F: Future>(future: F) -> Started<F> {
    let mut future = Box::pin(maybe_done(future));
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    future
}

/// The result of a future that was started.
async fn finished<F: Future>(future: &mut Started<F>) -> F::Output {
    future.as_mut().await;
    future.as_mut().take_output().expect("a future is finished once")
}

async fn control(client: &Client, sql: Option<&str>) -> Result<()> {
    match sql {
        Some(sql) => client.batch_execute(sql).await.map_err(convert),
        None => Ok(()),
    }
}

/// How far a replica has replayed its log, if that is wanted.
async fn replayed(client: &Client, wanted: bool) -> Result<Option<u64>> {
    if wanted { replay_position(client).await } else { Ok(None) }
}

/// Runs one statement and gives its rows to the query; returns the statement if it was prepared for this.
async fn run(
    client: &Client,
    query: &mut dyn Query,
    form: Form,
    timed: bool,
) -> (Stopwatch, Result<Option<Prepared>>) {
    let mut watch = Stopwatch::new(timed);
    let statement = query.request().statement.clone();
    let sql = statement.sql(Engine::Postgres);
    let outcome = match form {
        Form::Prepared(statement) => run_prepared(client, query, &statement, &mut watch).await.map(|()| None),
        Form::Unnamed => run_unnamed(client, query, sql, &mut watch).await.map(|()| None),
        Form::Preparing => {
            let columns = query.columns();
            let values = query.request().values();
            let types: Vec<_> = values.iter().map(|value| type_of(value.kind())).collect();
            let prepared = client.prepare_typed(sql, &types);
            match join(run_unnamed(client, query, sql, &mut watch), prepared).await {
                (Ok(()), statement) => checked(sql, statement, columns).map(Some),
                (Err(error), _) => Err(error),
            }
        }
    };
    let given = query.request().values().len();
    (watch, outcome.map_err(|error| with_count(error, sql, given).with_statement(sql)))
}

async fn run_prepared(
    client: &Client,
    query: &mut dyn Query,
    statement: &Statement,
    watch: &mut Stopwatch,
) -> Result<()> {
    let params = query.request().values().iter().map(Param);
    let rows = client.query_raw(statement, params).await.map_err(convert)?;
    drain(rows, query, watch).await
}

async fn run_unnamed(client: &Client, query: &mut dyn Query, sql: &str, watch: &mut Stopwatch) -> Result<()> {
    let params = query.request().values().iter().map(|value| (Param(value), type_of(value.kind())));
    let rows = client.query_typed_raw(sql, params).await.map_err(convert)?;
    drain(rows, query, watch).await
}

/// A statement that was prepared behind its first run. A failure matters although it ran: it aborts the
/// transaction. Its columns are known now even if there were no rows.
fn checked(
    sql: &str,
    statement: Result<Statement, tokio_postgres::Error>,
    columns: Option<&'static [Column]>,
) -> Result<Prepared> {
    let statement = statement.map_err(convert)?;
    if let Some(columns) = columns {
        check_columns(sql, statement.columns(), columns)?;
    }
    Ok(Prepared { statement, fits: columns })
}

async fn drain(rows: RowStream, query: &mut dyn Query, watch: &mut Stopwatch) -> Result<()> {
    pin_mut!(rows);
    let mut notes = None;
    let mut outcome = Ok(());
    // To the end, also behind a row that does not fit: only then is it known what the server reported of it.
    while let Some(row) = rows.next().await {
        let row = row.map_err(convert)?;
        if outcome.is_ok() {
            outcome = take_row(row, query, &mut notes, watch);
        }
    }
    outcome?;
    if let Some(notes) = notes {
        query.request().noted(notes);
    }
    query.touched(rows.rows_affected().unwrap_or(0));
    Ok(())
}

fn take_row(
    row: tokio_postgres::Row,
    query: &mut dyn Query,
    notes: &mut Option<Notes>,
    watch: &mut Stopwatch,
) -> Result<()> {
    let notes = match notes {
        Some(notes) => notes,
        None => notes.insert(know_columns(row.columns(), query)?),
    };
    watch.decode(|| query.postgres_row(&PgRow::new(row, notes)))
}

/// Checks the columns of a result, and finds those whose values are wanted.
fn know_columns(found: &[PgColumn], query: &mut dyn Query) -> Result<Notes> {
    let Some(expected) = query.columns() else { return Ok(Notes::default()) };
    check_columns(query.request().statement.sql(Engine::Postgres), found, expected)?;
    let mut taken = query.request().taken.take();
    if let Some(taken) = &mut taken {
        taken.know(expected, |index| found[index].name());
    }
    Ok(Notes::new(taken))
}
