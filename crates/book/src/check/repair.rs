//! Writes what the executions say.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use tallybook_core::{
    Database, Dialect, Escaped, Execute, Session, SqlType, Statement, Value, all, execute, now, params,
};
use tallybook_tables::tables;

use super::compare::direction;
use super::{CheckEvent, Discrepancy, DiscrepancyKind as Kind, Figure, check};

/// Statements that would correct a book.
#[derive(Debug)]
pub struct RepairSql {
    changes: Vec<Change>,
    dialect: Dialect,
    /// Number of differences that need a person's decision, so that no statement corrects them.
    pub left: u64,
}

/// What a repair changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BookRepair {
    /// Number of rows updated.
    pub updated: u64,
    /// Number of positions inserted.
    pub inserted: u64,
    /// Number of duplicate positions deleted.
    pub deleted: u64,
    /// Number of duplicate positions that stay because other rows refer to them, and of differences that need a person's
    /// decision.
    pub left: u64,
}

/// Why a book is not repaired. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The differences are not those that the repair was made for.
    #[error("the book has changed since it was checked, so nothing was repaired; check it again")]
    Changed,
    /// The database reports an error.
    #[error(transparent)]
    Database(#[from] tables::Error),
}

impl From<tallybook_core::Error> for RepairError {
    fn from(error: tallybook_core::Error) -> Self {
        Self::Database(error.into())
    }
}

/// One statement, with `$1`, `$2`, … for its values.
#[derive(Debug)]
struct Change {
    verb: Verb,
    sql: String,
    values: Vec<Value>,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Update,
    Insert,
    Delete,
}

/// Locks all portfolios, so that nobody records meanwhile. On SQLite the writing transaction is the only one.
const LOCK: Statement = Statement::per_dialect(
    "SELECT id FROM portfolios ORDER BY id FOR NO KEY UPDATE",
    "SELECT id FROM portfolios WHERE false",
);

/// The columns of other tables that refer to positions.
const REFERENCES: Statement = Statement::per_dialect(
    "SELECT c.conrelid::regclass::text, quote_ident(a.attname) FROM pg_constraint c \
     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
     WHERE c.contype = 'f' AND c.confrelid = 'positions'::regclass ORDER BY 1, 2",
    "SELECT '\"' || replace(m.name, '\"', '\"\"') || '\"', '\"' || replace(f.\"from\", '\"', '\"\"') || '\"' \
     FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
     WHERE m.type = 'table' AND lower(f.\"table\") = 'positions' ORDER BY 1, 2",
);

/// Number of statements in one round trip.
const BATCH: usize = 500;

impl RepairSql {
    /// Returns the statements that set what the executions say. Each update and deletion changes its row only while it holds the
    /// figure that was found. Positions of one symbol are merged into the oldest one; the others are deleted unless other
    /// rows refer to them. One statement, which reads the catalog.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn for_book(db: &Database, discrepancies: &[Discrepancy]) -> tables::Result<Self> {
        Self::read(&mut db.read().await?, discrepancies).await
    }

    async fn read(session: &mut impl Session, discrepancies: &[Discrepancy]) -> tables::Result<Self> {
        let references = session.fetch(all::<(String, String)>(&REFERENCES, params![])).await?;
        Ok(Self::new(session.dialect(), discrepancies, &references))
    }

    fn new(dialect: Dialect, discrepancies: &[Discrepancy], references: &[(String, String)]) -> Self {
        let left = discrepancies.iter().filter(|found| !found.kind.is_repairable()).count() as u64;
        let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for found in discrepancies.iter().filter(|found| found.kind.is_repairable()) {
            let missing = found.id.is_none().then(|| (found.portfolio, found.symbol.clone()));
            rows.entry((found.table, found.id, missing)).or_default().push(found);
        }
        let changes = rows.into_values().map(|found| Change::of(dialect, &found, references)).collect();
        Self { changes, dialect, left }
    }

    /// Returns whether there is nothing to repair.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the number of statements that change a row.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns a script that changes the book in one transaction, while nobody records.
    pub fn script(&self) -> String {
        let (begin, lock) = match self.dialect {
            Dialect::Postgres => ("BEGIN;", format!("{};\n", LOCK.sql(self.dialect))),
            Dialect::Sqlite => ("BEGIN IMMEDIATE;", String::new()),
        };
        let mut script = format!("{begin}\n{lock}");
        for change in &self.changes {
            let kinds = change.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            // Writing to a string does not fail.
            let _ = writeln!(script, "-- {kinds}\n{};", change.literal());
        }
        script + "COMMIT;"
    }
}

/// Corrects a book in one transaction: locks all portfolios, checks the book again, and changes it only if the differences are
/// those given. Differences that need a person's decision stay, see [`is_repairable`](Kind::is_repairable).
///
/// Nobody can record while it runs, which takes as long as [`check_book`](crate::check_book). The market price and the unrealized
/// profit of positions stay as they are.
///
/// # Errors
/// [`RepairError::Changed`] if the differences are others now, and what the database reports. Nothing is changed then.
pub async fn repair_book(
    db: &Database,
    discrepancies: &[Discrepancy],
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<BookRepair, RepairError> {
    let repaired = db.write(async |session| -> Result<_, RepairError> {
        session.run(all::<(i64,)>(LOCK, params![])).await?;
        let mut now = Vec::new();
        let mut observe = |event| match event {
            CheckEvent::Found(found) => now.push(found),
            CheckEvent::Progress { done, total } => progress(done, total),
        };
        check(session, &mut observe).await?;
        if now != discrepancies {
            return Err(RepairError::Changed);
        }
        let repair = RepairSql::read(session, discrepancies).await?;
        let mut done = BookRepair { left: repair.left, ..BookRepair::default() };
        for changes in repair.changes.chunks(BATCH) {
            let statements = changes.iter().map(Change::execute).collect::<Vec<_>>();
            for (change, rows) in changes.iter().zip(session.run(statements).await?) {
                match (change.verb, rows) {
                    (Verb::Update, 1) => done.updated += 1,
                    (Verb::Insert, 1) => done.inserted += 1,
                    (Verb::Delete, 1) => done.deleted += 1,
                    (Verb::Delete, 0) => done.left += 1,
                    _ => return Err(RepairError::Changed),
                }
            }
        }
        Ok(done)
    });
    Ok(repaired.await?.into_value())
}

impl Change {
    /// Returns the statement for the differences of one row.
    fn of(dialect: Dialect, found: &[&Discrepancy], references: &[(String, String)]) -> Self {
        let kinds = {
            let mut kinds: Vec<_> = found.iter().map(|found| found.kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds
        };
        let mut sql = Parameters { dialect, values: Vec::new() };
        let (verb, text) = match (found[0].id, found) {
            (None, found) => (Verb::Insert, sql.insert(found)),
            (Some(id), [row]) if row.kind == Kind::DuplicatePosition && row.expected == Figure::None => {
                (Verb::Delete, sql.delete(id, row, references))
            }
            (Some(id), found) => (Verb::Update, sql.update(id, found)),
        };
        Self { verb, sql: text, values: sql.values, kinds }
    }

    fn execute(&self) -> Execute {
        execute(self.sql.clone(), Ok::<_, tallybook_core::Error>(self.values.clone()))
    }

    /// Returns the statement with its values as literals.
    fn literal(&self) -> String {
        let mut sql = String::new();
        let mut parts = self.sql.split('$');
        sql += parts.next().unwrap_or_default();
        for part in parts {
            let end = part.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(part.len());
            let value = part[..end].parse::<usize>().ok().and_then(|number| self.values.get(number - 1));
            sql += &value.map_or_else(String::new, literal);
            sql += &part[end..];
        }
        sql
    }
}

/// The values of a statement that is being written.
struct Parameters {
    dialect: Dialect,
    values: Vec<Value>,
}

impl Parameters {
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn update(&mut self, id: i64, found: &[&Discrepancy]) -> String {
        let Discrepancy { table, .. } = found[0];
        let mut set: Vec<_> = found
            .iter()
            .map(|found| format!("{} = {}", found.column, self.bind(value(&found.expected, found.column))))
            .collect();
        if matches!(*table, "portfolios" | "positions" | "trades") {
            set.push(format!("updated_at = {}", self.bind(Value::Timestamp(now()))));
        }
        let mut conditions = vec![format!("id = {}", self.bind(Value::Int(id)))];
        conditions.extend(found.iter().map(|found| self.guard(found)));
        format!("UPDATE {table} SET {} WHERE {}", set.join(", "), conditions.join(" AND "))
    }

    fn delete(&mut self, id: i64, row: &Discrepancy, references: &[(String, String)]) -> String {
        let mut sql =
            format!("DELETE FROM positions WHERE id = {} AND {}", self.bind(Value::Int(id)), self.guard(row));
        for (table, column) in references {
            let _ = write!(sql, " AND NOT EXISTS (SELECT 1 FROM {table} r WHERE r.{column} = positions.id)");
        }
        sql
    }

    fn insert(&mut self, found: &[&Discrepancy]) -> String {
        let figure = |column| {
            let found = found.iter().find(|found| found.column == column).map(|found| &found.expected);
            match found {
                Some(Figure::Decimal(figure)) => *figure,
                _ => rust_decimal::Decimal::ZERO,
            }
        };
        let (quantity, average) = (figure("quantity"), figure("average_cost"));
        let direction = direction(quantity).unwrap_or(crate::PositionType::Long);
        let portfolio = found[0].portfolio.map_or(0, tables::Id::get);
        let symbol = found[0].symbol.clone().unwrap_or_default();
        let number = |figure| (value(&Figure::Decimal(figure), ""), "double precision");
        let values = [
            ("portfolio_id", (Value::Int(portfolio), "bigint")),
            ("symbol", (Value::Text(symbol.clone()), "text")),
            ("quantity", number(quantity)),
            ("average_cost", number(average)),
            ("current_price", number(average)),
            ("unrealized_pnl", number(rust_decimal::Decimal::ZERO)),
            ("realized_pnl", number(figure("realized_pnl"))),
            ("position_type", (Value::Text(direction.as_str().to_owned()), "text")),
            ("created_at", (Value::Timestamp(now()), "timestamp")),
            ("updated_at", (Value::Timestamp(now()), "timestamp")),
        ];
        let columns = values.each_ref().map(|(column, _)| *column).join(", ");
        let values = values.map(|(_, (value, kind))| self.typed(value, kind)).join(", ");
        let key = (self.typed(Value::Int(portfolio), "bigint"), self.typed(Value::Text(symbol), "text"));
        format!(
            "INSERT INTO positions ({columns}) SELECT {values} \
             WHERE NOT EXISTS (SELECT 1 FROM positions WHERE portfolio_id = {} AND symbol = {})",
            key.0, key.1
        )
    }

    /// Binds a value where PostgreSQL cannot derive its type.
    fn typed(&mut self, value: Value, kind: &str) -> String {
        let parameter = self.bind(value);
        match self.dialect {
            Dialect::Postgres => format!("{parameter}::{kind}"),
            Dialect::Sqlite => parameter,
        }
    }

    /// Returns the condition that the row still holds what was found.
    fn guard(&mut self, found: &Discrepancy) -> String {
        let column = found.column;
        match (&found.found, self.dialect) {
            (Figure::None, _) => format!("{column} IS NULL"),
            // Other programs write times in several forms on SQLite.
            (Figure::Time(_), Dialect::Sqlite) => format!("{column} IS NOT NULL"),
            (figure, _) => format!("{column} = {}", self.bind(value(figure, column))),
        }
    }
}

/// Returns a figure as a value for its column. The columns of decimals are doubles, and a double that was read is found only as
/// the same double.
fn value(figure: &Figure, column: &str) -> Value {
    match figure {
        Figure::None if column == "filled_at" => Value::Null(SqlType::Timestamp),
        Figure::None => Value::Null(SqlType::Float),
        Figure::Decimal(decimal) => {
            decimal.to_string().parse().map_or(Value::Null(SqlType::Float), Value::Float)
        }
        Figure::Number(number) => Value::Int(*number),
        Figure::Text(text) => Value::Text(text.clone()),
        Figure::Time(time) => Value::Timestamp(*time),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Float(_) | Value::Int(_) => value.to_string(),
        // A text that a terminal would not show as it is matches no row then.
        value => format!("'{}'", Escaped(&value.to_string()).to_string().replace('\'', "''")),
    }
}
