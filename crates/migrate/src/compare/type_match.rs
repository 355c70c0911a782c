//! Compatibility of an existing column's type with the declared one.

use tallybook_sql::dialect::Dialect;

use crate::steps::column::Type;

/// The comparison of an existing column's type with the declared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeMatch {
    Same,
    /// Another type that stores all values and is read the same way.
    Compatible,
    /// Programs would fail or lose data; with the reason, unless the type names show it.
    Incompatible(&'static str),
}

use TypeMatch::{Compatible, Incompatible, Same};

const OTHER: TypeMatch = Incompatible("");

impl Type {
    /// Compares the declared type with one that the catalog prints.
    pub(crate) fn matches(self, found: &str, dialect: Dialect) -> TypeMatch {
        let found = Declared::parse(found);
        if found == Declared::parse(&self.catalog(dialect)) {
            return Same;
        }
        match dialect {
            Dialect::Postgres => self.matches_postgres(&found),
            Dialect::Sqlite => self.matches_sqlite(&found),
        }
    }

    fn matches_postgres(self, found: &Declared) -> TypeMatch {
        match (self, &*found.name) {
            (Type::Id | Type::Integer | Type::SmallInt, "bigint") | (Type::SmallInt, "integer") => Compatible,
            (Type::BigId | Type::BigInt | Type::Integer | Type::Id, "integer" | "smallint") => {
                Incompatible("too small")
            }
            (Type::Numeric(..), "double precision" | "real") => Incompatible("rounds to 15 digits or fewer"),
            (Type::Numeric(digits, scale), "numeric") => match found.digits_and_scale() {
                None => Compatible,
                Some((_, there)) if there < i32::from(scale) => Incompatible("rounds digits after the point"),
                Some((all, there)) if all - there < i32::from(digits) - i32::from(scale) => {
                    Incompatible("too few digits before the point")
                }
                Some(_) => Compatible,
            },
            (Type::Json, "jsonb") => Incompatible("does not keep the text as it was written"),
            (Type::Jsonb, "json") => Incompatible("lacks the operators of jsonb"),
            (Type::Float, "real") => Incompatible("keeps six digits"),
            (Type::Float, "numeric") => Incompatible("the program reads and writes doubles"),
            (Type::Text, "character varying") => match found.length() {
                None => Same,
                Some(_) => Incompatible("the program writes texts of any length"),
            },
            // Longer text written by others is read; the program itself refuses to write it back.
            (Type::Varchar(_), "text") => Compatible,
            (Type::Varchar(wanted), "character varying") => match found.length() {
                Some(length) if length < wanted => Incompatible("too short"),
                _ => Compatible,
            },
            // Both are read and written as UTC, which sessions set.
            (
                Type::Timestamp | Type::TimestampTz,
                "timestamp without time zone" | "timestamp with time zone",
            )
            | (Type::Time, "time without time zone") => match found.length() {
                Some(digits) if digits < 6 => Incompatible("drops microseconds"),
                _ => Compatible,
            },
            _ => OTHER,
        }
    }

    /// SQLite enforces no lengths and types values, not columns; only the column's affinity matters.
    fn matches_sqlite(self, found: &Declared) -> TypeMatch {
        let compatible = |fits| if fits { Compatible } else { OTHER };
        match self {
            Type::Id | Type::BigId => Incompatible("only INTEGER PRIMARY KEY counts up"),
            Type::Integer | Type::BigInt | Type::SmallInt => {
                compatible(found.affinity() == Affinity::Integer)
            }
            Type::Float => match found.affinity() {
                Affinity::Real => Compatible,
                Affinity::Numeric => compatible(matches!(&*found.name, "numeric" | "decimal")),
                _ => OTHER,
            },
            Type::Boolean => compatible(found.affinity() == Affinity::Integer || found.name == "bool"),
            Type::Text | Type::Enum(_) if found.affinity() == Affinity::Text && found.length().is_none() => {
                Same
            }
            Type::Text | Type::Varchar(_) | Type::Enum(_) => compatible(found.affinity() == Affinity::Text),
            Type::Numeric(..) => match found.affinity() {
                Affinity::Text => Compatible,
                Affinity::Blob => OTHER,
                _ => Incompatible("rounds numbers of more than 15 digits"),
            },
            Type::Uuid | Type::Json | Type::Jsonb => match found.affinity() {
                Affinity::Text => Compatible,
                Affinity::Blob => OTHER,
                _ => Incompatible("turns texts of digits into numbers"),
            },
            Type::Bytes => compatible(found.affinity() == Affinity::Blob),
            Type::Date | Type::Time => compatible(found.affinity() == Affinity::Text),
            Type::Timestamp | Type::TimestampTz => match &*found.name {
                "date" => Incompatible("has no time"),
                name => compatible(
                    found.affinity() == Affinity::Text
                        || name.starts_with("datetime")
                        || name.starts_with("timestamp"),
                ),
            },
            Type::Other { .. } => OTHER,
        }
    }
}

/// SQLite's type affinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

/// A declared type, parsed: `timestamp(3) with time zone` is `timestamp with time zone` and `3`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Lower case, with single spaces.
    pub(crate) name: String,
    arguments: Option<String>,
}

impl Declared {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let (before, rest) = text.split_once('(').unwrap_or((&text, ""));
        let (arguments, after) = rest.split_once(')').unwrap_or(("", ""));
        let words: Vec<_> = before.split_whitespace().chain(after.split_whitespace()).collect();
        let arguments: String = arguments.split_whitespace().collect();
        let name = match &*words.join(" ") {
            "varchar" => "character varying".to_owned(),
            name => name.to_owned(),
        };
        Self { name, arguments: (!arguments.is_empty()).then_some(arguments) }
    }

    /// Returns the number in parentheses.
    pub(crate) fn length(&self) -> Option<u32> {
        self.arguments.as_ref()?.parse().ok()
    }

    /// Returns the numbers in parentheses of a `numeric`.
    pub(crate) fn digits_and_scale(&self) -> Option<(i32, i32)> {
        let arguments = self.arguments.as_ref()?;
        let (digits, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
        Some((digits.parse().ok()?, scale.parse().ok()?))
    }

    /// Returns the affinity, by SQLite's rules in their order.
    fn affinity(&self) -> Affinity {
        let has = |parts: &[&str]| parts.iter().any(|part| self.name.contains(part));
        match () {
            () if has(&["int"]) => Affinity::Integer,
            // "character varying" covers "varchar" too.
            () if has(&["char", "clob", "text"]) => Affinity::Text,
            () if self.name.is_empty() || has(&["blob"]) => Affinity::Blob,
            () if has(&["real", "floa", "doub"]) => Affinity::Real,
            () => Affinity::Numeric,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TypeMatch::{Compatible, Incompatible, Same};
    use super::{Type, TypeMatch};
    use tallybook_sql::dialect::Dialect::{self, Postgres, Sqlite};

    fn assert_all(dialect: Dialect, wanted: Type, expected: impl Fn(TypeMatch) -> bool, found: &[&str]) {
        for found in found {
            let there = wanted.matches(found, dialect);
            assert!(expected(there), "{wanted:?} on {dialect:?}: {found} is {there:?}");
        }
    }

    fn is_blocked(there: TypeMatch) -> bool {
        matches!(there, Incompatible(_))
    }

    #[test]
    fn text_without_a_length_is_text() {
        for dialect in [Postgres, Sqlite] {
            assert_all(dialect, Type::Text, |there| there == Same, &["text", "VARCHAR", "character varying"]);
        }
    }

    #[test]
    fn a_text_that_postgres_would_cut_short_is_refused_and_sqlite_cuts_none() {
        assert_all(Postgres, Type::Text, is_blocked, &["character varying(20)", "jsonb", "character(20)"]);
        assert_all(Sqlite, Type::Text, |there| there == Compatible, &["VARCHAR(20)", "CHAR(5)"]);
        assert_all(Postgres, Type::Varchar(20), is_blocked, &["character varying(19)", "trade_status"]);
        assert_all(Sqlite, Type::Varchar(20), |there| there == Compatible, &["varchar(9)", "NVARCHAR(20)"]);
    }

    #[test]
    fn a_longer_text_holds_what_a_shorter_one_holds() {
        for dialect in [Postgres, Sqlite] {
            let longer = ["character varying(21)", "character varying", "text"];
            assert_all(dialect, Type::Varchar(20), |there| there == Compatible, &longer);
            assert_all(
                dialect,
                Type::Varchar(20),
                |there| there == Same,
                &["character varying(20)", "varchar (20)"],
            );
        }
    }

    #[test]
    fn what_is_not_text_for_sqlite_turns_texts_into_numbers() {
        assert_all(Sqlite, Type::Text, is_blocked, &["STRING", "JSON", "BLOB", ""]);
    }

    #[test]
    fn a_timestamp_keeps_its_microseconds() {
        let same = ["timestamp without time zone"];
        assert_all(Postgres, Type::Timestamp, |there| there == Same, &same);
        let whole = ["timestamp with time zone", "timestamp(6) without time zone"];
        assert_all(Postgres, Type::Timestamp, |there| there == Compatible, &whole);
        let short = ["timestamp(3) without time zone", "timestamp(0) with time zone", "date", "text"];
        assert_all(Postgres, Type::Timestamp, is_blocked, &short);
        assert_all(
            Sqlite,
            Type::Timestamp,
            |there| there == Compatible,
            &["TIMESTAMP", "TEXT", "VARCHAR(26)"],
        );
        assert_all(Sqlite, Type::Timestamp, is_blocked, &["DATE", "INTEGER", "REAL"]);
    }

    #[test]
    fn a_number_is_read_as_the_program_reads_it() {
        assert_all(Postgres, Type::Float, is_blocked, &["numeric(20,8)", "real", "bigint"]);
        let doubles = ["REAL", "DOUBLE", "DOUBLE PRECISION", "NUMERIC(20, 8)", "DECIMAL"];
        assert_all(Sqlite, Type::Float, |there| there == Compatible, &doubles);
        assert_all(Sqlite, Type::Float, is_blocked, &["TEXT", "BOOLEAN", "DATETIME"]);
        assert_all(Postgres, Type::Id, |there| there == Compatible, &["bigint"]);
        assert_all(Sqlite, Type::Id, is_blocked, &["BIGINT", "INT"]);
        assert_all(Sqlite, Type::Integer, |there| there == Compatible, &["BIGINT", "INT", "SMALLINT"]);
    }
}
