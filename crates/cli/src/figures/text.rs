//! Prints figures as text, for pipes and files.

use std::io;

use chrono::{DateTime, Utc};
use tallybook::{Escaped, Report};

use super::format::{count, rate, time, uptime};
use super::panels::texts;
use super::{Grid, Order, Panel, RatedReport, nodes, pools};
use crate::output;

/// Width of a page, in characters.
const WIDTH: usize = 100;
/// Maximum number of printed rows of a table.
const MAX_ROWS: usize = 20;
/// Spaces around each column.
const GAP: usize = 2;

/// Prints all figures.
pub(crate) fn print(rated: &RatedReport, order: Order) -> io::Result<()> {
    print_head(rated)?;
    if let Some(nodes) = nodes(rated) {
        section("Servers")?;
        table(&nodes)?;
    }
    if !rated.report.pools.is_empty() {
        section("Pools")?;
        table(&pools(rated))?;
    }
    print_statements(rated, order)?;
    for panel in [Panel::Running, Panel::SlowOrFailed] {
        section(panel.title())?;
        match panel.len(rated) {
            0 => output::line(panel.nothing())?,
            all => {
                table(&panel.grid(rated, order).first(MAX_ROWS))?;
                more(all)?;
            }
        }
    }
    print_findings(&rated.report)?;
    if rated.has_lifetime_percentiles() {
        output::line(
            "\n* since the program opened the database: its version reports no percentiles for a part of the time",
        )?;
    }
    Ok(())
}

/// Returns the line that names the program and its database.
pub(crate) fn headline(rated: &RatedReport) -> String {
    let Report { process, database, .. } = &rated.report;
    format!("{}, process {process}", Escaped(database))
}

/// Returns the totals over all statements.
pub(crate) fn costs(rated: &RatedReport) -> String {
    let statements = format!("{} statements/s", rate(rated.rate_of_all()));
    let p99 = rated.p99().map_or_else(String::new, |p99| format!(", p99 {}", time(p99)));
    let errors = rated.errors();
    let running = rated.report.running.len();
    format!("{statements}{p99}, {} errors, {running} running now", count(errors))
}

fn print_head(rated: &RatedReport) -> io::Result<()> {
    let moment = |at: DateTime<Utc>| at.format("%F %T UTC");
    output::line(headline(rated))?;
    let time = uptime(rated.time());
    output::line(format!("{} to {} ({time})", moment(rated.report.since), moment(rated.report.at)))?;
    output::line(costs(rated))
}

fn print_statements(rated: &RatedReport, order: Order) -> io::Result<()> {
    let all = rated.report.statements.len();
    section(&format!("Statements by {}", order.as_str()))?;
    if all == 0 {
        output::line(Panel::Statements.nothing())?;
    } else {
        let [costs, texts] = texts(rated, order, MAX_ROWS);
        table(&costs)?;
        output::line("")?;
        table(&texts)?;
    }
    more(all)?;
    let evicted = rated.report.evicted;
    if evicted.statements > 0 {
        output::line(format!(
            "no longer counted separately, because there were more than DB_MONITOR_STATEMENTS: {} statements, {} calls, {} errors, {}",
            evicted.statements,
            count(evicted.calls),
            count(evicted.errors),
            time(evicted.total)
        ))?;
    }
    Ok(())
}

/// Prints the number of rows left out.
fn more(all: usize) -> io::Result<()> {
    if all > MAX_ROWS {
        output::line(format!("and {} more; --json has them all", all - MAX_ROWS))
    } else {
        Ok(())
    }
}

fn print_findings(report: &Report) -> io::Result<()> {
    section(Panel::Findings.title())?;
    if report.findings.is_empty() {
        output::line(Panel::Findings.nothing())?;
    }
    for finding in &report.findings {
        output::line(finding.to_string())?;
    }
    if report.forgotten_findings > 0 {
        output::line(format!(
            "{} more were dropped, because there were too many",
            count(report.forgotten_findings)
        ))?;
    }
    if !report.unused_allowances.is_empty() {
        output::line(format!(
            "DB_N_PLUS_ONE_ALLOW has entries that matched nothing: {}",
            Escaped(&report.unused_allowances.join(", "))
        ))?;
    }
    Ok(())
}

fn section(title: &str) -> io::Result<()> {
    output::line(format!("\n{title}"))
}

fn table(grid: &Grid) -> io::Result<()> {
    let fitted = grid.fit(WIDTH, GAP);
    let numbers: Vec<_> = (0..fitted.titles.len()).filter(|&column| fitted.is_number[column]).collect();
    output::table(&fitted.titles, fitted.rows, &numbers)
}
