//! What is wrong with the statements that ran, for people and for machines.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::escaped::Escaped;
use crate::seconds;

/// How sure a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Grade {
    /// An N+1: the parameters of the runs are the keys of rows that were read before.
    Confirmed,
    /// Likely an N+1: the parameters equal what was read before, but no key says that they come from there.
    Suspected,
    /// The same was read again while nothing had changed.
    Redundant,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed => "confirmed",
            Self::Suspected => "suspected",
            Self::Redundant => "redundant",
        })
    }
}

/// A line of code; shown as `src/report.rs:42`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallSite {
    /// As the compiler was given it.
    pub file: String,
    /// From 1.
    pub line: u32,
}

impl From<&Location<'_>> for CallSite {
    fn from(at: &Location<'_>) -> Self {
        Self { file: at.file().to_owned(), line: at.line() }
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Escaped(&self.file), self.line)
    }
}

/// The statement that read what was a parameter later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// In short: `SELECT trades`.
    pub statement: String,
    /// 16 hexadecimal digits.
    pub fingerprint: String,
    /// Where it ran.
    pub at: CallSite,
    /// The column of its result.
    pub column: String,
    /// The rows it read, in the scope where it read the most.
    pub rows: u64,
}

/// Statements that ran more often than they had to, in one scope or in several.
///
/// A loop that inserts a row for each row read is not found: what is written has no column by its name.
/// Neither are loops whose values are written into the text, or come from elsewhere than an earlier result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// How sure it is.
    pub grade: Grade,
    /// The text without its values.
    pub statement: String,
    /// The statement in short: `SELECT executions`.
    pub summary: String,
    /// Of the statement: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Where it ran.
    pub at: CallSite,
    /// Where the parameters come from; none when the same was read again.
    pub source: Option<Source>,
    /// How often it ran.
    pub runs: u64,
    /// How many different parameters it had, in the scope where it had the most. When it is more than
    /// `examined`, one that came back late may have been counted twice.
    pub distinct: u64,
    /// How many of them were remembered and compared; the finding rests on these.
    pub examined: u64,
    /// The time of all runs but the longest; of a redundant read the time of the repetitions. In seconds when
    /// serialised.
    #[serde(with = "seconds")]
    pub lost: Duration,
    /// How many scopes had it.
    pub scopes: u64,
    /// What to do instead.
    pub instead: String,
}

/// Characters of a statement that are shown.
const SHOWN: usize = 120;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        write!(f, "\n  {}: {}", Escaped(&self.summary), Shortened(&self.statement))?;
        if let Some(source) = &self.source {
            self.origin(source, f)?;
        }
        if self.examined < self.distinct {
            write!(f, "\n  judged by {} of its {} different parameters", self.examined, self.distinct)?;
        }
        write!(f, "\n  instead: {}", Escaped(&self.instead))
    }
}

impl Finding {
    fn headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, at, lost) = (self.runs, &self.at, Milliseconds(self.lost));
        match self.grade {
            Grade::Redundant => write!(f, "redundant: {runs} runs with the same parameters at {at}")?,
            grade => write!(f, "N+1, {grade}: {runs} runs at {at}")?,
        }
        if self.scopes > 1 {
            write!(f, " in {} scopes", self.scopes)?;
        }
        write!(f, ", {lost} lost")
    }

    fn origin(&self, source: &Source, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { statement, at, column, rows, .. } = source;
        let (column, statement) = (Escaped(column), Escaped(statement));
        let verb = if self.grade == Grade::Suspected { "look like" } else { "are" };
        write!(f, "\n  its parameters {verb} `{column}` of the {rows} rows read at {at} ({statement})")
    }
}

struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1_000.0)
    }
}

struct Shortened<'a>(&'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{} …", Escaped(self.0[..end].trim_end())),
            None => Escaped(self.0).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        let at = |line| CallSite { file: "src/report.rs".to_owned(), line };
        Finding {
            grade: Grade::Confirmed,
            statement: "select id from executions where trade_id = ?".to_owned(),
            summary: "SELECT executions".to_owned(),
            fingerprint: "00000000000000ff".to_owned(),
            at: at(42),
            source: Some(Source {
                statement: "SELECT trades".to_owned(),
                fingerprint: "0000000000000001".to_owned(),
                at: at(38),
                column: "id".to_owned(),
                rows: 100,
            }),
            runs: 100,
            distinct: 32,
            examined: 32,
            lost: Duration::from_micros(31_200),
            scopes: 1,
            instead: "call Trades::get_many_with_executions(&ids) once".to_owned(),
        }
    }

    #[test]
    fn a_finding_says_what_ran_where_from_and_what_to_do() {
        let expected = "N+1, confirmed: 100 runs at src/report.rs:42, 31.2 ms lost
  SELECT executions: select id from executions where trade_id = ?
  its parameters are `id` of the 100 rows read at src/report.rs:38 (SELECT trades)
  instead: call Trades::get_many_with_executions(&ids) once";
        assert_eq!(finding().to_string(), expected);
    }

    #[test]
    fn a_suspicion_and_a_part_are_called_so() {
        let finding = Finding { grade: Grade::Suspected, distinct: 100, scopes: 4, ..finding() };
        let text = finding.to_string();
        assert!(text.starts_with("N+1, suspected: 100 runs at src/report.rs:42 in 4 scopes, 31.2"), "{text}");
        assert!(text.contains("its parameters look like `id`"), "{text}");
        assert!(text.contains("judged by 32 of its 100 different parameters"), "{text}");
    }

    #[test]
    fn a_redundant_read_has_no_source() {
        let text = Finding { grade: Grade::Redundant, source: None, ..finding() }.to_string();
        assert!(
            text.starts_with("redundant: 100 runs with the same parameters at src/report.rs:42"),
            "{text}"
        );
        assert!(!text.contains("rows read"), "{text}");
    }

    #[test]
    fn a_long_statement_is_cut_at_a_character() {
        let text = Finding { statement: "é".repeat(500), ..finding() }.to_string();
        assert!(text.contains(&format!("SELECT executions: {} …\n", "é".repeat(SHOWN))), "{text}");
    }

    #[test]
    fn a_finding_comes_back_from_json_with_its_time_in_seconds() {
        let json = serde_json::to_value(finding()).expect("it serialises");
        assert_eq!((json["lost"].as_f64(), json["grade"].as_str()), (Some(0.0312), Some("confirmed")));
        assert_eq!(serde_json::from_value::<Finding>(json.clone()).expect("it deserialises"), finding());
        let mut negative = json;
        negative["lost"] = serde_json::json!(-1.0);
        assert!(serde_json::from_value::<Finding>(negative).is_err());
    }
}
