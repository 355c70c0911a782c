//! Figures as text, for pipes and files.

use std::io;

use chrono::{DateTime, Utc};
use tallybook_engine::{Escaped, Report};

use super::format::{count, rate, time, uptime};
use super::panels::texts;
use super::{Grid, Order, Panel, Shown, Span, nodes, pools};
use crate::output;

/// Columns of a page.
const WIDTH: usize = 100;
/// Entries of a table that are printed.
const MOST: usize = 20;
/// Spaces that a table of the program has beside each column.
const GAP: usize = 2;

/// Prints all there is to see.
pub(crate) fn print(shown: &Shown, order: Order) -> io::Result<()> {
    print_head(shown)?;
    if let Some(nodes) = nodes(shown) {
        section("Servers")?;
        table(&nodes)?;
    }
    if !shown.report.pools.is_empty() {
        section("Pools")?;
        table(&pools(shown))?;
    }
    print_statements(shown, order)?;
    for panel in [Panel::Running, Panel::Noted] {
        section(panel.title())?;
        match panel.len(shown) {
            0 => output::line(panel.nothing())?,
            all => {
                table(&panel.grid(shown, order).first(MOST))?;
                more(all)?;
            }
        }
    }
    print_findings(&shown.report)?;
    if shown.span == Span::Part {
        output::line("\n* since the program opened the database: quantiles of a part cannot be told")?;
    }
    Ok(())
}

/// Whose figures these are.
pub(crate) fn headline(shown: &Shown) -> String {
    let Report { process, database, .. } = &shown.report;
    format!("{}, process {process}", Escaped(database))
}

/// All statements together.
pub(crate) fn costs(shown: &Shown) -> String {
    let statements = format!("{} statements/s", rate(shown.rate_of_all()));
    let p99 = match shown.span {
        Span::Run => format!(", p99 ≤ {}", time(shown.p99())),
        Span::Part => String::new(),
    };
    let errors = shown.errors();
    let running = shown.report.running.len();
    format!("{statements}{p99}, {} errors, {running} running now", count(errors))
}

fn print_head(shown: &Shown) -> io::Result<()> {
    let moment = |at: DateTime<Utc>| at.format("%F %T UTC");
    output::line(headline(shown))?;
    let time = uptime(shown.time());
    output::line(format!("{} to {} ({time})", moment(shown.report.since), moment(shown.report.at)))?;
    output::line(costs(shown))
}

fn print_statements(shown: &Shown, order: Order) -> io::Result<()> {
    let all = shown.report.statements.len();
    section(&format!("Statements by {}", order.as_str()))?;
    if all == 0 {
        output::line(Panel::Statements.nothing())?;
    } else {
        let [costs, texts] = texts(shown, order, MOST);
        table(&costs)?;
        output::line("")?;
        table(&texts)?;
    }
    more(all)?;
    let evicted = shown.report.evicted;
    if evicted.statements > 0 {
        output::line(format!(
            "no longer told apart, as there were more than DB_MONITOR_STATEMENTS: {} statements, {} calls, {} errors, {}",
            evicted.statements,
            count(evicted.calls),
            count(evicted.errors),
            time(evicted.total)
        ))?;
    }
    Ok(())
}

/// How many are left out.
fn more(all: usize) -> io::Result<()> {
    if all > MOST { output::line(format!("and {} more; --json has them all", all - MOST)) } else { Ok(()) }
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
            "{} more were forgotten, as there were too many",
            count(report.forgotten_findings)
        ))?;
    }
    if !report.unused_allowances.is_empty() {
        output::line(format!(
            "DB_N_PLUS_ONE_ALLOW holds what nothing was found for: {}",
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
