//! The types of a database, and the columns of its results.

use std::collections::HashMap;
use std::sync::Arc;

use postgres_types::{Kind, Oid, Type};

use super::client::{Client, ClientError, ColumnDescription};

/// A column of a result.
#[derive(Clone, Debug)]
pub(super) struct PgColumn {
    pub(super) name: String,
    /// False for an expression.
    pub(super) is_of_table: bool,
    pub(super) ty: Type,
}

/// The columns of a result.
pub(super) type Columns = Arc<[PgColumn]>;

/// The types of a database beyond those that every server has.
#[derive(Debug, Default)]
pub(super) struct Types(HashMap<Oid, Type>);

impl Types {
    /// Reads the lines of [`LIST`].
    pub(super) fn learn(&mut self, lines: &str) {
        for line in lines.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(oid), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(oid) = oid.parse() else { continue };
            // The labels of an enum are not needed.
            let kind = if kind == "e" { Kind::Enum(Vec::new()) } else { Kind::Simple };
            self.0.insert(oid, Type::new(name.to_owned(), oid, kind, String::new()));
        }
    }

    fn get(&self, oid: Oid) -> Option<Type> {
        Type::from_oid(oid).or_else(|| self.0.get(&oid).cloned())
    }

    /// Returns the columns of a result, or `None` if one is of a type that is not known yet.
    pub(super) fn columns(&self, described: &[ColumnDescription]) -> Option<Columns> {
        described
            .iter()
            .map(|column| {
                let (name, is_of_table) = (column.name.clone(), column.is_of_table);
                Some(PgColumn { name, is_of_table, ty: self.get(column.type_oid)? })
            })
            .collect()
    }

    /// Asks for types that are not known. One round trip, or none if all are.
    pub(super) async fn look_up(
        &mut self,
        client: &Client,
        oids: impl Iterator<Item = Oid>,
    ) -> Result<(), ClientError> {
        let unknown: Vec<_> =
            oids.filter(|&oid| self.get(oid).is_none()).map(|oid: Oid| oid.to_string()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let list = unknown.join(",");
        let rows =
            client.simple(&format!("SELECT {LIST} AS types FROM pg_type t WHERE oid IN ({list})")).await?;
        self.learn(rows.first().and_then(|row| row.get("types")).unwrap_or_default());
        for oid in unknown.iter().filter_map(|oid| oid.parse().ok()) {
            // Dropped since: it has no name any more, and no struct reads it.
            let nameless = || Type::new(format!("number {oid}"), oid, Kind::Simple, String::new());
            self.0.entry(oid).or_insert_with(nameless);
        }
        Ok(())
    }
}

/// SQL expression for rows `t` of `pg_type`: a line for each with number, kind and name.
pub(super) const LIST: &str = "string_agg(format('%s %s %s', t.oid, t.typtype, t.typname), E'\\n')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_beyond_those_of_every_server_are_learned() {
        let mut types = Types::default();
        let described = |type_oid| ColumnDescription { name: "c".to_owned(), is_of_table: true, type_oid };
        assert!(types.columns(&[described(20), described(16_900)]).is_none());
        types.learn("16900 e order kind\n16901 c pair\nnonsense");
        let columns = types.columns(&[described(20), described(16_900), described(16_901)]).unwrap();
        let names: Vec<_> = columns.iter().map(|column| column.ty.name()).collect();
        assert_eq!(names, ["int8", "order kind", "pair"]);
        assert!(matches!(columns[1].ty.kind(), Kind::Enum(_)));
    }
}
