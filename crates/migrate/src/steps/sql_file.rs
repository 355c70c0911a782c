//! Revisions from SQL files.

use tallybook_sql::error::{Error, Result};

use crate::steps::revision::Revision;
use crate::steps::step::{Action, Sql, Step};
use crate::steps::tokens::tokens;

/// The first line of a file whose statements must not run in a transaction.
const NO_TRANSACTION: &str = "tallybook: no transaction";

impl Revision {
    /// Declares a revision by the texts of SQL files, typically from `include_str!`. `file` is the name of the first
    /// file, such as `0003_notes.up.sql`: an identifier, an underscore and a description. `down` is the text of
    /// `0003_notes.down.sql`; without it the revision cannot be taken back.
    ///
    /// A file runs in one transaction, unless its first line is `-- tallybook: no transaction`; then its statements
    /// run one by one, and again if the program is killed meanwhile, which they must allow. Line endings, comments
    /// and white space may change later; the rest may not.
    ///
    /// ```
    /// use tallybook::migrate::Revision;
    ///
    /// let up = "CREATE TABLE notes (id integer PRIMARY KEY);\nCREATE INDEX ix_notes ON notes (id);";
    /// let revision = Revision::from_sql("0003_notes.up.sql", up, Some("DROP TABLE notes;"))?;
    /// assert_eq!((revision.id, revision.name), ("0003", "notes"));
    /// # Ok::<(), tallybook::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the name is malformed or the file contains no statement.
    pub fn from_sql(file: &'static str, up: &'static str, down: Option<&'static str>) -> Result<Self> {
        let named = file.strip_suffix(".up.sql").and_then(|stem| stem.split_once('_'));
        let Some((id, name)) = named.filter(|(id, name)| !id.is_empty() && !name.is_empty()) else {
            return Err(Error::revision(format!("{file:?} is not named like 0003_name.up.sql")));
        };
        if tokens(up).next().is_none() {
            return Err(Error::revision(format!("{file} holds no statement")));
        }
        let in_transaction = !is_without(up);
        if let Some(down) = down
            && in_transaction == is_without(down)
        {
            return Err(Error::revision(format!(
                "{file} and its downgrade must both have the line `-- {NO_TRANSACTION}` or both lack it"
            )));
        }
        let sql = Sql { in_transaction, ..Sql::new(name, up, down) };
        Ok(Self::of(id, name, Step::new(Action::Sql(sql))))
    }
}

fn is_without(text: &str) -> bool {
    let first = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    first.trim().strip_prefix("--").is_some_and(|comment| comment.trim().eq_ignore_ascii_case(NO_TRANSACTION))
}
