//! Check `sequences`: no sequence is about to run out. The idea comes from PgHero's "sequence danger".

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::severity::Severity;
use crate::units::thousands;

pub(super) const NAME: &str = "sequences";

/// The limit is that of the sequence or of its column, whichever is lower: columns of older databases have 32
/// bits.
const SQL: &str = "SELECT s.seqrelid::regclass::text AS name, d.refobjid::regclass::text AS of_table, \
       quote_ident(a.attname) AS of_column, format_type(a.atttypid, NULL) AS of_type, \
       pg_sequence_last_value(s.seqrelid) AS last, \
       least(s.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 \
         ELSE 9223372036854775807 END) AS highest \
     FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid AND d.classid = 'pg_class'::regclass \
       AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') \
     JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
     WHERE s.seqincrement > 0 AND NOT s.seqcycle AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE') \
     ORDER BY 1";

#[derive(Row)]
struct Sequence {
    name: String,
    of_table: String,
    of_column: String,
    of_type: String,
    last: Option<i64>,
    highest: i64,
}

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    Ok(probe.fetch(all::<Sequence>(SQL, params![])).await?.iter().filter_map(evaluate).collect())
}

fn evaluate(sequence: &Sequence) -> Option<Finding> {
    let Sequence { name, of_table, of_column, of_type, last, highest } = sequence;
    let last = (*last)?;
    let percent = (last as f64 / *highest as f64 * 100.0) as i64;
    let severity = match percent {
        ..70 => return None,
        70..90 => Severity::Warning,
        _ => Severity::Critical,
    };
    let left = thousands(highest - last);
    let finding = Finding::new(
        severity,
        NAME,
        format!(
            "{of_table}.{of_column} ({of_type}) has used {percent} % of its numbers ({name}); {left} are left"
        ),
        "when none are left, every insert fails",
    );
    Some(if of_type == "bigint" {
        finding.sql(format!("ALTER SEQUENCE {name} NO MAXVALUE;"))
    } else {
        finding
            .sql(format!("ALTER SEQUENCE {name} AS bigint;"))
            .sql(format!(
                "ALTER TABLE {of_table} ALTER COLUMN {of_column} TYPE bigint; -- rewrites the \
                table and blocks reads and writes meanwhile"
            ))
            .advise(
                "columns that refer to it need the same; on a large table add a bigint column, fill it \
                in parts, and swap",
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_32_bit_column_is_reported_before_it_is_full() {
        let at = |last| {
            evaluate(&Sequence {
                name: "s".to_owned(),
                of_table: "t".to_owned(),
                of_column: "id".to_owned(),
                of_type: "integer".to_owned(),
                last,
                highest: 2_147_483_647,
            })
            .map(|finding| finding.severity)
        };
        assert_eq!(at(None), None);
        for (last, expected) in [
            (1_503_238_552, None),
            (1_503_238_553, Some(Severity::Warning)),
            (1_932_735_282, Some(Severity::Warning)),
            (1_932_735_283, Some(Severity::Critical)),
        ] {
            assert_eq!(at(Some(last)), expected, "{last}");
        }
    }
}
