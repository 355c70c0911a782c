//! Check `tables`: tables are vacuumed and analyzed.

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::thousands;

pub(super) const NAME: &str = "tables";

/// Dead rows from which it matters, if they are a fifth of all rows.
const MIN_DEAD_ROWS: i64 = 10_000;
/// Rows from which wrong estimates hurt; smaller tables are ignored.
const MIN_ROWS: i64 = 10_000;
/// Maximum number of findings of each kind.
const MAX_FINDINGS: usize = 10;

const SQL: &str = "SELECT relid::regclass::text AS name, n_live_tup AS live, n_dead_tup AS dead, \
       last_analyze IS NULL AND last_autoanalyze IS NULL AS is_unknown, \
       coalesce(to_char(greatest(last_vacuum, last_autovacuum) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), \
       'never') AS vacuumed \
     FROM pg_stat_user_tables WHERE n_live_tup + n_dead_tup >= $1 ORDER BY n_dead_tup DESC, 1";

#[derive(Row)]
struct Table {
    name: String,
    live: i64,
    dead: i64,
    is_unknown: bool,
    vacuumed: String,
}

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let tables = probe.fetch(all::<Table>(SQL, params![MIN_ROWS.min(MIN_DEAD_ROWS)])).await?;
    let bloated_tables = tables.iter().filter(|table| is_bloated(table)).take(MAX_FINDINGS).map(bloated);
    let unknown = tables.iter().filter(|table| is_unknown(table)).take(MAX_FINDINGS).map(never_analyzed);
    Ok(bloated_tables.chain(unknown).collect())
}

fn is_bloated(table: &Table) -> bool {
    table.dead >= MIN_DEAD_ROWS && table.dead * 5 >= table.live + table.dead
}

fn is_unknown(table: &Table) -> bool {
    table.is_unknown && table.live >= MIN_ROWS
}

fn bloated(table: &Table) -> Finding {
    let Table { name, live, dead, vacuumed, .. } = table;
    Finding::warning(
        NAME,
        format!(
            "{name} has {} dead rows and {} live ones; last vacuum: \
            {vacuumed}",
            thousands(*dead),
            thousands(*live)
        ),
        "reads scan them; autovacuum does not keep up, or an old transaction, a slot or a read on a standby \
         holds it back",
    )
    .sql(format!("VACUUM (VERBOSE, ANALYZE) {name}; -- says how many can't be removed yet"))
    .sql(format!("ALTER TABLE {name} SET (autovacuum_vacuum_scale_factor = 0.02);"))
}

fn never_analyzed(table: &Table) -> Finding {
    let Table { name, live, .. } = table;
    Finding::warning(
        NAME,
        format!("{name}, about {} rows, was never analyzed", thousands(*live)),
        "the planner lacks statistics, and may scan the table instead of using an index",
    )
    .sql(format!("ANALYZE {name};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(live: i64, dead: i64) -> Table {
        Table { name: "t".to_owned(), live, dead, is_unknown: true, vacuumed: "never".to_owned() }
    }

    #[test]
    fn ten_thousand_dead_rows_that_are_a_fifth_are_many() {
        for (live, dead, expected) in [
            (0, 9_999, false),
            (0, 10_000, true),
            (40_000, 10_000, true),
            (40_001, 10_000, false),
            (400_000, 100_000, true),
        ] {
            assert_eq!(is_bloated(&table(live, dead)), expected, "{live} live, {dead} dead");
        }
    }

    #[test]
    fn ten_thousand_rows_should_have_been_analyzed() {
        assert!(!is_unknown(&table(9_999, 50_000)));
        assert!(is_unknown(&table(10_000, 0)));
        assert!(!is_unknown(&Table { is_unknown: false, ..table(10_000, 0) }));
    }
}
