//! The tables of one query, and which of them a column belongs to.

use sqlparser::ast::{Expr, Ident, JoinConstraint, JoinOperator, ObjectName, TableFactor, TableWithJoins};

use crate::catalog::{Catalog, Table};

/// The tables of a `FROM`, by the names under which the query knows them.
pub(super) struct Scope<'c> {
    pub(super) tables: Vec<(String, &'c Table)>,
    /// Set if it also has relations that are no tables, to which unqualified columns may belong.
    has_others: bool,
}

impl<'c> Scope<'c> {
    /// Collects tables, and the conditions of their joins.
    pub(super) fn new<'e>(
        catalog: &'c Catalog,
        from: &'e [TableWithJoins],
        conditions: &mut Vec<&'e Expr>,
    ) -> Self {
        let mut scope = Self { tables: Vec::new(), has_others: false };
        for joined in from {
            scope.add(catalog, &joined.relation, conditions);
            for join in &joined.joins {
                scope.add(catalog, &join.relation, conditions);
                if let Some(JoinConstraint::On(condition)) = constraint(&join.join_operator) {
                    conditions.push(condition);
                }
            }
        }
        scope
    }

    fn add<'e>(&mut self, catalog: &'c Catalog, factor: &'e TableFactor, conditions: &mut Vec<&'e Expr>) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => match table(catalog, name) {
                Some(table) => {
                    let known =
                        alias.as_ref().map_or_else(|| table.name.clone(), |alias| alias.name.value.clone());
                    self.tables.push((known, table));
                }
                None => self.has_others = true,
            },
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let inner = Self::new(catalog, std::slice::from_ref(table_with_joins), conditions);
                self.tables.extend(inner.tables);
                self.has_others |= inner.has_others;
            }
            _ => self.has_others = true,
        }
    }

    /// Returns the table and the column that an expression is; `None` if it is a value or belongs to another query.
    pub(super) fn column(&self, expression: &Expr) -> Option<(usize, String)> {
        match expression {
            Expr::Identifier(column) => {
                let mut found = self.tables.iter().enumerate().filter_map(|(place, (_, table))| {
                    table.column(&column.value).map(|column| (place, column.to_owned()))
                });
                let first = found.next()?;
                // Of two, the database would refuse it unless a relation that is no table hides one.
                (found.next().is_none() && !(self.has_others && self.tables.len() > 1)).then_some(first)
            }
            Expr::CompoundIdentifier(path) => {
                let [.., relation, column] = &path[..] else { return None };
                let place = self.tables.iter().position(|(known, _)| is_named(known, relation))?;
                let column = self.tables[place].1.column(&column.value)?;
                Some((place, column.to_owned()))
            }
            Expr::Nested(inner) => self.column(inner),
            _ => None,
        }
    }
}

fn is_named(known: &str, name: &Ident) -> bool {
    known.eq_ignore_ascii_case(&name.value)
}

/// Returns the table of a name.
pub(super) fn table<'c>(catalog: &'c Catalog, name: &ObjectName) -> Option<&'c Table> {
    catalog.table(&name.0.last()?.as_ident()?.value)
}

fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}
