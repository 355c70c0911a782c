//! The schema of tables: the one that revisions declare, or the one that a database has.

use tallybook_core::database::Database;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::catalog::{self, ActualTable, FoundColumn, FoundIndex};
use crate::compare::expected::{Expected, ExpectedTable};
use crate::compare::type_match::{Declared, TypeMatch};
use crate::run::{busy_retry, deadline};
use crate::steps::column::{Column, Type};
use crate::steps::revision::{Revision, steps};
use crate::steps::step::Action;
use crate::steps::table::Index;

/// The tables that revisions declare, or those that a database has.
///
/// ```
/// use tallybook::book::REVISIONS;
/// use tallybook::migrate::Schema;
///
/// let schema = Schema::declared(REVISIONS);
/// let trades = schema.table("trades").unwrap();
/// assert_eq!(trades.column("session_id").unwrap().references.as_deref(), Some("trading_sessions"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// The tables, in the order of their creation or of their request.
    pub tables: Vec<SchemaTable>,
    /// Set if SQL steps may have created or changed more than is known.
    pub is_partial: bool,
}

/// A table of a [`Schema`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SchemaTable {
    /// The table's name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<SchemaColumn>,
    /// Its indexes and unique constraints that cover all rows, or all that have a value in them.
    pub indexes: Vec<SchemaIndex>,
    /// Set if an SQL step created the table, so that only part of it is known.
    pub is_partial: bool,
}

/// A column of a [`SchemaTable`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SchemaColumn {
    /// The column's name.
    pub name: String,
    /// The column as revisions declare it; `None` in a database.
    pub declared: Option<Column>,
    /// The type as the catalog of each dialect prints it.
    pub types: Vec<(Dialect, String)>,
    /// Set if it permits `NULL`.
    pub is_null: bool,
    /// Set if an insert may omit the column.
    pub has_default: bool,
    /// Set for the primary key.
    pub is_primary: bool,
    /// The table to whose `id` its foreign key refers.
    pub references: Option<String>,
}

/// An index or a unique constraint that covers all rows of a table, or all that have a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaIndex {
    /// Its columns, in their order; `None` for an expression.
    pub columns: Vec<Option<String>>,
    /// Set if its values are unique.
    pub is_unique: bool,
}

/// The reason why a column does not suit a type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfit {
    /// The dialect on which it does not.
    pub dialect: Dialect,
    /// The reason, unless the names of the types show it.
    pub reason: Option<&'static str>,
}

impl Schema {
    /// Returns the tables as they are after all revisions, without a database. Steps of SQL count only as far as they say
    /// with [`Step::alters`](crate::Step::alters).
    pub fn declared(revisions: &[Revision]) -> Self {
        let expected = Expected::after(steps(revisions));
        Self {
            tables: expected.tables.iter().map(SchemaTable::declared).collect(),
            is_partial: steps(revisions).any(|step| matches!(step.action, Action::Sql(_))),
        }
    }

    /// Reads those of the tables that exist, in the current schema of a database.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn existing(db: &Database, names: &[&str]) -> Result<Self> {
        let mut connection = busy_retry::connect(db).await?;
        let dialect = connection.dialect();
        let mut tables = Vec::with_capacity(names.len());
        for name in names {
            if let Some(found) = catalog::table(&mut connection, name).await? {
                tables.push(SchemaTable::existing(name, &found, dialect));
            }
        }
        deadline::end(connection).await;
        Ok(Self { tables, is_partial: false })
    }

    /// Returns the table with this name.
    pub fn table(&self, name: &str) -> Option<&SchemaTable> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl SchemaTable {
    fn declared(table: &ExpectedTable) -> Self {
        let constraints = table.columns.iter().filter(|column| column.is_unique || column.is_primary_key());
        let constraints = constraints.map(|column| SchemaIndex::of_column(column.name));
        let indexes =
            table.indexes.iter().filter(|index| covers_all_values(index)).map(|index| SchemaIndex {
                columns: index.columns.iter().map(|key| column_of_key(key)).collect(),
                is_unique: index.is_unique && !index.may_be_plain,
            });
        let columns = table.columns.iter();
        Self {
            name: table.name.to_owned(),
            columns: columns.map(SchemaColumn::declared).collect(),
            indexes: constraints.chain(indexes).collect(),
            is_partial: table.is_partial,
        }
    }

    fn existing(name: &str, table: &ActualTable, dialect: Dialect) -> Self {
        let unique = [&table.primary].into_iter().chain(&table.uniques).filter(|columns| !columns.is_empty());
        let unique = unique.map(|columns| SchemaIndex {
            columns: columns.iter().cloned().map(Some).collect(),
            is_unique: true,
        });
        let found = table.indexes.iter().filter(|index| index.is_valid).filter_map(SchemaIndex::existing);
        let mut indexes: Vec<SchemaIndex> = Vec::new();
        // The catalog lists a unique index among the unique constraints too.
        for index in unique.chain(found) {
            if !indexes.contains(&index) {
                indexes.push(index);
            }
        }
        let column = |column| SchemaColumn::existing(column, table, dialect);
        Self {
            name: name.to_owned(),
            columns: table.columns.iter().map(column).collect(),
            indexes,
            is_partial: false,
        }
    }

    /// Returns the column with this name.
    pub fn column(&self, name: &str) -> Option<&SchemaColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns whether an index begins with these columns, in this order.
    pub fn has_index(&self, columns: &[&str]) -> bool {
        self.indexes.iter().any(|index| index.begins_with(columns))
    }

    /// Returns whether the values of these columns together are unique.
    pub fn is_unique(&self, columns: &[&str]) -> bool {
        self.indexes.iter().any(|index| {
            index.is_unique && index.columns.len() == columns.len() && index.begins_with(columns)
        })
    }
}

impl SchemaColumn {
    fn declared(column: &Column) -> Self {
        let types = [Dialect::Postgres, Dialect::Sqlite];
        Self {
            name: column.name.to_owned(),
            declared: Some(*column),
            types: types.map(|dialect| (dialect, column.ty.catalog(dialect).into_owned())).into(),
            is_null: column.is_null,
            has_default: column.default.is_some() || column.ty.is_id(),
            is_primary: column.is_primary_key(),
            references: column.key.map(|key| key.table.to_owned()),
        }
    }

    fn existing(column: &FoundColumn, table: &ActualTable, dialect: Dialect) -> Self {
        let is_primary = table.primary == [column.name.as_str()];
        let counts_up = dialect == Dialect::Sqlite && column.ty.eq_ignore_ascii_case("integer");
        let key = table.key_of(&column.name).filter(|key| key.to == ["id"]);
        Self {
            name: column.name.clone(),
            declared: None,
            types: vec![(dialect, column.ty.clone())],
            is_null: column.is_null && !is_primary,
            has_default: column.has_default || (is_primary && counts_up),
            is_primary,
            references: key.map(|key| key.table.clone()),
        }
    }

    /// Returns the dialects on which the column suits none of these types, each with the reason why it does not suit the
    /// first.
    pub fn misfits(&self, wanted: &[Type]) -> Vec<Misfit> {
        let misfit = |(dialect, found): &(Dialect, String)| {
            let mut reason = None;
            for ty in wanted {
                match ty.matches(found, *dialect) {
                    TypeMatch::Same | TypeMatch::Compatible => return None,
                    TypeMatch::Incompatible(why) => reason = reason.or(Some(why)),
                }
            }
            Some(Misfit { dialect: *dialect, reason: reason.filter(|why| !why.is_empty()) })
        };
        self.types.iter().filter_map(misfit).collect()
    }

    /// Returns the most characters that its texts have, if the type says so.
    pub fn length(&self) -> Option<u32> {
        let texts = self.types.iter().map(|(_, ty)| Declared::parse(ty));
        texts.filter(|ty| ty.name.contains("char")).find_map(|ty| ty.length())
    }

    /// Returns the precision and the scale of a `numeric` on PostgreSQL, if the type has them.
    pub fn precision(&self) -> Option<(i32, i32)> {
        let (_, ty) = self.types.iter().find(|(dialect, _)| *dialect == Dialect::Postgres)?;
        let ty = Declared::parse(ty);
        (ty.name == "numeric").then(|| ty.digits_and_scale())?
    }
}

impl SchemaIndex {
    fn of_column(name: &str) -> Self {
        Self { columns: vec![Some(name.to_owned())], is_unique: true }
    }

    /// Returns `None` for an index of some rows, unless it leaves out only those without a value.
    fn existing(index: &FoundIndex) -> Option<Self> {
        let keys = keys_of(&index.definition)?;
        Some(Self { columns: keys.into_iter().map(column_of_key).collect(), is_unique: index.is_unique })
    }

    fn begins_with(&self, columns: &[&str]) -> bool {
        self.columns.len() >= columns.len()
            && self.columns.iter().zip(columns).all(|(there, wanted)| there.as_deref() == Some(wanted))
    }
}

/// Returns the keys of an index of all values from its definition: what stands in its first parentheses.
fn keys_of(definition: &str) -> Option<Vec<&str>> {
    let start = definition.find('(')? + 1;
    let (mut depth, mut from, mut keys) = (0, start, Vec::new());
    for (at, character) in definition.char_indices().skip_while(|(at, _)| *at < start) {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => {
                keys.push(&definition[from..at]);
                let rest = &definition[at..];
                let condition = rest.to_ascii_uppercase().find("WHERE").map(|start| &rest[start + 5..]);
                return condition.is_none_or(|condition| is_of_values(condition, &keys)).then_some(keys);
            }
            ')' => depth -= 1,
            ',' if depth == 0 => {
                keys.push(&definition[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// Returns whether an index holds all rows, or all that have a value.
fn covers_all_values(index: &Index) -> bool {
    index.filter.is_none_or(|filter| is_of_values(filter.postgres, index.columns))
}

/// Returns whether a condition excludes only rows with a NULL in one of the keys: no look-up by the keys finds those.
fn is_of_values(condition: &str, keys: &[&str]) -> bool {
    let condition = condition.trim().trim_start_matches('(').trim_end_matches([')', ';']).trim();
    let Some((key, rest)) = condition.split_once(char::is_whitespace) else { return false };
    let is_not_null = rest.split_whitespace().map(str::to_ascii_uppercase).eq(["IS", "NOT", "NULL"]);
    is_not_null
        && column_of_key(key)
            .is_some_and(|key| keys.iter().any(|of| column_of_key(of).as_ref() == Some(&key)))
}

/// Returns the column of a key of an index, without its order; `None` for an expression.
fn column_of_key(key: &str) -> Option<String> {
    let (name, order) = key.trim().split_once(char::is_whitespace).unwrap_or((key.trim(), ""));
    let name = name.trim_matches('"');
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_order = order.split_whitespace().all(|word| {
        ["asc", "desc", "nulls", "first", "last"].iter().any(|known| word.eq_ignore_ascii_case(known))
    });
    (is_name && is_order).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{column_of_key, keys_of};

    #[test]
    fn the_keys_of_an_index_are_read_from_its_definition() {
        let keys = |definition: &str| {
            keys_of(definition).map(|keys| keys.into_iter().map(column_of_key).collect::<Vec<_>>())
        };
        let name = |name: &str| Some(name.to_owned());
        let plain = "CREATE INDEX ix ON public.trades USING btree (portfolio_id, created_at DESC)";
        assert_eq!(keys(plain), Some(vec![name("portfolio_id"), name("created_at")]));
        let quoted = "CREATE INDEX ix ON trades (\"portfolio_id\" , created_at ASC NULLS LAST)";
        assert_eq!(keys(quoted), Some(vec![name("portfolio_id"), name("created_at")]));
        let expression =
            "CREATE UNIQUE INDEX ix ON users USING btree (lower((email)::text), round(a, 2), id)";
        assert_eq!(keys(expression), Some(vec![None, None, name("id")]));
        assert_eq!(keys("CREATE INDEX ix ON trades (symbol) WHERE status = 'open'"), None);
        let values = "CREATE UNIQUE INDEX ix ON public.executions USING btree (reverses_id) WHERE (reverses_id IS NOT NULL)";
        assert_eq!(keys(values), Some(vec![name("reverses_id")]));
        assert_eq!(
            keys("CREATE INDEX ix ON trades (a, b DESC) where b is not null"),
            Some(vec![name("a"), name("b")])
        );
        assert_eq!(keys("CREATE INDEX ix ON trades (a) WHERE b IS NOT NULL"), None);
        assert_eq!(keys("CREATE INDEX ix ON trades (a) WHERE a IS NOT NULL AND b > 0"), None);
        assert_eq!(keys("CREATE INDEX ix ON trades (symbol COLLATE \"C\")"), Some(vec![None]));
    }
}
