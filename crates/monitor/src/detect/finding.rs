//! Findings about statements, readable for people and as JSON.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallybook_core::seconds;
use tallybook_sql::escaped::Escaped;

/// The certainty of a [`QueryFinding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Confidence {
    /// An N+1: the parameters are keys of rows read earlier.
    Confirmed,
    /// A likely N+1: the parameters equal values read earlier, but no key links the columns.
    Suspected,
    /// The same read was repeated although nothing had changed.
    Redundant,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed => "confirmed",
            Self::Suspected => "suspected",
            Self::Redundant => "redundant",
        })
    }
}

/// A line of code, displayed as `src/report.rs:42`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourceLocation {
    /// File path as passed to the compiler.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
}

impl From<&Location<'_>> for SourceLocation {
    fn from(at: &Location<'_>) -> Self {
        Self { file: at.file().to_owned(), line: at.line() }
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Escaped(&self.file), self.line)
    }
}

/// The statement whose result supplied the parameters of a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// Operation and table, for example `SELECT trades`.
    pub statement: String,
    /// Fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// The line of code that ran it.
    pub at: SourceLocation,
    /// Result column that supplied the values.
    pub column: String,
    /// Rows read, in the scope that read the most.
    pub rows: u64,
}

/// Statements that ran more often than necessary, in one scope or in several.
///
/// Not found are loops that insert a row for each row read, loops with literals in the SQL text, and loops
/// whose parameters come from elsewhere than an earlier result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueryFinding {
    /// Certainty.
    #[serde(alias = "grade")]
    pub confidence: Confidence,
    /// SQL text with literals replaced by `?`.
    pub statement: String,
    /// Operation and table, for example `SELECT executions`.
    pub summary: String,
    /// Fingerprint of the statement, 16 hexadecimal digits.
    pub fingerprint: String,
    /// The line of code that ran it.
    pub at: SourceLocation,
    /// Origin of the parameters; `None` for a redundant read.
    pub source: Option<Source>,
    /// Number of runs.
    pub runs: u64,
    /// Number of different parameter sets, in the scope that had the most. If it exceeds `examined`, a set
    /// that recurred late may be counted twice.
    pub distinct: u64,
    /// Number of parameter sets remembered and compared; the finding rests on these.
    pub examined: u64,
    /// Time lost: all runs except the longest, or the repetitions of a redundant read. Serialized in seconds.
    #[serde(with = "seconds")]
    pub lost: Duration,
    /// Number of scopes in which it occurred.
    pub scopes: u64,
    /// Suggested fix.
    #[serde(alias = "instead")]
    pub suggestion: String,
}

/// Characters of the statement shown in text.
const SHOWN: usize = 120;

impl fmt::Display for QueryFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        write!(f, "\n  {}: {}", Escaped(&self.summary), Shortened(&self.statement))?;
        if let Some(source) = &self.source {
            self.origin(source, f)?;
        }
        if self.examined < self.distinct {
            write!(f, "\n  judged by {} of its {} different parameters", self.examined, self.distinct)?;
        }
        write!(f, "\n  instead: {}", Escaped(&self.suggestion))
    }
}

impl QueryFinding {
    fn headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, at, lost) = (self.runs, &self.at, Milliseconds(self.lost));
        match self.confidence {
            Confidence::Redundant => write!(f, "redundant: {runs} runs with the same parameters at {at}")?,
            confidence => write!(f, "N+1, {confidence}: {runs} runs at {at}")?,
        }
        if self.scopes > 1 {
            write!(f, " in {} scopes", self.scopes)?;
        }
        write!(f, ", {lost} lost")
    }

    fn origin(&self, source: &Source, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { statement, at, column, rows, .. } = source;
        let (column, statement) = (Escaped(column), Escaped(statement));
        let verb = if self.confidence == Confidence::Suspected { "look like" } else { "are" };
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

    fn finding() -> QueryFinding {
        let at = |line| SourceLocation { file: "src/report.rs".to_owned(), line };
        QueryFinding {
            confidence: Confidence::Confirmed,
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
            suggestion: "call Trades::get_many_with_executions(&ids) once".to_owned(),
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
    fn a_suspicion_and_a_partial_examination_say_so() {
        let finding =
            QueryFinding { confidence: Confidence::Suspected, distinct: 100, scopes: 4, ..finding() };
        let text = finding.to_string();
        assert!(text.starts_with("N+1, suspected: 100 runs at src/report.rs:42 in 4 scopes, 31.2"), "{text}");
        assert!(text.contains("its parameters look like `id`"), "{text}");
        assert!(text.contains("judged by 32 of its 100 different parameters"), "{text}");
    }

    #[test]
    fn a_redundant_read_has_no_source() {
        let text = QueryFinding { confidence: Confidence::Redundant, source: None, ..finding() }.to_string();
        assert!(
            text.starts_with("redundant: 100 runs with the same parameters at src/report.rs:42"),
            "{text}"
        );
        assert!(!text.contains("rows read"), "{text}");
    }

    #[test]
    fn a_long_statement_is_cut_at_a_character() {
        let text = QueryFinding { statement: "é".repeat(500), ..finding() }.to_string();
        assert!(text.contains(&format!("SELECT executions: {} …\n", "é".repeat(SHOWN))), "{text}");
    }

    #[test]
    fn a_finding_comes_back_from_json_with_its_time_in_seconds() {
        let json = serde_json::to_value(finding()).expect("it serialises");
        assert_eq!((json["lost"].as_f64(), json["confidence"].as_str()), (Some(0.0312), Some("confirmed")));
        assert_eq!(serde_json::from_value::<QueryFinding>(json.clone()).expect("it deserialises"), finding());
        let mut negative = json;
        negative["lost"] = serde_json::json!(-1.0);
        assert!(serde_json::from_value::<QueryFinding>(negative).is_err());
    }
}
