//! Pipelines: several statements in one round trip.
//!
//! tokio-postgres sends a request when its future is first polled, and delivers answers in order. So a pipeline polls
//! every future once, which queues all messages, and then awaits them one by one. A statement that is not prepared yet
//! is sent unnamed, with its types, and prepared for later in the same pipeline: its first use costs no second round
//! trip.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use futures_util::future::{MaybeDone, join, join3, maybe_done};
use futures_util::{StreamExt, TryStreamExt, pin_mut};
use smallvec::{SmallVec, smallvec};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::{Executed, MAX_PREPARED_BYTES};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::{Batch, Query, queries, take_row};
use tallybook_sql::row::Column;
use tallybook_sql::stopwatch::{Stopwatch, Timing};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Column as PgColumn, RowStream, Statement};

use super::Connection;
use super::connection::Prepared;
use super::error::convert;
use super::param::{Param, is_declared_as, type_of};
use super::pooler::Pooler;
use super::row::{check_columns, values};
use super::server_info::replay_position;

impl Connection {
    /// Executes a batch as one pipeline: one round trip, with the transaction control of `framing`.
    ///
    /// `since` is when the batch was started; `None` measures no times. After a stale plan the prepared statements are
    /// dropped, so that executing the batch again succeeds.
    pub async fn execute<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> Executed<B> {
        // The commit of a write takes a round trip of its own: its position comes with it.
        let is_last =
            !framing.read_only && (framing.continues || matches!(framing.begin, Some(Begin::WriteAt(_))));
        let commits = is_last && framing.end == Some(End::Commit);
        let framing = if commits { TransactionFraming { end: None, ..framing } } else { framing };
        // On the heap, so that futures stay small: a caller's future is moved several times before it runs, whatever the
        // database, and a move copies all of it.
        let (outcome, replayed) =
            match Box::pin(self.execute_all(&mut queries(&mut batch), framing, since)).await {
                Ok(sent) => (sent.outcome, sent.replayed),
                Err(error) => (Err(error), None),
            };
        self.moved |= outcome.as_ref().is_err_and(Error::is_connect);
        if outcome.as_ref().is_err_and(Error::is_stale_plan) {
            self.prepared.clear();
            self.decimal_types.clear();
        }
        let mut executed = Executed { replayed, ..Executed::new(Some(batch), outcome) };
        if commits && executed.outcome.is_ok() {
            let committed = self.commit().await.map(|position| executed.position = position);
            (executed.failed_at_end, executed.outcome) = (committed.is_err(), committed);
        }
        executed
    }

    async fn execute_all(
        &mut self,
        queries: &mut [&mut dyn Query],
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> Result<PipelineResult> {
        self.check_decimals(queries).await?;
        let forms = self.choose_forms(queries, framing.opens_cursor)?;
        self.notices.clear();
        let mut sent = send(&self.client, self.pooler.as_ref(), queries, forms, framing, since).await;
        for (query, StatementEnd { timing, prepared }) in queries.iter_mut().zip(sent.ends.drain(..)) {
            let request = query.request();
            request.timing = timing;
            if let Some(prepared) = prepared {
                self.prepared.put(request.statement.sql(Dialect::Postgres).to_owned(), prepared);
            }
        }
        if framing.end.is_some() && sent.outcome.is_ok() {
            sent.outcome = self.check_transaction();
        }
        Ok(sent)
    }

    /// Returns the form in which each query is sent. Of several new queries with the same text, one prepares it.
    fn choose_forms(
        &mut self,
        queries: &mut [&mut dyn Query],
        opens_cursor: bool,
    ) -> Result<SmallList<SendForm>> {
        if opens_cursor {
            return Ok(smallvec![SendForm::Cursor; queries.len()]);
        }
        let mut forms = SmallList::with_capacity(queries.len());
        let mut new = HashSet::new();
        for (position, query) in queries.iter_mut().enumerate() {
            let found = self.find_prepared(*query).map_err(|error| error.at_position(position))?;
            forms.push(match found {
                Some(statement) => SendForm::Prepared(statement),
                None if self.prepares && is_preparable(*query) && new.insert(sql_of(*query)) => {
                    SendForm::Preparing
                }
                None => SendForm::Unnamed,
            });
        }
        Ok(forms)
    }

    /// Returns the prepared statement for a query, unless it was prepared for parameters of other types.
    ///
    /// # Errors
    ///
    /// Fails if there are too many parameters, or the result does not match the struct of the query. Nothing is sent
    /// then.
    fn find_prepared(&mut self, query: &mut dyn Query) -> Result<Option<Statement>> {
        let columns = query.columns();
        let request = query.request();
        let sql = request.statement.sql(Dialect::Postgres);
        let values = request.values();
        let fits = |Prepared { statement, .. }: &&mut Prepared| {
            statement.params().len() == values.len()
                && statement.params().iter().zip(values).all(|(ty, value)| is_declared_as(value.kind(), ty))
        };
        if let Some(prepared) = self.prepared.get_mut(sql).filter(fits) {
            // The result of a prepared statement does not change, so one check for each struct is enough.
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

/// Inline capacity for most pipelines, without an allocation.
type SmallList<T> = SmallVec<[T; 4]>;

/// The form in which a statement is sent.
#[derive(Clone)]
enum SendForm {
    /// By the name of a prepared statement.
    Prepared(Statement),
    /// With its text; it is also prepared for later.
    Preparing,
    /// With its text only.
    Unnamed,
    /// As the statement of a cursor, whose rows are fetched later.
    Cursor,
}

/// Returns whether a query's text is short enough to be kept prepared.
fn is_preparable(query: &mut dyn Query) -> bool {
    query.request().statement.sql(Dialect::Postgres).len() <= MAX_PREPARED_BYTES
}

fn sql_of(query: &mut dyn Query) -> String {
    query.request().statement.sql(Dialect::Postgres).to_owned()
}

/// Returns the highest number of a parameter such as `$7`, even inside quotes or a comment.
fn highest_parameter(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// Replaces PostgreSQL's errors about missing parameters, of which there are several, by one that counts them.
fn with_count(error: Error, sql: &str, given: usize) -> Error {
    let used = highest_parameter(sql);
    let is_about_parameters =
        [SqlState::UNDEFINED_PARAMETER, SqlState::INDETERMINATE_DATATYPE, SqlState::PROTOCOL_VIOLATION]
            .iter()
            .any(|state| error.code() == Some(state.code()));
    if given < used && is_about_parameters {
        Error::parameter_count(given, used).with_source(error)
    } else {
        error
    }
}

/// Refuses superfluous parameters, which PostgreSQL would ignore.
fn check_count(sql: &str, given: usize) -> Result<()> {
    // PostgreSQL reports missing ones: it knows which `$1` is inside quotes.
    let used = highest_parameter(sql);
    if given <= used {
        return Ok(());
    }
    Err(Error::parameter_count(given, used))
}

/// The end of one statement: its timing, and its prepared form if that is new.
struct StatementEnd {
    timing: Option<Timing>,
    prepared: Option<Prepared>,
}

/// The result of a pipeline.
struct PipelineResult {
    outcome: Result<()>,
    ends: SmallList<StatementEnd>,
    replayed: Option<u64>,
}

async fn send(
    client: &Client,
    pooler: Option<&Pooler>,
    queries: &mut [&mut dyn Query],
    mut forms: SmallList<SendForm>,
    framing: TransactionFraming,
    since: Option<Instant>,
) -> PipelineResult {
    if let ([query], None, None, false) = (&mut *queries, framing.begin, framing.end, framing.asks_replayed)
        && let Some(form) = forms.pop()
    {
        let (outcome, ended) = send_one(client, *query, form, since).await;
        return PipelineResult { outcome, ends: smallvec![ended], replayed: None };
    }
    send_all(client, pooler, queries, forms, framing, since).await
}

/// Sends a single statement without transaction control, which needs no separate polling.
async fn send_one(
    client: &Client,
    query: &mut dyn Query,
    form: SendForm,
    since: Option<Instant>,
) -> (Result<()>, StatementEnd) {
    let (watch, result) = run(client, query, form, since.is_some()).await;
    let timing = watch.stop(since).map(|(timing, _)| timing);
    match result {
        Ok(prepared) => (Ok(()), StatementEnd { timing, prepared }),
        Err(error) => (Err(error.at_position(0)), StatementEnd { timing, prepared: None }),
    }
}

async fn send_all(
    client: &Client,
    pooler: Option<&Pooler>,
    queries: &mut [&mut dyn Query],
    forms: SmallList<SendForm>,
    framing: TransactionFraming,
    since: Option<Instant>,
) -> PipelineResult {
    let begin = framing.begin.map(|begin| begin.sql(Dialect::Postgres)).map(|begin| match pooler {
        Some(pooler) => Cow::Owned(pooler.with_fence(begin)),
        None => Cow::Borrowed(begin),
    });
    let end = framing.end.map(|end| end.sql());

    // Before the transaction: the replay position must not be newer than its snapshot.
    let mut asked = started(replayed(client, framing.asks_replayed)).await;
    let mut begin = started(control(client, begin.as_deref())).await;
    let mut running = SmallList::with_capacity(queries.len());
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
        outcome = outcome.map_err(|error| pooler.explain(error));
    }
    if framing.begin.is_some_and(Begin::is_write) {
        outcome = outcome.map_err(Error::into_refused_write);
    }
    let mut ends = SmallList::with_capacity(running.len());
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
        ends.push(StatementEnd { timing: timing.map(|(timing, _)| timing), prepared });
        // Later failures only say that the transaction is aborted; the first one is the cause.
        outcome = outcome.and(result);
    }
    let ended = finished(&mut end).await;
    drop(running);
    PipelineResult { outcome: asked.and(outcome).and(ended), ends, replayed }
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

/// Returns the result of a started future.
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

/// Returns the replay position of a replica, if it is wanted.
async fn replayed(client: &Client, is_wanted: bool) -> Result<Option<u64>> {
    if is_wanted { replay_position(client).await } else { Ok(None) }
}

/// Runs one statement, and passes its rows to the query. Returns the statement if it was prepared for later.
async fn run(
    client: &Client,
    query: &mut dyn Query,
    form: SendForm,
    timed: bool,
) -> (Stopwatch, Result<Option<Prepared>>) {
    let mut watch = Stopwatch::new(timed);
    let statement = query.request().statement.clone();
    let sql = statement.sql(Dialect::Postgres);
    let outcome = match form {
        SendForm::Prepared(statement) => {
            run_prepared(client, query, &statement, &mut watch).await.map(|()| None)
        }
        SendForm::Unnamed => run_unnamed(client, query, sql, &mut watch).await.map(|()| None),
        SendForm::Cursor => declare(client, sql, query.request().values()).await.map(|()| None),
        SendForm::Preparing => {
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

/// Opens the cursor of a connection, in one round trip. By default PostgreSQL plans a cursor as if only a tenth of its rows
/// were fetched.
async fn declare(client: &Client, sql: &str, values: &[Value]) -> Result<()> {
    let plan_for_all = client.batch_execute("SET LOCAL cursor_tuple_fraction = 1");
    let declare = async {
        let sql = format!("DECLARE tallybook_rows NO SCROLL CURSOR FOR {sql}");
        let params = values.iter().map(|value| (Param(value), type_of(value.kind())));
        client.query_typed_raw(&sql, params).await?.try_for_each(|_| async { Ok(()) }).await
    };
    let plan_as_before = client.batch_execute("SET LOCAL cursor_tuple_fraction TO DEFAULT");
    let (before, declared, after) = join3(plan_for_all, declare, plan_as_before).await;
    before.and(declared).and(after).map_err(convert)
}

/// Checks a statement that was prepared after its first execution. A failure counts although the statement has run: it
/// aborts the transaction. The columns are known now even if there were no rows.
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
    let mut is_first = true;
    let mut outcome = Ok(());
    // Read to the end, even after a row that does not decode: only then is the server's own report complete.
    while let Some(row) = rows.next().await {
        let row = row.map_err(convert)?;
        if std::mem::take(&mut is_first) {
            outcome = check_and_sample(row.columns(), query);
        }
        if outcome.is_ok() && query.columns().is_some() {
            outcome = watch.decode(|| take_row(query, &values(&row), row.raw_size_bytes() as u64));
        }
    }
    outcome?;
    query.touched(rows.rows_affected().unwrap_or(0));
    Ok(())
}

/// Checks the columns of a result, and finds those to sample.
pub(super) fn check_and_sample(found: &[PgColumn], query: &mut dyn Query) -> Result<()> {
    let Some(expected) = query.columns() else { return Ok(()) };
    check_columns(query.request().statement.sql(Dialect::Postgres), found, expected)?;
    if let Some(sample) = &mut query.request().key_sample {
        sample.know(expected, |index| found[index].name());
    }
    Ok(())
}
