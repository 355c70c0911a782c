//! The examination: from a workload to advice.

use std::collections::BTreeSet;
use std::time::Instant;

use tallybook::{Database, Workload};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};

use crate::advice::{
    Advice, AdvisedIndex, ExaminedStatement, Refusal, StaleStatistics, StatementGain, WorkUnit,
};
use crate::candidate::candidates;
use crate::catalog::{Catalog, Table};
use crate::drops::{Plans, drops};
use crate::options::Options;
use crate::scratch::{CopiedTable, Scratch, Times, Work};
use crate::search::{Pick, Search};
use crate::sql_text::name;
use crate::workload::{Seen, SeenStatements};

/// Part of the time limit after which the search ends, so that there is time to measure what it found.
const SEARCH_PART: f64 = 0.8;

/// Returns the indexes that would help the statements of a workload, and those that help none.
///
/// It reads the database and changes nothing in it: indexes are made on a scratch copy, which the database system removes
/// by itself when this future is dropped or the process ends.
///
/// # Errors
/// If the database cannot be read, or no scratch copy can be made of it: on SQLite the database must be a file, on
/// PostgreSQL the user needs `TEMPORARY` on the database.
pub async fn advise(db: &Database, workload: &Workload, options: &Options) -> Result<Advice> {
    let started_at = Instant::now();
    let deadline = started_at + options.time_limit;
    let dialect = db.dialect();
    if workload.dialect != dialect.to_string() {
        let problem = format!("statements of {} cannot be examined on {dialect}", workload.dialect);
        return Err(Error::invalid_value("workload", problem));
    }
    let mut catalog = Catalog::read(&mut db.read_primary().await?, dialect).await?;
    let mut statements = SeenStatements::parse(workload, dialect, &catalog);
    let used: BTreeSet<_> = statements.seen.iter().flat_map(|seen| &seen.parsed.tables).cloned().collect();
    let tables: Vec<_> = catalog.tables.iter().filter(|table| used.contains(&table.name)).cloned().collect();
    let (mut scratch, copied) = Scratch::copy(db, tables, options.max_rows, deadline).await?;
    catalog.correct(&copied);
    let tables: Vec<_> = catalog.tables.iter().filter(|table| used.contains(&table.name)).cloned().collect();
    let mut refusals = std::mem::take(&mut statements.refusals);
    measure_baseline(&mut scratch, &mut statements, dialect, &mut refusals).await;
    let plans = Plans::of(&statements, &refusals, workload);

    let parsed: Vec<_> = statements.seen.iter().map(|seen| (&seen.parsed, seen.source.calls)).collect();
    let found = candidates(&catalog, &parsed);
    for covered in &found.covered {
        let seen = &statements.seen[covered.statement];
        if seen.is_measured && seen.parsed.write.as_ref().is_none_or(|write| write.columns.is_some()) {
            let index = format!("{} {}", covered.candidate.table, covered.candidate.columns());
            refusals.push(seen.refusal(Some(index), format!("{} serves it", covered.by)));
        }
    }
    let mut search = Search {
        scratch: &mut scratch,
        statements: &mut statements,
        catalog: &catalog,
        options,
        deadline: started_at + options.time_limit.mul_f64(SEARCH_PART),
        picks: Vec::new(),
        refusals: Vec::new(),
        unused: Vec::new(),
        is_cut: false,
    };
    search.run(found.open).await?;
    let (picks, is_cut) = (search.picks, search.is_cut);
    refusals.extend(search.refusals);
    let add = describe(&mut scratch, &statements, picks, &catalog, &copied, dialect, &mut refusals).await;
    drop(scratch);

    let drop = drops(db, &catalog, &plans, workload, options).await?;
    let helped: BTreeSet<_> =
        add.iter().flat_map(|index| &index.gains).map(|gain| gain.fingerprint.clone()).collect();
    Ok(Advice {
        at: workload.at,
        database: db.settings().database_url.to_string(),
        dialect: dialect.to_string(),
        watched: workload.watched.as_secs_f64(),
        unit: if dialect == Dialect::Sqlite { WorkUnit::VmSteps } else { WorkUnit::PlanCost },
        notes: notes(workload, &tables, &copied, is_cut),
        stale: stale(&tables, options),
        statements: statements.seen.iter().filter(|seen| seen.is_measured).map(examined).collect(),
        refusals: tidy(refusals, &helped),
        add,
        drop,
    })
}

/// Counts the work of all statements with the indexes that exist.
async fn measure_baseline(
    scratch: &mut Scratch,
    statements: &mut SeenStatements,
    dialect: Dialect,
    refusals: &mut Vec<Refusal>,
) {
    for seen in &mut statements.seen {
        if seen.parsed.uses.is_empty() {
            continue;
        }
        let mut samples = std::mem::take(&mut seen.source.samples);
        for values in samples.drain(..) {
            if !seen.source.samples.contains(&values) {
                seen.source.samples.push(values);
            }
        }
        let has_parameters = seen.parsed.sql.contains('$');
        if seen.source.samples.is_empty() && !has_parameters {
            seen.source.samples.push(Vec::new());
        }
        if seen.source.samples.is_empty() && dialect == Dialect::Sqlite {
            refusals.push(seen.refusal(
                None,
                "no parameters of a call are known, and SQLite counts work only by running".to_owned(),
            ));
            continue;
        }
        match scratch.work(&seen.parsed, &seen.source.samples).await {
            Ok(work) => {
                seen.is_measured = true;
                (seen.baseline, seen.current) = (work.clone(), work);
            }
            // The message of the database may quote values.
            Err(error) => {
                let code = error.code().map(|code| format!(" (error {code})")).unwrap_or_default();
                refusals.push(seen.refusal(None, format!("it could not be run on the scratch copy{code}")));
            }
        }
    }
}

/// Describes the picks with their gains, which are measured with all of them in place. One that does not pay any more is refused.
async fn describe(
    scratch: &mut Scratch,
    statements: &SeenStatements,
    picks: Vec<Pick>,
    catalog: &Catalog,
    copied: &[CopiedTable],
    dialect: Dialect,
    refusals: &mut Vec<Refusal>,
) -> Vec<AdvisedIndex> {
    let names: Vec<_> = picks.iter().map(|pick| pick.name.clone()).collect();
    let mut advised = Vec::new();
    for pick in picks {
        let mut gains = Vec::new();
        for &number in &pick.statements {
            let seen = &statements.seen[number];
            let last = match scratch.work(&seen.parsed, &seen.source.samples).await {
                Ok(work) => work,
                Err(_) => seen.current.clone(),
            };
            if !last.indexes.contains(&pick.name) {
                continue;
            }
            let times = match seen.source.samples.is_empty() {
                true => Times::default(),
                false => scratch.times(&seen.parsed, &seen.source.samples, &names).await.unwrap_or_default(),
            };
            gains.push(gain(seen, &last, times));
        }
        let time_saved = |gain: &StatementGain| gain.calls as f64 * (gain.time_before - gain.time_after);
        gains.sort_by(|a, b| time_saved(b).total_cmp(&time_saved(a)));
        // A later pick took its place in all plans.
        if gains.is_empty() {
            continue;
        }
        let saved: f64 = gains.iter().map(time_saved).sum();
        let cost = pick.writes as f64 * pick.insert.cost();
        let is_timed = gains.iter().any(|gain| gain.time_before > 0.0);
        if is_timed && saved <= cost {
            let index = format!("{} {}", pick.candidate.table, pick.candidate.columns());
            let reason = "measured with the other indexes in place, it saves no time".to_owned();
            refusals.extend(
                pick.statements
                    .iter()
                    .map(|&number| statements.seen[number].refusal(Some(index.clone()), reason.clone())),
            );
            continue;
        }
        let table = catalog.table(&pick.candidate.table);
        let scale = scale(table, copied);
        let how = if dialect == Dialect::Postgres { "CONCURRENTLY " } else { "" };
        advised.push(AdvisedIndex {
            sql: pick.candidate.sql(&pick.name, how),
            name: pick.name,
            table: pick.candidate.table.clone(),
            keys: pick.candidate.keys,
            filter: pick.candidate.filter.map(|filter| filter.sql),
            bytes: (pick.bytes as f64 * scale) as u64,
            saved,
            gains,
            writes: pick.writes,
            insert_without: pick.insert.without.as_secs_f64(),
            insert_with: pick.insert.with.as_secs_f64(),
            cost,
        });
    }
    advised.sort_by(|a, b| (b.saved - b.cost).total_cmp(&(a.saved - a.cost)));
    advised
}

fn gain(seen: &Seen, last: &Work, times: Times) -> StatementGain {
    let pair = |figure: fn(&Work) -> Option<f64>| Some([figure(&seen.baseline)?, figure(last)?]);
    StatementGain {
        fingerprint: seen.source.fingerprint.clone(),
        statement: seen.text.clone(),
        at: seen.source.at.clone(),
        calls: seen.source.calls,
        parameter_sets: seen.source.samples.len(),
        before: seen.baseline.units,
        after: last.units,
        time_before: times.without.as_secs_f64(),
        time_after: times.with.as_secs_f64(),
        full_scan_steps: pair(|work| work.full_scan_steps),
        sorts: pair(|work| work.sorts),
        automatic_index_rows: pair(|work| work.automatic_index_rows),
    }
}

/// Returns how many rows of the table one copied row stands for.
fn scale(table: Option<&Table>, copied: &[CopiedTable]) -> f64 {
    let copied = table.and_then(|table| copied.iter().find(|copied| copied.name == table.name));
    match (table, copied) {
        (Some(table), Some(copied)) if copied.rows > 0 && table.rows > copied.rows => {
            table.rows as f64 / copied.rows as f64
        }
        _ => 1.0,
    }
}

fn examined(seen: &Seen) -> ExaminedStatement {
    ExaminedStatement {
        fingerprint: seen.source.fingerprint.clone(),
        statement: seen.text.clone(),
        calls: seen.source.calls,
        total: seen.source.total.as_secs_f64(),
        work: seen.baseline.units,
    }
}

fn stale(tables: &[Table], options: &Options) -> Vec<StaleStatistics> {
    let large = tables.iter().filter(|table| table.rows >= options.min_rows);
    let finding = |table: &Table| {
        let reason = table.staleness()?;
        Some(StaleStatistics {
            table: table.name.clone(),
            reason,
            sql: format!("ANALYZE {}", name(&table.name)),
        })
    };
    large.filter_map(finding).collect()
}

fn notes(workload: &Workload, tables: &[Table], copied: &[CopiedTable], is_cut: bool) -> Vec<String> {
    let mut notes = Vec::new();
    for (table, copied) in tables.iter().zip(copied) {
        if scale(Some(table), std::slice::from_ref(copied)) > 1.0 {
            notes.push(format!(
                "{}: a sample of {} of about {} rows was examined; times and work are those of the sample",
                table.name, copied.rows, table.rows
            ));
        }
    }
    if is_cut {
        notes.push("the time limit ended the search; there may be more to find".to_owned());
    }
    if workload.evicted_statements > 0 {
        notes.push(format!(
            "{} statements are unknown: the monitor keeps as many as DB_MONITOR_STATEMENTS says",
            workload.evicted_statements
        ));
    }
    notes
}

/// Keeps one refusal of each statement and reason, and none of statements that an advised index helps.
fn tidy(refusals: Vec<Refusal>, helped: &BTreeSet<String>) -> Vec<Refusal> {
    let mut kept: Vec<Refusal> = Vec::new();
    for refusal in refusals {
        let is_known = kept.iter().any(|known| known.fingerprint == refusal.fingerprint);
        if !is_known && !helped.contains(&refusal.fingerprint) {
            kept.push(refusal);
        }
    }
    kept
}
