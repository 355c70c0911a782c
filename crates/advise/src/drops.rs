//! Indexes to drop: those that nobody uses, and those that others make superfluous.

use std::collections::BTreeSet;

use tallybook::{Database, Workload};
use tallybook_doctor::Doctor;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::advice::{DropReason, IndexToDrop, Refusal};
use crate::catalog::{Catalog, Index, Table};
use crate::duration::duration;
use crate::options::Options;
use crate::sql_text::name;
use crate::workload::SeenStatements;

/// The indexes that the statements of a workload use.
pub(crate) struct Plans {
    used: BTreeSet<String>,
    tables: BTreeSet<String>,
    /// Set if there are statements whose plans are unknown, so that nothing is known to be unused by its plans alone.
    has_unknown: bool,
}

impl Plans {
    pub(crate) fn of(statements: &SeenStatements, refusals: &[Refusal], workload: &Workload) -> Self {
        let measured = || statements.seen.iter().filter(|seen| seen.is_measured);
        let is_unplanned =
            statements.seen.iter().any(|seen| !seen.is_measured && !seen.parsed.uses.is_empty());
        Self {
            used: measured().flat_map(|seen| &seen.baseline.indexes).cloned().collect(),
            tables: measured().flat_map(|seen| &seen.parsed.tables).cloned().collect(),
            has_unknown: is_unplanned || !refusals.is_empty() || workload.evicted_statements > 0,
        }
    }
}

/// Returns the indexes to drop.
pub(crate) async fn drops(
    db: &Database,
    catalog: &Catalog,
    plans: &Plans,
    workload: &Workload,
    options: &Options,
) -> Result<Vec<IndexToDrop>> {
    let review = Doctor::review_indexes(db.settings()).await?;
    let dialect = db.dialect();
    let mut drops = Vec::new();
    // Of two equal indexes the planner takes any: what remains of them is used as well.
    let is_used = |name: &str| {
        let mut replaced = review.redundant.iter().filter(|redundant| redundant.other == name);
        plans.used.contains(name) || replaced.any(|redundant| plans.used.contains(&redundant.name))
    };
    let all =
        || catalog.tables.iter().flat_map(|table| table.indexes.iter().map(move |index| (table, index)));
    for (table, index) in all() {
        if options.kept_indexes.contains(&index.name) {
            continue;
        }
        let redundant = review.redundant.iter().find(|redundant| redundant.name == index.name);
        if let Some(redundant) = redundant {
            let reason = if redundant.is_same { DropReason::Duplicate } else { DropReason::Prefix };
            drops.push(to_drop(table, index, reason, Some(redundant.other.clone()), None, dialect));
            continue;
        }
        if index.is_unique || index.is_primary || table.serves_foreign_key(index) || is_used(&index.name) {
            continue;
        }
        let watched = match dialect {
            Dialect::Postgres => {
                review.unread.iter().find(|unread| unread.name == index.name).map(|unread| {
                    let others = match unread.other_nodes {
                        0 => String::new(),
                        count => format!(", nor on {count} other nodes"),
                    };
                    let unreached = match unread.unreached_nodes {
                        0 => String::new(),
                        count => format!("; {count} replicas were not reached and may use it"),
                    };
                    format!("not read on the primary since {}{others}{unreached}", unread.since)
                })
            }
            // SQLite counts no reads of indexes: the plans of all statements must be known.
            Dialect::Sqlite => (!plans.has_unknown && plans.tables.contains(&table.name)).then(|| {
                let statements = workload.statements.len();
                format!(
                    "in no plan of the {statements} statements seen in {}",
                    duration(workload.watched.as_secs_f64())
                )
            }),
        };
        if let Some(watched) = watched {
            drops.push(to_drop(table, index, DropReason::Unused, None, Some(watched), dialect));
        }
    }
    Ok(drops)
}

fn to_drop(
    table: &Table,
    index: &Index,
    reason: DropReason,
    other: Option<String>,
    watched: Option<String>,
    dialect: Dialect,
) -> IndexToDrop {
    let how = if dialect == Dialect::Postgres { "CONCURRENTLY " } else { "" };
    IndexToDrop {
        sql: format!("DROP INDEX {how}{}", name(&index.name)),
        name: index.name.clone(),
        table: table.name.clone(),
        reason,
        other,
        watched,
        recreate: index.sql.clone(),
        keys: index.keys.clone(),
        filter: index.filter.clone(),
    }
}
