//! Budgets: how much a piece of work may ask of the database.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;

use super::account::Account;
use super::detect::Grade;
use super::scope::Scope;
use crate::escaped::Escaped;

/// How much a request, a job or a test may ask of the database.
///
/// In a test [`Budget::enforce`], or the attribute [`max_queries`](crate::max_queries), fails it; in production
/// [`Budget::watch`] writes to the log.
///
/// ```should_panic
/// use tallybook_engine::{Budget, Database, Result, Settings, one, params};
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// Budget::new()
///     .statements(1)
///     .enforce("two answers", async {
///         let mut session = db.read().await?;
///         session.run(one::<(i64,)>("SELECT 42", params![])).await?;
///         session.run(one::<(i64,)>("SELECT 43", params![])).await // one too many: panics with the list
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Budget {
    statements: Option<u64>,
    round_trips: Option<u64>,
    no_n_plus_one: bool,
    no_redundant: bool,
    no_leaks: bool,
}

/// A budget that was not kept: in what, and what ran.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Exceeded {
    /// Of what.
    pub name: String,
    /// What was promised and not kept.
    pub problems: Vec<String>,
    /// All that ran.
    pub account: Account,
}

impl Budget {
    /// One that allows everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many statements.
    pub fn statements(self, most: u64) -> Self {
        Self { statements: Some(most), ..self }
    }

    /// At most so many round trips.
    pub fn round_trips(self, most: u64) -> Self {
        Self { round_trips: Some(most), ..self }
    }

    /// No N+1 loop, confirmed or suspected.
    pub fn no_n_plus_one(self) -> Self {
        Self { no_n_plus_one: true, ..self }
    }

    /// Nothing read again that was read already.
    pub fn no_redundant(self) -> Self {
        Self { no_redundant: true, ..self }
    }

    /// No session that is still open at the end.
    pub fn no_leaks(self) -> Self {
        Self { no_leaks: true, ..self }
    }

    /// Runs `work` in a scope and panics if it did not keep the budget.
    ///
    /// # Panics
    /// With what was not kept and the list of what ran.
    pub async fn enforce<F: Future>(self, name: impl Into<Cow<'static, str>>, work: F) -> F::Output {
        let (output, kept) = self.measure(name, work).await;
        match kept {
            Ok(()) => output,
            Err(exceeded) => panic!("{exceeded}"),
        }
    }

    /// Runs `work` in a scope and warns if it did not keep the budget: target `tallybook::budget`.
    pub async fn watch<F: Future>(self, name: impl Into<Cow<'static, str>>, work: F) -> F::Output {
        let (output, kept) = self.measure(name, work).await;
        if let Err(exceeded) = kept {
            let Account { statements, round_trips, .. } = &exceeded.account;
            let scope = &exceeded.name;
            tracing::warn!(target: "tallybook::budget", scope, statements, round_trips, "{exceeded}");
        }
        output
    }

    async fn measure<F: Future>(
        self,
        name: impl Into<Cow<'static, str>>,
        work: F,
    ) -> (F::Output, Result<(), Box<Exceeded>>) {
        let scope = Scope::new(name);
        let output = scope.run(work).await;
        let kept = self.check(scope.name(), scope.account());
        (output, kept)
    }

    /// Compares what ran with the budget.
    ///
    /// # Errors
    /// What was not kept.
    pub fn check(&self, name: &str, account: Account) -> Result<(), Box<Exceeded>> {
        let mut problems = Vec::new();
        let mut limit = |what: &str, most: Option<u64>, found: u64| {
            if let Some(most) = most.filter(|most| found > *most) {
                problems.push(format!("{found} {what} where {most} are allowed"));
            }
        };
        limit("statements", self.statements, account.statements);
        limit("round trips", self.round_trips, account.round_trips);
        for finding in &account.findings {
            let is_forbidden = match finding.grade {
                Grade::Redundant => self.no_redundant,
                Grade::Confirmed | Grade::Suspected => self.no_n_plus_one,
            };
            if is_forbidden {
                problems.push(finding.to_string());
            }
        }
        if self.no_leaks {
            problems.extend(
                account.open_sessions.iter().map(|at| format!("a session opened at {at} is still open")),
            );
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Box::new(Exceeded { name: name.to_owned(), problems, account }))
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not keep its query budget:", Escaped(&self.name))?;
        for problem in &self.problems {
            write!(f, "\n- {problem}")?;
        }
        write!(f, "\n{}", self.account)
    }
}

impl std::error::Error for Exceeded {}
