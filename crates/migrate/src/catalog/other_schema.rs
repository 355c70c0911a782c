//! Detects tables that live in another schema than the current one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::all;

use crate::catalog::{self, fetch};
use crate::compare::expected::Expected;
use crate::steps::revision::Revision;

/// The characters to percent-encode in a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

/// Finds schemas that hold some of these tables and a version record, Alembic's or Tallybook's; or all of the
/// tables.
const SCHEMAS: &str = "SELECT n.nspname::text, quote_ident(n.nspname), coalesce(current_schema()::text, ''), \
       coalesce(quote_ident(current_schema()), ''), n.nspname = ANY (current_schemas(false)), \
       (SELECT source IN ('client', 'session') FROM pg_settings WHERE name = 'search_path') \
     FROM (SELECT relnamespace, count(*) FILTER (WHERE relname = ANY ($1)) AS ours, \
         bool_or(relname IN ('tallybook_revisions', 'alembic_version')) AS is_recorded \
       FROM pg_class WHERE relkind IN ('r', 'p') GROUP BY 1) there \
     JOIN pg_namespace n ON n.oid = there.relnamespace \
     WHERE n.nspname IS DISTINCT FROM current_schema() AND n.nspname !~ '^pg_' \
       AND ((ours > 0 AND is_recorded) OR ours = cardinality($1)) ORDER BY 1";

/// Another schema that holds the tables of the revisions, while the current schema has none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSchema {
    /// The schema that holds the tables.
    pub schema: String,
    /// The current schema; empty if there is none.
    pub current: String,
    /// The URL parameter that selects that schema.
    pub option: String,
    /// The URL parameter that selects the current schema.
    current_option: String,
    /// Set if the URL selects the current schema explicitly.
    is_chosen: bool,
    /// Set if that schema is on `search_path`: statements find its tables unless tables of the current schema hide
    /// them.
    is_on_path: bool,
}

/// Looks for the tables of these revisions in other schemas, if the current one has none of them. Two round trips;
/// none on SQLite.
pub async fn other_schema(
    connection: &mut Connection,
    revisions: &[Revision],
) -> Result<Option<OtherSchema>> {
    if connection.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let expected = Expected::after(revisions.iter().flat_map(|revision| revision.steps()));
    let tables: Vec<_> = expected.tables.iter().map(|table| table.name.to_owned()).collect();
    if tables.is_empty() || catalog::tables(connection).await?.iter().any(|table| tables.contains(table)) {
        return Ok(None);
    }
    type Row = (String, String, String, String, bool, bool);
    let found = fetch(connection, all::<Row>(SCHEMAS, params![tables])).await?;
    let first = found.into_iter().next();
    Ok(first.map(|(schema, quoted, current, current_quoted, is_on_path, is_chosen)| OtherSchema {
        schema,
        current,
        option: option(&quoted),
        current_option: option(&current_quoted),
        is_chosen,
        is_on_path,
    }))
}

/// Returns the URL parameter that makes a schema the current one.
fn option(quoted: &str) -> String {
    let escaped = quoted.replace('\\', "\\\\").replace(' ', "\\ ");
    format!("?options=-csearch_path%3D{}", utf8_percent_encode(&escaped, ESCAPED))
}

impl OtherSchema {
    /// Describes where the tables are and the URL parameter that selects their schema.
    pub fn told(&self) -> String {
        let current = match &*self.current {
            "" => "there is no current schema".to_owned(),
            current => format!("the current schema is {current:?}"),
        };
        format!(
            "its tables are in the schema {:?}, and {current}: add {} to the URL",
            self.schema, self.option
        )
    }

    /// Returns an error, unless the URL selects the current schema and tables made there would hide no others.
    pub(crate) fn refuse(&self) -> Result<()> {
        if self.is_chosen && !self.is_on_path && !self.current.is_empty() {
            return Ok(());
        }
        let advice = if self.is_on_path {
            format!(
                "Both schemas are in search_path, where tables in {:?} would hide those in {:?}",
                self.current, self.schema
            )
        } else {
            format!(
                "For a second set of tables in {:?}, name that schema in the URL: {}",
                self.current, self.current_option
            )
        };
        Err(Error::revision(format!("no revision is applied here: {}. {advice}", self.told())))
    }
}

#[cfg(test)]
mod tests {
    use super::option;

    #[test]
    fn a_schema_is_written_into_a_url_as_the_server_reads_it() {
        assert_eq!(option("desk_2"), "?options=-csearch_path%3Ddesk_2");
        assert_eq!(option("\"My desk\""), "?options=-csearch_path%3D%22My%5C%20desk%22");
    }
}
