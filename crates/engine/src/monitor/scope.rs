//! Scopes: what a request, a job or a test runs, taken together.

use std::borrow::Cow;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::account::Account;
use super::core::Shared;
use super::detect::Rules;
use super::detect::Trace;

tokio::task_local! {
    static CURRENT: Scope;
}

/// A request, a job or a test: everything that runs in it, in whatever session, is looked at together for
/// N+1 loops, redundant reads and [budgets](crate::Budget).
///
/// It follows the task. What is spawned is another task: [`Scope::current`] takes the scope along. Scopes nest,
/// and what runs in the inner one counts for the outer one too. When the last clone is dropped, its findings
/// are logged and added to those of the database. Without a scope, each session is looked at for itself.
///
/// ```
/// use tallybook_engine::{Database, Result, Scope, Settings, one, params};
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let scope = Scope::new("GET /answer");
/// let (answer,) = scope
///     .run(async { db.read().await?.run(one::<(i64,)>("SELECT 42", params![])).await })
///     .await?;
/// assert_eq!(answer, 42);
/// assert_eq!(scope.account().statements, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Scope(Arc<State>);

struct State {
    name: Cow<'static, str>,
    outer: Option<Scope>,
    trace: Mutex<Trace>,
    open: Mutex<Vec<&'static Location<'static>>>,
    /// That of the first database that ran something in it: its rules hold, its findings grow.
    monitor: OnceLock<Weak<Shared>>,
}

impl Scope {
    /// A scope; its name tells people in the log what ran.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(State {
            name: name.into(),
            outer: Self::current(),
            trace: Mutex::default(),
            open: Mutex::default(),
            monitor: OnceLock::new(),
        }))
    }

    /// The innermost scope of this task, to take along into another one:
    ///
    /// ```
    /// # use tallybook_engine::Scope;
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

    /// Runs `work` in the scope.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What ran in it so far, and what is wrong with it.
    pub fn account(&self) -> Account {
        let rules = self.monitor().map_or_else(Rules::default, |monitor| monitor.rules);
        Account::of(&self.trace(), &rules, self.open_sessions())
    }

    /// Where the sessions were opened that are open now.
    fn open_sessions(&self) -> Vec<&'static Location<'static>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn trace(&self) -> MutexGuard<'_, Trace> {
        self.0.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It, and those around it.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.0.outer.as_ref())
    }

    fn monitor(&self) -> Option<Arc<Shared>> {
        self.0.monitor.get()?.upgrade()
    }

    /// A session of `monitor` was opened in it.
    pub(super) fn opened(self, at: &'static Location<'static>, monitor: &Arc<Shared>) -> Open {
        for scope in self.chain() {
            scope.0.monitor.get_or_init(|| Arc::downgrade(monitor));
            scope.0.open.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        }
        Open { scope: self, at }
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
            let trace = self.trace.get_mut().unwrap_or_else(PoisonError::into_inner);
            monitor.judge(trace, Some(&self.name));
        }
    }
}

/// A session that was opened in a scope and is open.
pub(super) struct Open {
    scope: Scope,
    at: &'static Location<'static>,
}

impl Open {
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for scope in self.scope.chain() {
            let mut open = scope.0.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = open.iter().position(|&at| std::ptr::eq(at, self.at)) {
                open.swap_remove(place);
            }
        }
    }
}
