//! Scopes: the statements of one request, job or test, across sessions.

use std::borrow::Cow;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use tallybook_sql::lock::lock;

use super::detect::History;
use super::detect::Rules;
use super::monitor_inner::MonitorInner;
use super::scope_summary::{ScopeCounts, ScopeSummary};

tokio::task_local! {
    static CURRENT: Scope;
}

/// A request, a job or a test. All its statements, in whatever session, are examined together for N+1 loops,
/// redundant reads and [budgets](crate::Budget).
///
/// A scope follows its task. A spawned task is outside unless [`Scope::current`] carries the scope into it.
/// Scopes nest: a statement in the inner scope counts for the outer one too. When the last clone is dropped,
/// the findings are logged and stored with those of the database. Outside scopes, each session is examined on
/// its own.
///
/// ```
/// use tallybook::{Database, Result, Scope, Settings, one, params};
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let scope = Scope::new("GET /answer");
/// let (answer,) = scope
///     .run(async { db.read().await?.run(one::<(i64,)>("SELECT 42", params![])).await })
///     .await?;
/// assert_eq!(answer, 42);
/// assert_eq!(scope.summary().statements, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Scope(Arc<State>);

struct State {
    name: Cow<'static, str>,
    outer: Option<Scope>,
    history: Mutex<History>,
    open: Mutex<Vec<&'static Location<'static>>>,
    /// The monitor of the first database used in this scope. Its rules apply, and it stores the findings.
    monitor: OnceLock<Weak<MonitorInner>>,
}

impl Scope {
    /// Creates a scope nested in the current one, if any. Log lines carry the name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(State {
            name: name.into(),
            outer: Self::current(),
            history: Mutex::default(),
            open: Mutex::default(),
            monitor: OnceLock::new(),
        }))
    }

    /// Returns the innermost scope of this task, for example to carry it into a spawned one:
    ///
    /// ```
    /// # use tallybook::Scope;
    /// # async fn example() {
    /// let work = async { /* reads */ };
    /// match Scope::current() {
    ///     Some(scope) => tokio::spawn(async move { scope.run(work).await }),
    ///     None => tokio::spawn(work),
    /// };
    /// # }
    /// ```
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs `work` inside the scope.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the statements run so far and the findings about them. Takes no round trip.
    pub fn summary(&self) -> ScopeSummary {
        let rules = self.monitor().map_or_else(Rules::default, |monitor| monitor.rules);
        ScopeSummary::of(&self.history(), &rules, self.open_sessions())
    }

    /// Returns the counts so far, without the findings of [`summary`](Self::summary): cheap enough for every request.
    pub fn counts(&self) -> ScopeCounts {
        let history = self.history();
        ScopeCounts {
            statements: history.statements(),
            round_trips: history.round_trips(),
            database_time: history.database_time(),
        }
    }

    /// Returns the call sites of the sessions that are open now.
    fn open_sessions(&self) -> Vec<&'static Location<'static>> {
        lock(&self.0.open).clone()
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.0.history)
    }

    /// Iterates over this scope and its enclosing scopes, innermost first.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.0.outer.as_ref())
    }

    fn monitor(&self) -> Option<Arc<MonitorInner>> {
        self.0.monitor.get()?.upgrade()
    }

    /// Registers a session that was opened in this scope.
    pub(super) fn opened(self, at: &'static Location<'static>, monitor: &Arc<MonitorInner>) -> OpenSession {
        for scope in self.chain() {
            scope.0.monitor.get_or_init(|| Arc::downgrade(monitor));
            lock(&scope.0.open).push(at);
        }
        OpenSession { scope: self, at }
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(monitor) = self.monitor.get().and_then(Weak::upgrade) {
            monitor.report_findings(&mut lock(&self.history), Some(&self.name));
        }
    }
}

/// An open session; dropping it deregisters the session from its scopes.
pub(super) struct OpenSession {
    scope: Scope,
    at: &'static Location<'static>,
}

impl OpenSession {
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        for scope in self.scope.chain() {
            let mut open = lock(&scope.0.open);
            if let Some(index) = open.iter().position(|&at| std::ptr::eq(at, self.at)) {
                open.swap_remove(index);
            }
        }
    }
}
