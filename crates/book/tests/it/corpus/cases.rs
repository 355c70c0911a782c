//! Runs and judges the cases.

use tallybook::Database;
use tallybook::Scope;

use super::label::{ComparedFinding, Labels, Lines};

/// Declares a test for each case on a ledger of its own, on both databases, and the list of their names.
macro_rules! cases {
    ($run:ident: $(async fn $name:ident($db:ident: &Database) $(-> $labels:ty)? $body:block)*) => {
        pub(crate) const CASES: &[&str] = &[$(stringify!($name)),*];

        $(mod $name {
            #[allow(unused_imports)]
            use super::*;
            use $crate::corpus::{cases, ledger::LEDGER};
            use $crate::support::open;

            async fn case($db: &Database) $(-> $labels)? $body

            async fn judge(db: Database) {
                let expected = cases::$run(case(&db)).await;
                let file = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", file!()));
                cases::judge(&db, expected, file, stringify!($name));
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let file = LEDGER.on_sqlite(stringify!($name)).await;
                judge(open(&file.url()).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let database = LEDGER.on_postgres(stringify!($name)).await;
                judge(open(database.url()).await).await;
            }
        })*
    };
}

pub(crate) use cases;

/// Runs a case as a request.
pub(crate) async fn in_a_scope<F: Future>(case: F) -> F::Output {
    Scope::new("a request").run(case).await
}

/// Runs a case without a scope, so that its sessions are judged one by one.
pub(crate) async fn in_no_scope<F: Future>(case: F) -> F::Output {
    case.await
}

/// Compares all findings with the labels.
pub(crate) fn judge(db: &Database, expected: impl Labels, file: &str, case: &str) {
    let lines = Lines::of(file, case);
    let mut expected: Vec<ComparedFinding> =
        expected.labels().iter().map(|label| label.seen(&lines)).collect();
    expected.sort_unstable();
    let findings = db.findings();
    let mut found: Vec<ComparedFinding> = findings.iter().map(ComparedFinding::of).collect();
    found.sort_unstable();
    found.iter_mut().zip(&expected).for_each(|(found, expected)| found.forgive_pauses(expected));
    assert_eq!(found, expected, "found and expected\n{}", FindingTexts(&findings));
}

/// Findings as they are logged.
struct FindingTexts<'f>(&'f [tallybook::QueryFinding]);

impl std::fmt::Display for FindingTexts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}
