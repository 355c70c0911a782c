//! The conditions and the order of one query, by table.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, InTarget, OrderByExpr, OrderBySort, UnaryOperator, Value, visit_expressions,
};

use super::scope::Scope;
use super::{Constant, TableUse};
use crate::index_key::IndexKey;

/// Returns the uses of the tables of a scope.
pub(super) fn uses(
    scope: &Scope<'_>,
    conditions: &[&Expr],
    order: &[OrderByExpr],
    has_limit: bool,
) -> Vec<TableUse> {
    let table_use = |(_, table): &(String, &crate::catalog::Table)| TableUse {
        table: table.name.clone(),
        ..TableUse::default()
    };
    let mut uses: Vec<_> = scope.tables.iter().map(table_use).collect();
    for condition in conditions {
        add(scope, condition, &mut uses);
    }
    if let Some((place, keys)) = ordered(scope, order) {
        uses[place].order = keys;
        uses[place].has_limit = has_limit;
    }
    uses
}

fn add(scope: &Scope<'_>, condition: &Expr, uses: &mut [TableUse]) {
    match condition {
        Expr::Nested(inner) => add(scope, inner, uses),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            add(scope, left, uses);
            add(scope, right, uses);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            match (scope.column(left), scope.column(right)) {
                (Some((one, a)), Some((other, b))) if one != other => {
                    push(&mut uses[one].joins, a);
                    push(&mut uses[other].joins, b);
                }
                (Some((place, column)), None) | (None, Some((place, column))) => {
                    constant(scope, condition, &column, &mut uses[place]);
                    push(&mut uses[place].equalities, column);
                }
                _ => {}
            }
        }
        Expr::BinaryOp { left, op, right } if is_bound(op) => {
            if let (Some((place, column)), None) | (None, Some((place, column))) =
                (scope.column(left), scope.column(right))
            {
                constant(scope, condition, &column, &mut uses[place]);
                push(&mut uses[place].ranges, column);
            }
        }
        Expr::BinaryOp { left, op: BinaryOperator::NotEq, .. } => {
            if let Some((place, column)) = scope.column(left) {
                constant(scope, condition, &column, &mut uses[place]);
            }
        }
        Expr::Between { expr, negated: false, .. } => {
            if let Some((place, column)) = scope.column(expr) {
                push(&mut uses[place].ranges, column);
            }
        }
        Expr::In { expr, negated: false, target, .. } => {
            if let Some((place, column)) = scope.column(expr) {
                if matches!(target, InTarget::List(_)) {
                    constant(scope, condition, &column, &mut uses[place]);
                }
                push(&mut uses[place].equalities, column);
            }
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, .. } => {
            if let Some((place, column)) = scope.column(left) {
                push(&mut uses[place].equalities, column);
            }
        }
        Expr::IsNull(inner) => {
            if let Some((place, column)) = scope.column(inner) {
                constant(scope, condition, &column, &mut uses[place]);
                push(&mut uses[place].equalities, column);
            }
        }
        Expr::IsNotNull(inner) | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => {
            if let Some((place, column)) = scope.column(inner) {
                constant(scope, condition, &column, &mut uses[place]);
            }
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            if let Some((place, column)) = scope.column(condition) {
                constant(scope, condition, &column, &mut uses[place]);
            }
        }
        _ => {}
    }
}

fn is_bound(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq)
}

/// Adds a condition without parameters, functions and subqueries.
fn constant(scope: &Scope<'_>, condition: &Expr, column: &str, table: &mut TableUse) {
    let is_constant = visit_expressions(condition, |part| match part {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
        Expr::Value(_)
        | Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::Nested(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_) => ControlFlow::Continue(()),
        Expr::In { target: InTarget::List(_), .. } => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    // A literal identifier of another query would be no constant either.
    let is_of_column = |part: &Expr| {
        !matches!(part, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) || scope.column(part).is_some()
    };
    let is_own = visit_expressions(condition, |part| match is_of_column(part) {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    });
    if is_constant.is_continue() && is_own.is_continue() {
        let sql = unqualified(condition);
        push(&mut table.constants, Constant { column: column.to_owned(), sql });
    }
}

/// Returns the text of a condition without the names of tables, which an index does not know.
fn unqualified(condition: &Expr) -> String {
    let mut condition = condition.clone();
    let _ = sqlparser::ast::visit_expressions_mut(&mut condition, |part| {
        if let Expr::CompoundIdentifier(path) = part
            && let Some(column) = path.last()
        {
            *part = Expr::Identifier(column.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    condition.to_string()
}

/// Returns the table whose columns the order begins with, and these columns.
fn ordered(scope: &Scope<'_>, order: &[OrderByExpr]) -> Option<(usize, Vec<IndexKey>)> {
    let mut keys = Vec::new();
    let mut of = None;
    for part in order {
        let (place, column) = scope.column(&part.expr)?;
        let is_desc = match part.options.sort {
            Some(OrderBySort::Desc) => true,
            Some(OrderBySort::Using(_)) => return None,
            _ => false,
        };
        if part.options.nulls_first.is_some() || of.is_some_and(|of| of != place) {
            return None;
        }
        of = Some(place);
        keys.push(IndexKey { column, is_desc });
    }
    of.map(|of| (of, keys))
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
