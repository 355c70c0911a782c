//! Checks privileges before a run changes anything.

use std::collections::BTreeSet;

use serde::Serialize;
use tallybook_core::driver::Connection;
use tallybook_core::settings::DatabaseUrl;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::{all, one};

use crate::catalog::fetch;
use crate::history::RECORDS;
use crate::run::probe::{is_reached, probe};
use crate::steps::column::Column;
use crate::steps::revision::Revision;
use crate::steps::step::{Action, Direction, Step};

/// A privilege that a command needs and the user lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MissingPrivilege {
    /// The missing privilege: `CREATE on the schema public`.
    pub what: String,
    /// The statement that grants it, for the owner or a superuser of PostgreSQL; a shell command for an SQLite
    /// file.
    pub grant: String,
}

/// The privileges that a command needs on a schema and its tables.
#[derive(Debug, Default)]
pub(crate) struct RequiredPrivileges {
    creates: bool,
    /// Set if expressions are compared, for which PostgreSQL makes a temporary table.
    compares: bool,
    owned: BTreeSet<String>,
    referred: BTreeSet<String>,
    read: BTreeSet<String>,
    written: BTreeSet<String>,
}

impl RequiredPrivileges {
    /// Those needed to read the history and Alembic's version.
    pub(crate) fn to_read() -> Self {
        // Events are only written.
        let read = RECORDS.into_iter().filter(|table| *table != "tallybook_events");
        let read = read.chain(["alembic_version"]).map(str::to_owned).collect();
        Self { read, ..Self::default() }
    }

    /// Those needed to record changes.
    pub(crate) fn to_record() -> Self {
        Self { written: RECORDS.map(str::to_owned).into(), ..Self::to_read() }
    }

    /// Those needed to also write Alembic's version.
    pub(crate) fn to_release() -> Self {
        let mut needs = Self::to_record();
        needs.written.insert("alembic_version".to_owned());
        needs
    }

    /// Adds those that a step needs.
    pub(crate) fn step(&mut self, step: &Step, direction: Direction) {
        let drops = step.takes_away(direction);
        self.compares |= has_expressions(&step.action);
        let keys: Vec<_> = match &step.action {
            Action::Table(table) if drops => {
                self.owned.insert(table.name.to_owned());
                Vec::new()
            }
            Action::Table(table) => {
                self.creates = true;
                table.columns.iter().filter_map(|column| column.key).collect()
            }
            Action::Column { table, column } => {
                self.owned.insert((*table).to_owned());
                column.key.into_iter().collect()
            }
            Action::Key { table, key, .. } => {
                self.owned.insert((*table).to_owned());
                vec![*key]
            }
            Action::Check(check) => {
                self.owned.insert(check.table.to_owned());
                Vec::new()
            }
            Action::Enum(_) => {
                self.creates |= !drops;
                Vec::new()
            }
            Action::Validate { table, .. } => {
                self.owned.insert((*table).to_owned());
                Vec::new()
            }
            Action::Index(index) => {
                self.owned.insert(index.table.to_owned());
                self.creates |= !drops;
                Vec::new()
            }
            Action::Unique(index) => {
                self.owned.insert(index.table.to_owned());
                self.read.insert(index.table.to_owned());
                self.creates = true;
                Vec::new()
            }
            // Only the database knows what its statements need.
            Action::Sql(_) => Vec::new(),
        };
        if !drops {
            self.referred.extend(keys.into_iter().map(|key| key.table.to_owned()));
        }
    }

    /// Adds those needed to count the rows that a downgrade would lose.
    pub(crate) fn count(&mut self, step: &Step) {
        if let (Action::Table(_) | Action::Column { .. }, Some(table)) = (&step.action, step.table_name()) {
            self.read.insert(table.to_owned());
        }
    }

    /// Returns those of them that the current user lacks.
    pub(crate) async fn missing(
        mut self,
        connection: &mut Connection,
        url: &DatabaseUrl,
    ) -> Result<Vec<MissingPrivilege>> {
        if connection.dialect() == Dialect::Sqlite {
            let only_looks = self.written.is_empty() && self.owned.is_empty() && !self.creates;
            return Ok(if only_looks { Vec::new() } else { missing_of_file(url) });
        }
        let names: BTreeSet<_> =
            [&self.owned, &self.referred, &self.read, &self.written].into_iter().flatten().cloned().collect();
        let tables = tables(connection, names.into_iter().collect()).await?;
        let is_there = |name: &str| tables.iter().any(|table| table.name == name);
        self.creates |= RECORDS.iter().any(|name| self.written.contains(*name) && !is_there(name));
        let mut missing = Vec::new();
        let schema = schema(connection).await?;
        if self.creates && !schema.may_create {
            missing.push(MissingPrivilege {
                what: format!("CREATE on the schema {}", schema.name),
                grant: format!("GRANT CREATE ON SCHEMA {} TO {};", schema.name, schema.user),
            });
        }
        if self.compares && !schema.may_create_temporary {
            missing.push(MissingPrivilege {
                what: format!("TEMPORARY on the database {}, to compare expressions", schema.database),
                grant: format!("GRANT TEMPORARY ON DATABASE {} TO {};", schema.database, schema.user),
            });
        }
        for table in &tables {
            missing.extend(self.missing_of(table, &schema.user));
        }
        Ok(missing)
    }

    fn missing_of(&self, table: &Table, user: &str) -> Option<MissingPrivilege> {
        let Table { name, quoted, owner, .. } = table;
        if self.owned.contains(name) && !table.is_own {
            return Some(MissingPrivilege {
                what: format!("the ownership of {quoted}, which is {owner}'s"),
                grant: format!("ALTER TABLE {quoted} OWNER TO {user}; -- or GRANT {owner} TO {user};"),
            });
        }
        let mut wanted: Vec<&str> = Vec::new();
        if self.read.contains(name) || self.written.contains(name) {
            wanted.push("SELECT");
        }
        if self.written.contains(name) {
            wanted.extend(["INSERT", "UPDATE", "DELETE"]);
        }
        if self.referred.contains(name) {
            wanted.push("REFERENCES");
        }
        wanted.retain(|privilege| !table.held.split(' ').any(|held| held == *privilege));
        let wanted = wanted.join(", ");
        (!wanted.is_empty()).then(|| MissingPrivilege {
            what: format!("{wanted} on {quoted}, which is {owner}'s"),
            grant: format!("GRANT {wanted} ON {quoted} TO {user};"),
        })
    }
}

/// Returns whether a step declares an expression that is compared afterwards.
fn has_expressions(action: &Action) -> bool {
    let has = |column: &Column| column.default.is_some() || column.check.is_some();
    match action {
        Action::Table(table) => table.columns.iter().any(has),
        Action::Column { column, .. } => has(column),
        Action::Check(_) => true,
        Action::Index(index) | Action::Unique(index) => {
            !index.is_plain() && index.known_normal_form().is_none()
        }
        _ => false,
    }
}

/// Returns the privileges needed to apply those steps of the revisions that are not done yet.
pub(crate) async fn needs_up(
    connection: &mut Connection,
    revisions: &[Revision],
) -> Result<RequiredPrivileges> {
    let mut needs = RequiredPrivileges::to_record();
    for step in revisions.iter().flat_map(|revision| revision.steps()) {
        let found = probe(connection, step).await?;
        if !is_reached(step, Direction::Up, &found) {
            needs.step(step, Direction::Up);
        }
    }
    Ok(needs)
}

/// Returns the privileges needed to take the revisions back.
pub(crate) fn needs_down(revisions: &[Revision]) -> RequiredPrivileges {
    let mut needs = RequiredPrivileges::to_record();
    for step in revisions.iter().flat_map(|revision| revision.steps()) {
        needs.step(step, Direction::Down);
        needs.count(step);
    }
    needs
}

/// Returns an error if any privilege is missing.
pub(crate) fn refuse(missing: &[MissingPrivilege]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let lines =
        missing.iter().flat_map(|one| [format!("  {}", one.what), format!("    next: {}", one.grant)]);
    let what = "this user lacks what that needs, and nothing was changed:".to_owned();
    Err(Error::revision_in_lines([what].into_iter().chain(lines)))
}

/// A table, and the user's privileges on it.
struct Table {
    name: String,
    quoted: String,
    owner: String,
    /// Set if the user owns the table or is a member of the owning role.
    is_own: bool,
    /// The privileges, separated by spaces.
    held: String,
}

async fn tables(connection: &mut Connection, names: Vec<String>) -> Result<Vec<Table>> {
    const SQL: &str = "SELECT c.relname::text, quote_ident(c.relname), quote_ident(pg_get_userbyid(c.relowner)), \
           pg_has_role(c.relowner, 'USAGE'), \
           (SELECT coalesce(string_agg(p, ' '), '') \
            FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES']) AS p \
            WHERE has_table_privilege(c.oid, p)) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
         WHERE c.relkind IN ('r', 'p') AND c.relname = ANY ($1) ORDER BY 1";
    type Row = (String, String, String, bool, String);
    let rows = fetch(connection, all::<Row>(SQL, params![names])).await?.into_iter();
    Ok(rows.map(|(name, quoted, owner, is_own, held)| Table { name, quoted, owner, is_own, held }).collect())
}

struct Schema {
    name: String,
    user: String,
    may_create: bool,
    database: String,
    may_create_temporary: bool,
}

async fn schema(connection: &mut Connection) -> Result<Schema> {
    const SQL: &str = "SELECT coalesce(quote_ident(current_schema()), ''), quote_ident(current_user), \
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), current_setting('search_path'), \
           quote_ident(current_database()), has_database_privilege(current_database(), 'TEMPORARY')";
    type Row = (String, String, bool, String, String, bool);
    let (name, user, may_create, path, database, may_create_temporary) =
        fetch(connection, one::<Row>(SQL, params![])).await?;
    if name.is_empty() {
        return Err(Error::revision(format!(
            "there is no current schema: none of search_path ({path}) exists and may be used by {user}; create one, \
             or GRANT USAGE ON SCHEMA … TO {user}, or name another in the URL: ?options=-csearch_path%3D…"
        )));
    }
    Ok(Schema { name, user, may_create, database, may_create_temporary })
}

/// Returns why the user cannot write an SQLite file.
fn missing_of_file(url: &DatabaseUrl) -> Vec<MissingPrivilege> {
    use rustix::fs::{Access, access};
    let Some(path) = url.file() else { return Vec::new() };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let is_read_only = std::fs::metadata(&path).is_ok_and(|file| file.permissions().readonly());
    let mut missing = Vec::new();
    let mut note = |what: &str, place: &std::path::Path| {
        missing.push(MissingPrivilege {
            what: format!("write permission on the {what} {}", place.display()),
            grant: format!("chmod u+w '{}'    # or run this as the owner", place.display()),
        });
    };
    if is_read_only || access(&path, Access::WRITE_OK).is_err() {
        note("file", &path);
    }
    if let Some(directory) = path.parent().filter(|directory| access(*directory, Access::WRITE_OK).is_err()) {
        note("directory", directory);
    }
    missing
}
