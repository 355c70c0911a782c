//! Query budgets for requests, jobs and tests.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;

use tallybook_sql::escaped::Escaped;

use super::detect::Confidence;
use super::scope::Scope;
use super::scope_summary::ScopeSummary;

/// Limits on the database work of a request, a job or a test.
///
/// In a test, [`Budget::enforce`] or the attribute `tallybook::max_queries` fails on a violation; in production,
/// [`Budget::watch`] logs a warning.
///
/// ```should_panic
/// use tallybook::{Budget, Database, Result, Settings, one, params};
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

/// The error of an exceeded budget. Its `Display` lists the problems and every statement.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// Name of the measured work.
    pub name: String,
    /// One sentence for each violation.
    pub problems: Vec<String>,
    /// Everything that ran.
    pub scope_summary: ScopeSummary,
}

impl Budget {
    /// Creates a budget without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows at most `max` statements.
    pub fn statements(self, max: u64) -> Self {
        Self { statements: Some(max), ..self }
    }

    /// Allows at most `max` round trips.
    pub fn round_trips(self, max: u64) -> Self {
        Self { round_trips: Some(max), ..self }
    }

    /// Forbids N+1 loops, confirmed and suspected.
    pub fn no_n_plus_one(self) -> Self {
        Self { no_n_plus_one: true, ..self }
    }

    /// Forbids redundant reads.
    pub fn no_redundant(self) -> Self {
        Self { no_redundant: true, ..self }
    }

    /// Forbids sessions that are still open at the end.
    pub fn no_leaks(self) -> Self {
        Self { no_leaks: true, ..self }
    }

    /// Runs `work` in a scope and panics if it exceeds the budget.
    ///
    /// # Panics
    ///
    /// With the violations and the list of statements.
    pub async fn enforce<F: Future>(self, name: impl Into<Cow<'static, str>>, work: F) -> F::Output {
        let (output, kept) = self.measure(name, work).await;
        match kept {
            Ok(()) => output,
            Err(exceeded) => panic!("{exceeded}"),
        }
    }

    /// Runs `work` in a scope and logs a warning if it exceeds the budget, target `tallybook::budget`.
    pub async fn watch<F: Future>(self, name: impl Into<Cow<'static, str>>, work: F) -> F::Output {
        let (output, kept) = self.measure(name, work).await;
        if let Err(exceeded) = kept {
            let ScopeSummary { statements, round_trips, .. } = &exceeded.scope_summary;
            let scope = &exceeded.name;
            tracing::warn!(target: "tallybook::budget", scope, statements, round_trips, "{exceeded}");
        }
        output
    }

    async fn measure<F: Future>(
        self,
        name: impl Into<Cow<'static, str>>,
        work: F,
    ) -> (F::Output, Result<(), Box<BudgetExceeded>>) {
        let scope = Scope::new(name);
        let output = scope.run(work).await;
        let kept = self.check(scope.name(), scope.summary());
        (output, kept)
    }

    /// Compares a summary with the budget.
    ///
    /// # Errors
    ///
    /// The violations.
    pub fn check(&self, name: &str, scope_summary: ScopeSummary) -> Result<(), Box<BudgetExceeded>> {
        let mut problems = Vec::new();
        let mut limit = |what: &str, max: Option<u64>, found: u64| {
            if let Some(max) = max.filter(|max| found > *max) {
                problems.push(format!("{found} {what}, at most {max} allowed"));
            }
        };
        limit("statements", self.statements, scope_summary.statements);
        limit("round trips", self.round_trips, scope_summary.round_trips);
        for finding in &scope_summary.findings {
            let is_forbidden = match finding.confidence {
                Confidence::Redundant => self.no_redundant,
                Confidence::Confirmed | Confidence::Suspected => self.no_n_plus_one,
            };
            if is_forbidden {
                problems.push(finding.to_string());
            }
        }
        if self.no_leaks {
            problems.extend(
                scope_summary
                    .open_sessions
                    .iter()
                    .map(|at| format!("a session opened at {at} is still open")),
            );
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Box::new(BudgetExceeded { name: name.to_owned(), problems, scope_summary }))
    }
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exceeded its query budget:", Escaped(&self.name))?;
        for problem in &self.problems {
            write!(f, "\n- {problem}")?;
        }
        write!(f, "\n{}", self.scope_summary)
    }
}

impl std::error::Error for BudgetExceeded {}
