//! Asking the database for plans.

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::query::{All, Batch, ReadBatch, all, check, queries};
use tallybook_sql::row::Row;
use tallybook_sql::statement::Statement;
use tallybook_sql::value::Value;

use super::access::sealed::Sealed;
use super::{Counts, Plan, RowStream, Session};

/// A session that collects the plan of each batch before running it.
///
/// Wrap a session to see the plans of existing code without changing it:
///
/// ```
/// # use tallybook::{Database, Explainer, Result, Session, Settings, all, execute, params};
/// async fn titles(session: &mut impl Session) -> Result<Vec<(String,)>> {
///     session.fetch(all("SELECT title FROM notes WHERE id = $1", params![1])).await
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// # db.write(async |session| -> Result<u64> {
/// #     session.run(execute("CREATE TABLE notes (id integer primary key, title text)", params![])).await
/// # }).await?.into_value();
/// let mut session = db.read().await?;
/// let mut explainer = Explainer::new(&mut session);
/// titles(&mut explainer).await?;
/// assert!(explainer.plan().uses("INTEGER PRIMARY KEY"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Explainer<'s, S> {
    session: &'s mut S,
    plan: Plan,
    mode: ExplainMode,
}

/// EXPLAIN with or without running the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExplainMode {
    Plan,
    Analyze,
}

impl<'s, S> Explainer<'s, S> {
    /// Wraps a session. Each statement costs one more round trip.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, plan: Plan::default(), mode: ExplainMode::Plan }
    }

    /// Wraps a session and uses `EXPLAIN ANALYZE` where the database has it. Each statement then runs twice,
    /// and the pages that it touches are counted.
    pub fn analyzing(session: &'s mut S) -> Self {
        Self { mode: ExplainMode::Analyze, ..Self::new(session) }
    }

    /// Returns the plans of all batches so far, as one.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl<S> Sealed for Explainer<'_, S> {}

impl<S: Session> Session for Explainer<'_, S> {
    async fn fetch<B: ReadBatch>(&mut self, mut batch: B) -> Result<B::Output> {
        add_plans(self.session, &mut batch, self.mode, &mut self.plan).await?;
        self.session.fetch(batch).await
    }

    async fn stream<T: Row>(&mut self, mut query: All<T>) -> Result<RowStream<'_, T>> {
        add_plans(self.session, &mut query, self.mode, &mut self.plan).await?;
        self.session.stream(query).await
    }

    async fn explain<B: ReadBatch>(&mut self, query: B) -> Result<Plan> {
        self.session.explain(query).await
    }

    fn counts(&self) -> Counts {
        self.session.counts()
    }

    fn dialect(&self) -> Dialect {
        self.session.dialect()
    }
}

/// Returns the plan of each query of a batch, as one.
pub(super) async fn explain<S: Session, B: ReadBatch>(session: &mut S, mut batch: B) -> Result<Plan> {
    let mut plan = Plan::default();
    add_plans(session, &mut batch, ExplainMode::Plan, &mut plan).await?;
    Ok(plan)
}

/// Returns the outline of a statement's plan.
pub(super) async fn outline<S: Session>(
    session: &mut S,
    statement: &Statement,
    values: Vec<Value>,
    call: CallSite,
) -> Result<String> {
    let mut plan = Plan::default();
    add_plan(session, statement, values, call, ExplainMode::Plan, &mut plan).await?;
    Ok(plan.outline)
}

/// Adds the plan of each query of a batch and leaves the batch unchanged.
async fn add_plans<S: Session, B: ReadBatch>(
    session: &mut S,
    batch: &mut B,
    mode: ExplainMode,
    plan: &mut Plan,
) -> Result<()> {
    check(batch)?;
    let requests: Vec<(Statement, Vec<Value>, CallSite)> = queries(batch)
        .into_iter()
        .map(|query| {
            let request = query.request();
            (request.statement.clone(), request.values().to_vec(), request.call_site)
        })
        .collect();
    for (statement, values, call) in requests {
        add_plan(session, &statement, values, call, mode, plan).await?;
    }
    Ok(())
}

/// Adds the plan of one statement.
async fn add_plan<S: Session>(
    session: &mut S,
    statement: &Statement,
    values: Vec<Value>,
    call: CallSite,
    mode: ExplainMode,
    plan: &mut Plan,
) -> Result<()> {
    let statement = explained(statement, mode);
    match session.dialect() {
        Dialect::Postgres => plan.add_postgres(session.fetch(all(statement, values).called(call)).await?)?,
        Dialect::Sqlite => plan.add_sqlite(session.fetch(all(statement, values).called(call)).await?),
    }
    Ok(())
}

/// Returns the statement that explains another one.
fn explained(statement: &Statement, mode: ExplainMode) -> Statement {
    statement.map(|dialect, sql| match (dialect, mode) {
        (Dialect::Postgres, ExplainMode::Plan) => format!("EXPLAIN (FORMAT JSON) {sql}"),
        (Dialect::Postgres, ExplainMode::Analyze) => {
            format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
        }
        (Dialect::Sqlite, _) => format!("EXPLAIN QUERY PLAN {sql}"),
    })
}
