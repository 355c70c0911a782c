//! What is compared.

use std::fmt;

use super::work::Work;

/// Where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Sqlite,
    Postgres,
}

/// Some work on a database by so many tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) target: Target,
    pub(super) work: Work,
    pub(super) tasks: usize,
}

impl Case {
    /// All cases on a target.
    pub(super) fn all(target: Target) -> Vec<Self> {
        let mut cases = Vec::new();
        for work in [Work::Read, Work::Reads] {
            cases.extend([1, 16].map(|tasks| Self { target, work, tasks }));
        }
        if target == Target::Sqlite {
            cases.push(Self { target, work: Work::EagerRead, tasks: 1 });
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self.target {
            Target::Sqlite => "SQLite",
            Target::Postgres => "PostgreSQL",
        };
        let work = match self.work {
            Work::Read => "point read, a session each",
            Work::Reads => "point read, 100 in a session",
            Work::EagerRead => "eager read of 200 rows",
        };
        let tasks = if self.tasks == 1 { "1 task".to_owned() } else { format!("{} tasks", self.tasks) };
        write!(f, "{target} {work}, {tasks}")
    }
}
