//! Parsing statements.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AssignmentTarget, Expr, FromTable, LimitClause, ObjectName, OrderByKind, Query, Select, SetExpr,
    Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind, Visit, Visitor,
    visit_relations_mut,
};
use sqlparser::dialect::{Dialect as ParserDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use tallybook_sql::dialect::Dialect;

use super::conditions::uses;
use super::scope::{Scope, table};
use super::{Parsed, Write};
use crate::catalog::Catalog;

/// Parses a statement and finds what it asks of the tables of a catalog.
///
/// # Errors
/// Why it cannot be advised on.
pub(crate) fn parse(sql: &str, dialect: Dialect, catalog: &Catalog) -> Result<Parsed, String> {
    let syntax: &dyn ParserDialect = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    // The parser's message may quote literals.
    let parsed = Parser::parse_sql(syntax, sql).map_err(|_| "its SQL could not be parsed".to_owned())?;
    let [statement] = &parsed[..] else { return Err("it is several statements".to_owned()) };
    let mut collector = Collector { catalog, parsed: Parsed::default(), ctes: Vec::new(), unknown: None };
    let _ = statement.visit(&mut collector);
    if let Some(name) = collector.unknown {
        return Err(format!("it reads {name}, which is no ordinary table here"));
    }
    let mut parsed = collector.parsed;
    change(statement, catalog, &mut parsed);
    parsed.sql = without_schemas(statement, sql);
    Ok(parsed)
}

struct Collector<'c> {
    catalog: &'c Catalog,
    parsed: Parsed,
    /// Names of common table expressions.
    ctes: Vec<String>,
    /// A relation that is no table.
    unknown: Option<String>,
}

impl Collector<'_> {
    fn relation(&mut self, name: &ObjectName) {
        if let Some(table) = table(self.catalog, name) {
            self.parsed.tables.insert(table.name.clone());
            return;
        }
        let bare = name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(|ident| ident.value.clone())
            .unwrap_or_default();
        if !self.ctes.iter().any(|cte| cte.eq_ignore_ascii_case(&bare)) {
            self.unknown.get_or_insert(bare);
        }
    }

    fn select(&mut self, select: &Select, query: &Query) {
        let mut conditions = Vec::new();
        let scope = Scope::new(self.catalog, &select.from, &mut conditions);
        conditions.extend(&select.selection);
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(order)) => &order[..],
            _ => &[],
        };
        let has_limit = query.fetch.is_some()
            || matches!(
                query.limit_clause,
                Some(LimitClause::LimitOffset { limit: Some(_), .. } | LimitClause::OffsetCommaLimit { .. })
            );
        self.parsed.uses.extend(uses(&scope, &conditions, order, has_limit));
    }

    fn changed(&mut self, from: &[TableWithJoins], selection: Option<&Expr>) {
        let mut conditions = Vec::new();
        let scope = Scope::new(self.catalog, from, &mut conditions);
        conditions.extend(selection);
        self.parsed.uses.extend(uses(&scope, &conditions, &[], false));
    }
}

impl Visitor for Collector<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.push(cte.alias.name.value.clone());
        }
        each_select(&query.body, &mut |select| self.select(select, query));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.relation(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Update(update) => {
                let mut from = vec![update.table.clone()];
                if let Some(UpdateTableFromKind::AfterSet(more) | UpdateTableFromKind::BeforeSet(more)) =
                    &update.from
                {
                    from.extend(more.iter().cloned());
                }
                self.changed(&from, update.selection.as_ref());
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let mut from = from.clone();
                from.extend(delete.using.iter().flatten().cloned());
                self.changed(&from, delete.selection.as_ref());
            }
            Statement::Insert(insert) => {
                if let TableObject::TableName(name) = &insert.table {
                    self.relation(name);
                }
            }
            Statement::Query(_) => {}
            _ => self.unknown = Some("something else than rows".to_owned()),
        }
        ControlFlow::Continue(())
    }
}

/// Calls `found` with each `SELECT` of a query, those of a `UNION` included.
fn each_select(body: &SetExpr, found: &mut impl FnMut(&Select)) {
    match body {
        SetExpr::Select(select) => found(select),
        SetExpr::SetOperation { left, right, .. } => {
            each_select(left, found);
            each_select(right, found);
        }
        _ => {}
    }
}

/// Finds which table the statement changes.
fn change(statement: &Statement, catalog: &Catalog, parsed: &mut Parsed) {
    parsed.write = match statement {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => {
                table(catalog, name).map(|table| Write { table: table.name.clone(), columns: None })
            }
            _ => None,
        },
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            from.first()
                .and_then(|from| of_factor(catalog, &from.relation))
                .map(|table| Write { table, columns: None })
        }
        Statement::Update(update) => of_factor(catalog, &update.table.relation).map(|table| {
            let columns = update.assignments.iter().flat_map(|assignment| match &assignment.target {
                AssignmentTarget::ColumnName(name) => vec![name],
                AssignmentTarget::Tuple(names) => names.iter().collect(),
            });
            let columns = columns.filter_map(|name| Some(name.0.last()?.as_ident()?.value.clone())).collect();
            Write { table, columns: Some(columns) }
        }),
        _ => None,
    };
}

fn of_factor(catalog: &Catalog, factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, .. } => table(catalog, name).map(|table| table.name.clone()),
        _ => None,
    }
}

/// Returns the text with the names of tables alone: the scratch copy is in another schema.
fn without_schemas(statement: &Statement, sql: &str) -> String {
    let mut statement = statement.clone();
    let mut is_changed = false;
    let _ = visit_relations_mut(&mut statement, |name| {
        if name.0.len() > 1 {
            name.0.drain(..name.0.len() - 1);
            is_changed = true;
        }
        ControlFlow::<()>::Continue(())
    });
    if is_changed { statement.to_string() } else { sql.to_owned() }
}
