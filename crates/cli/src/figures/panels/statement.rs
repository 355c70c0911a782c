//! The executed statements.

use std::fmt::Write;
use std::time::Duration;

use tallybook::{Escaped, StatementReport};

use crate::figures::format::{bytes, count, percent, rate, site, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::order::Order;
use crate::figures::rated_report::{RatedReport, Span};
use crate::output::thousands;

struct Row<'a> {
    number: usize,
    statement: &'a StatementReport,
    rated: &'a RatedReport,
    total: Duration,
}

fn rows(rated: &RatedReport, order: Order) -> impl Iterator<Item = Row<'_>> {
    let total = rated.total();
    let sorted = order.sort(rated).into_iter().enumerate();
    sorted.map(move |(index, statement)| Row { number: index + 1, statement, rated, total })
}

/// Returns the cost columns.
fn costs<'a>(rated: &RatedReport) -> Vec<Column<Row<'a>>> {
    let mut columns = vec![
        Column::number("calls", 0, |row: &Row<'_>| count(row.statement.calls)),
        Column::number("calls/s", 0, |row| rate(row.rated.rate(row.statement))),
        Column::number("total", 0, |row| percent(row.statement.times.total, row.total)),
    ];
    if rated.span == Span::Part {
        columns.push(Column::number("mean", 0, |row| time(mean(row.statement))));
    }
    let [p50, p95, p99, max] = match rated.has_lifetime_percentiles() {
        false => ["p50", "p95", "p99", "max"],
        true => ["p50*", "p95*", "p99*", "max*"],
    };
    columns.extend([
        Column::number(p50, 4, |row: &Row<'_>| time(row.statement.times.p50)),
        Column::number(p95, 6, |row| time(row.statement.times.p95)),
        Column::number(p99, 0, |row| time(row.statement.times.p99)),
        Column::number(max, 3, |row| time(row.statement.times.max)),
        Column::number("rows", 5, |row| count(row.statement.rows)),
        Column::number("errors", 0, |row| count(row.statement.errors())),
        Column::number("wait", 2, |row| time(row.statement.waited)),
    ]);
    columns
}

fn number<'a>() -> Column<Row<'a>> {
    Column::number("#", 0, |row| row.number.to_string())
}

fn call_site<'a>(rank: u8) -> Column<Row<'a>> {
    Column::new("call site", Kind::Site, rank, |row| site(row.statement.at.as_ref()))
}

fn text<'a>() -> Column<Row<'a>> {
    Column::new("statement", Kind::Text, 0, |row| row.statement.statement.clone())
}

/// Returns one table of costs, call sites and texts, for a terminal.
pub(super) fn grid(rated: &RatedReport, order: Order) -> Grid {
    let mut columns = costs(rated);
    columns.extend([call_site(1), text()]);
    Grid::new(&columns, rows(rated, order))
}

/// Returns the first statements as two tables, costs and texts, connected by a number, so that no column has to be
/// dropped.
pub(in crate::figures) fn texts(rated: &RatedReport, order: Order, most: usize) -> [Grid; 2] {
    let mut first = vec![number()];
    first.extend(costs(rated));
    first.push(Column::new("statement", Kind::Name, 0, |row| row.statement.summary.clone()));
    let second = [number(), call_site(0), text()];
    [Grid::new(&first, rows(rated, order).take(most)), Grid::new(&second, rows(rated, order).take(most))]
}

pub(super) fn keys(rated: &RatedReport, order: Order) -> Vec<String> {
    order.sort(rated).into_iter().map(|statement| statement.fingerprint.clone()).collect()
}

pub(super) fn detail(rated: &RatedReport, order: Order, index: usize) -> Option<String> {
    let statement = *order.sort(rated).get(index)?;
    let mut text = format!("{}\n\n{}\n\n", Escaped(&statement.summary), Escaped(&statement.statement));
    // Writing to a string cannot fail.
    let mut field = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {}", Escaped(&value));
    };
    field("fingerprint", statement.fingerprint.clone());
    field("call site", site(statement.at.as_ref()));
    field("calls", format!("{}, {} a second", thousands(statement.calls), rate(rated.rate(statement))));
    field("errors", errors(statement));
    field("rows", rows_and_bytes(statement));
    field("time", spent(statement, rated.total()));
    field("quantiles", quantiles(statement));
    field("of the time", parts(statement));
    field("waited", format!("{} for connections", time(statement.waited)));
    let plan = statement
        .plan
        .as_deref()
        .unwrap_or("none: it was not slow (DB_SLOW_QUERY_THRESHOLD), or cannot be explained");
    text.extend(["\nPlan, when it was last slow:\n", plan, "\n"]);
    Some(text)
}

fn mean(statement: &StatementReport) -> Duration {
    let total = statement.times.total;
    // The largest `Duration` does not survive the conversion to a double.
    Duration::try_from_secs_f64(total.as_secs_f64() / statement.times.count.max(1) as f64).unwrap_or(total)
}

fn errors(statement: &StatementReport) -> String {
    let kinds: Vec<_> =
        statement.failures.iter().map(|(kind, count)| format!("{kind} {}", thousands(*count))).collect();
    if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") }
}

fn rows_and_bytes(statement: &StatementReport) -> String {
    let each = statement.rows as f64 / statement.calls.max(1) as f64;
    format!("{}, {each:.1} a call, {}", thousands(statement.rows), bytes(statement.bytes))
}

fn spent(statement: &StatementReport, all: Duration) -> String {
    let total = statement.times.total;
    format!(
        "{} in all, {} of all statements, {} a call",
        time(total),
        percent(total, all),
        time(mean(statement))
    )
}

fn quantiles(statement: &StatementReport) -> String {
    let times = &statement.times;
    let [p50, p95, p99, max] = [times.p50, times.p95, times.p99, times.max].map(time);
    format!("p50 {p50}, p95 {p95}, p99 {p99}, max {max}")
}

fn parts(statement: &StatementReport) -> String {
    let part = |part| percent(part, statement.times.total);
    format!(
        "{} until the first row, {} getting the others, {} making structs",
        part(statement.executed),
        part(statement.fetched),
        part(statement.decoded)
    )
}
