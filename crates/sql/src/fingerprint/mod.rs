//! Statements without their values: the text, hash and tables that all executions of a statement share.
//!
//! - `lexer` and `token` split the text; `keyword` knows the reserved words.
//! - `normalize` and `list` write the text without values.
//! - `subject` finds the operation and the tables; `role` finds the use of each parameter.

mod keyword;
mod lexer;
mod list;
mod normalize;
mod operand;
mod role;
mod subject;
mod summary;
mod token;

#[cfg(test)]
mod properties;

pub use role::Role;

/// Returns the text of a statement without its values.
pub fn shape(sql: &str) -> Box<str> {
    Fingerprint::of(sql).text
}

/// Characters kept of a normalised text.
const MAX_TEXT: usize = 2_000;
/// Characters kept of a name; PostgreSQL's own limit is 63.
const MAX_NAME: usize = 255;

/// The properties that all executions of a statement share, whatever their values.
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprint {
    /// Text without values, at most 2,000 characters.
    pub text: Box<str>,
    /// FNV-1a over the whole normalised text; the same in every process and version.
    pub hash: u64,
    /// First word in upper case (`SELECT`, `INSERT`, …), for `WITH` the first word of the main statement.
    pub operation: Box<str>,
    /// First table of the main statement, else the first of a CTE, as written; `None` if the statement has no table.
    pub collection: Option<Box<str>>,
    /// Operations and their tables in textual order, at most 255 characters.
    pub summary: Box<str>,
    /// Use of each numbered parameter `$1`, `$2`, ….
    pub params: Box<[Role]>,
    pub(super) reads: bool,
}

impl Fingerprint {
    /// Returns the fingerprint of any text, in time proportional to its length.
    pub fn of(sql: &str) -> Self {
        let tokens = lexer::tokens(sql);
        let text = normalize::normalize(&tokens, sql.len());
        let subject = subject::subject(&tokens);
        Self {
            hash: fnv_1a(text.bytes()),
            text: truncate(text, MAX_TEXT),
            reads: subject.is_read(),
            operation: truncate(subject.operation, MAX_NAME),
            collection: subject.collection.map(|name| truncate(name, MAX_NAME)),
            summary: subject.summary.into(),
            params: role::roles(&tokens).into_iter().map(Role::truncated).collect(),
        }
    }

    /// Returns whether the statement only reads, as far as its text shows: a `SELECT`, `VALUES`, `TABLE`, `SHOW` or
    /// `EXPLAIN` without a CTE that writes.
    pub fn is_read(&self) -> bool {
        self.reads
    }

    /// Returns whether the statement changes the schema.
    pub fn changes_schema(&self) -> bool {
        !self.reads && matches!(&*self.operation, "CREATE" | "ALTER" | "DROP")
    }

    /// Returns the hash in 16 hexadecimal digits.
    pub fn code(&self) -> String {
        format!("{:016x}", self.hash)
    }
}

/// Truncates a text to `longest` characters.
fn truncate(text: impl Into<String>, longest: usize) -> Box<str> {
    let mut text = text.into();
    if text.len() > longest {
        let end = text.char_indices().nth(longest).map_or(text.len(), |(end, _)| end);
        text.truncate(end);
    }
    text.into()
}

impl Role {
    fn truncated(self) -> Self {
        match self {
            Self::Column(name) => Self::Column(truncate(name, MAX_NAME)),
            other => other,
        }
    }
}

/// Returns the 64-bit FNV-1a hash: the same in every process and version, and no protection against attackers.
#[doc(hidden)]
pub fn fnv_1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.into_iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_of_the_text() {
        // The published values.
        assert_eq!(fnv_1a([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(Fingerprint::of("SELECT 1").hash, fnv_1a(*b"select ?"));
    }

    #[test]
    fn a_code_has_16_digits() {
        let small = Fingerprint { hash: 0xab, ..Fingerprint::of("") };
        assert_eq!(small.code(), "00000000000000ab");
    }

    #[test]
    fn what_is_kept_of_a_statement_is_bounded_whatever_its_names_and_parameters() {
        let name = "n".repeat(100_000);
        let parameters: Vec<_> = (1..=60_000).map(|number| format!("{name} = ${number}")).take(50).collect();
        let of =
            Fingerprint::of(&format!("SELECT 1 FROM {name} WHERE {} OR a = $60000", parameters.join(" OR ")));
        assert_eq!(of.collection.as_deref().map(str::len), Some(MAX_NAME));
        assert_eq!(of.params.len(), 50);
        let size = |role: &Role| if let Role::Column(name) = role { name.len() } else { 0 };
        assert!(of.params.iter().all(|role| size(role) <= MAX_NAME));
        assert!(Fingerprint::of(&format!("{name} 1")).operation.len() <= MAX_NAME);
    }

    #[test]
    fn long_texts_are_cut_but_differ_by_their_ends() {
        let long = |end: &str| Fingerprint::of(&format!("SELECT {} FROM {end}", "é, ".repeat(3_000)));
        let (one, other) = (long("a"), long("b"));
        assert_eq!(one.text.chars().count(), 2_000);
        assert_eq!(one.text, other.text);
        assert_ne!(one.hash, other.hash);
    }

    #[test]
    fn reads_are_recognised_and_a_cte_that_writes_is_not_a_read() {
        for sql in [
            "SELECT 1",
            "select id from trades for update",
            "VALUES (1)",
            "TABLE trades",
            "SHOW search_path",
            "EXPLAIN DELETE FROM trades",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ] {
            assert!(Fingerprint::of(sql).is_read(), "{sql}");
        }
        for sql in [
            "INSERT INTO trades SELECT * FROM old",
            "DELETE FROM trades",
            "PRAGMA query_only = ON",
            "WITH gone AS (DELETE FROM trades RETURNING id) SELECT id FROM gone",
            "WITH a AS (SELECT 1) UPDATE trades SET price = 1",
            "",
        ] {
            assert!(!Fingerprint::of(sql).is_read(), "{sql}");
        }
    }

    #[test]
    fn a_fingerprint_describes_a_whole_statement() {
        let newest = "SELECT id FROM (\
             SELECT id, row_number() OVER (PARTITION BY portfolio_id ORDER BY id DESC) AS place \
             FROM trades WHERE portfolio_id = ANY($1)) AS placed WHERE place <= $2";
        let of = Fingerprint::of(&format!(
            "SELECT * FROM executions WHERE trade_id IN ({newest}) ORDER BY id DESC"
        ));
        assert_eq!(
            &*of.text,
            "select * from executions where trade_id in (select id from (\
             select id, row_number() over (partition by portfolio_id order by id desc) as place \
             from trades where portfolio_id = any(?)) as placed where place <= ?) order by id desc"
        );
        assert_eq!(&*of.operation, "SELECT");
        assert_eq!(of.collection.as_deref(), Some("executions"));
        assert_eq!(&*of.summary, "SELECT executions SELECT SELECT trades");
        assert_eq!(*of.params, [Role::Column("portfolio_id".into()), Role::Bound]);
    }

    #[test]
    fn lists_of_both_dialects_are_recognised() {
        for list in ["= ANY($1)", "IN rarray($1)"] {
            let of = Fingerprint::of(&format!("SELECT id FROM trades WHERE session_id {list}"));
            assert_eq!(*of.params, [Role::Column("session_id".into())], "{list}");
        }
    }
}
