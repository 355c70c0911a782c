//! `tallybook check book`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tallybook::Database;
use tallybook::OpenMode;
use tallybook::book::{
    BookCheck, BookRepair, CheckEvent, Discrepancy, DiscrepancyKind, RepairSql, check_book, repair_book,
};

use crate::args::CheckBook;
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::{output, progress};

/// Number of differences shown without `--all`.
const SHOWN: usize = 50;
/// The exit code if there are differences.
const DIFFERS: u8 = 3;

/// What the check found, as far as it is shown.
#[derive(Default)]
struct Findings {
    shown: Vec<Discrepancy>,
    kinds: BTreeMap<DiscrepancyKind, u64>,
}

pub(super) async fn run(target: Endpoint, args: &CheckBook, as_json: bool) -> Result<ExitCode> {
    let deadline = Deadline::new(args.limits.within, as_json);
    let mode = if args.apply { OpenMode::Existing } else { OpenMode::ReadOnly };
    let db = target.open_book_to_scan(mode, &deadline).await?;
    let limit = if args.all || args.repair { usize::MAX } else { SHOWN };
    let bar = progress::items("checking", 0);
    let (check, findings) = deadline.run(&db, find(&db, limit, &bar)).await?;
    bar.finish_and_clear();
    let left = match (args.repair, args.apply) {
        (false, _) => {
            report(&check, &findings, as_json)?;
            check.discrepancies
        }
        (true, false) => {
            let sql =
                deadline.run(&db, async { Ok(RepairSql::for_book(&db, &findings.shown).await?) }).await?;
            print_script(&check, &sql, as_json)?;
            check.discrepancies
        }
        (true, true) => apply(&db, args, &deadline, &check, &findings, as_json).await?,
    };
    db.close().await;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

/// Checks the book, and keeps the first differences.
async fn find(db: &Database, limit: usize, bar: &ProgressBar) -> Result<(BookCheck, Findings)> {
    let mut findings = Findings::default();
    let check = check_book(db, |event| match event {
        CheckEvent::Progress { done, total } => show(bar, done, total),
        CheckEvent::Found(found) => {
            *findings.kinds.entry(found.kind).or_default() += 1;
            if findings.shown.len() < limit {
                findings.shown.push(found);
            }
        }
        _ => {}
    });
    let check = check.await?;
    Ok((check, findings))
}

fn show(bar: &ProgressBar, done: u64, total: u64) {
    bar.set_length(total);
    bar.set_position(done);
}

/// Corrects the differences, and returns how many stay.
async fn apply(
    db: &Database,
    args: &CheckBook,
    deadline: &Deadline,
    check: &BookCheck,
    findings: &Findings,
    as_json: bool,
) -> Result<u64> {
    let sql = deadline.run(db, async { Ok(RepairSql::for_book(db, &findings.shown).await?) }).await?;
    let mut done = BookRepair::default();
    if sql.is_empty() {
        done.left = sql.left;
    } else {
        if !args.yes {
            confirm(&sql)?;
        }
        let bar = progress::items("checking again", 0);
        let repaired = async {
            repair_book(db, &findings.shown, |done, total| show(&bar, done, total)).await.map_err(|error| {
                let next = "next: tallybook check book";
                anyhow::anyhow!("{error}\n{next}")
            })
        };
        done = deadline.run(db, repaired).await?;
        bar.finish_and_clear();
    }
    if as_json {
        output::json(&json!({ "checked": checked(check), "repaired": done }))?;
        return Ok(done.left);
    }
    output::line(summary(check))?;
    if check.is_balanced() {
        output::line("the book balances; there is nothing to repair")?;
        return Ok(0);
    }
    let BookRepair { updated, inserted, deleted, left, .. } = done;
    let count = output::thousands;
    output::line(format!(
        "repaired: {} rows updated, {} positions inserted, {} deleted",
        count(updated),
        count(inserted),
        count(deleted)
    ))?;
    if left > 0 {
        output::line(format!(
            "{} differences stay, because the executions do not say what is right\nnext: tallybook check book",
            count(left)
        ))?;
    }
    Ok(left)
}

/// Asks whether to change the book.
fn confirm(sql: &RepairSql) -> Result<()> {
    let rows = output::thousands(sql.len() as u64);
    output::stderr_line(format!(
        "{rows} rows are changed in one transaction, during which nobody can record; `tallybook check book --repair` shows the \
         statements"
    ));
    let _ = write!(io::stderr(), "Change them? Type yes: ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!(
            "nothing was changed\nnext: tallybook check book --repair --apply, and answer yes; or add --yes"
        );
    }
    Ok(())
}

fn report(check: &BookCheck, findings: &Findings, as_json: bool) -> Result<()> {
    let hidden = check.discrepancies - findings.shown.len() as u64;
    if as_json {
        let kinds: BTreeMap<_, _> = findings.kinds.iter().map(|(kind, count)| (kind.name(), count)).collect();
        return Ok(output::json(&json!({
            "balanced": check.is_balanced(),
            "checked": checked(check),
            "differences": check.discrepancies,
            "kinds": kinds,
            "shown": findings.shown,
        }))?);
    }
    output::line(summary(check))?;
    if check.is_balanced() {
        return Ok(output::line("the book balances: every figure is what its executions say")?);
    }
    let rows = findings.shown.iter().map(|found| {
        let portfolio = found.portfolio.map_or_else(String::new, |portfolio| portfolio.to_string());
        vec![
            found.kind.name().to_owned(),
            found.table.to_owned(),
            found.id.map_or_else(|| "missing".to_owned(), |id| id.to_string()),
            portfolio,
            found.symbol.clone().unwrap_or_default(),
            found.column.to_owned(),
            found.found.to_string(),
            found.expected.to_string(),
        ]
    });
    let header = ["difference", "table", "row", "portfolio", "symbol", "column", "found", "expected"];
    output::line("")?;
    output::table(&header, rows.collect(), &[2, 3, 6, 7])?;
    if hidden > 0 {
        output::line(format!("… and {} more; --all shows them", output::thousands(hidden)))?;
    }
    let kinds = findings.kinds.iter().map(|(kind, count)| {
        vec![output::thousands(*count), kind.name().to_owned(), kind.explanation().to_owned()]
    });
    output::line("")?;
    output::table(&["number", "difference", "meaning"], kinds.collect(), &[0])?;
    output::line("")?;
    let is_repairable = findings.kinds.keys().any(|kind| kind.is_repairable());
    Ok(output::line(if is_repairable {
        "next: tallybook check book --repair              prints the SQL that sets what the executions say; changes nothing"
    } else {
        "next: correct these rows by hand; the executions do not say what is right"
    })?)
}

fn print_script(check: &BookCheck, sql: &RepairSql, as_json: bool) -> Result<()> {
    let script = if sql.is_empty() { String::new() } else { sql.script() };
    if as_json {
        return Ok(output::json(&json!({
            "checked": checked(check),
            "statements": sql.len(),
            "left": sql.left,
            "sql": script,
        }))?);
    }
    output::stderr_line(summary(check));
    if check.is_balanced() {
        return Ok(output::line("-- the book balances; there is nothing to repair")?);
    }
    let count = |number| output::thousands(number);
    output::line(format!(
        "-- {} statements; {} differences stay, because the executions do not say what is right. Nothing was changed.",
        count(sql.len() as u64),
        count(sql.left)
    ))?;
    output::line(script)?;
    output::stderr_line("next: tallybook check book --repair --apply");
    Ok(())
}

fn checked(check: &BookCheck) -> Value {
    json!({
        "portfolios": check.portfolios,
        "positions": check.positions,
        "trades": check.trades,
        "executions": check.executions,
        "trading_sessions": check.trading_sessions,
    })
}

fn summary(check: &BookCheck) -> String {
    let count = output::thousands;
    format!(
        "checked {} portfolios, {} positions, {} trading sessions, {} trades, {} executions",
        count(check.portfolios),
        count(check.positions),
        count(check.trading_sessions),
        count(check.trades),
        count(check.executions)
    )
}
