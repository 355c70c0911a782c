//! Compares the declaration of a table with a schema.

use tallybook_migrate::{Column as Declared, Schema, SchemaColumn, SchemaTable};
use tallybook_sql::{Column, Dialect, SqlType};
use tallybook_tables::tables::Declaration;

use super::column_type::{self, column, field, misfits};
use super::finding::{Finding, Severity};
use super::steps;

const NOTHING: &str = "nothing";

/// A table that is compared with its schema.
pub(super) struct Comparison<'a> {
    pub(super) declaration: &'a Declaration,
    pub(super) schema: &'a Schema,
    /// The name of the schema in findings.
    pub(super) side: &'static str,
}

impl Comparison<'_> {
    /// Returns the differences: those of the table, then those of its columns in their order, then those of its indexes.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let Some(table) = self.schema.table(self.declaration.name) else { return vec![self.no_table()] };
        let mut findings = Vec::new();
        for wanted in self.declaration.columns {
            match table.column(wanted.name) {
                Some(there) => findings.extend(self.column(wanted, there, table)),
                None if table.is_partial => findings.push(self.unknown(Some(wanted))),
                None => findings.push(self.no_column(wanted)),
            }
        }
        findings.extend(table.columns.iter().filter_map(|there| self.extra_column(there)));
        if !table.is_partial {
            findings.extend(self.indexes(table));
        }
        findings
    }

    fn finding(&self, column: Option<&str>, problem: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Problem,
            table: self.declaration.name,
            column: column.map(str::to_owned),
            problem: problem.into(),
            declared: String::new(),
            found: String::new(),
            steps: Vec::new(),
            field: None,
            side: self.side,
        }
    }

    fn no_table(&self) -> Finding {
        if self.schema.is_partial {
            return self.unknown(None);
        }
        let columns: Vec<_> =
            self.declaration.columns.iter().map(|wanted| column(wanted, self.schema)).collect();
        let name = self.declaration.name;
        let create = steps::create_table(name, &columns);
        let relations = self.declaration.relations().map(|(column, _)| steps::index(name, &[column.name]));
        let order = self.declaration.order.map(|order| steps::index(name, &[order, "id"]));
        let unique = self.declaration.unique.iter().map(|column| steps::unique_index(name, column));
        Finding {
            declared: format!("{} of {} columns", self.declaration.row, columns.len()),
            found: NOTHING.to_owned(),
            steps: [create].into_iter().chain(relations).chain(order).chain(unique).collect(),
            ..self.finding(None, "there is no such table")
        }
    }

    /// Returns the note that an SQL step may have made what is not found.
    fn unknown(&self, wanted: Option<&Column>) -> Finding {
        let problem = "SQL steps may have created it; only a check of a database can tell";
        Finding {
            severity: Severity::Note,
            declared: wanted.map_or_else(|| self.declaration.row.to_owned(), field),
            found: "unknown".to_owned(),
            ..self.finding(wanted.map(|wanted| wanted.name), problem)
        }
    }

    fn no_column(&self, wanted: &Column) -> Finding {
        Finding {
            declared: field(wanted),
            found: NOTHING.to_owned(),
            steps: steps::add_column(self.declaration.name, wanted, column(wanted, self.schema)),
            ..self.finding(Some(wanted.name), "there is no such column")
        }
    }

    /// Reports a column that the struct lacks. It is a problem only if inserts fail without it.
    fn extra_column(&self, there: &SchemaColumn) -> Option<Finding> {
        let is_in = |columns: &[Column]| columns.iter().any(|column| column.name == there.name);
        if is_in(self.declaration.columns) || is_in(self.declaration.new) {
            return None;
        }
        let must_be_given = !there.is_null && !there.has_default && !self.declaration.new.is_empty();
        let (severity, problem) = match must_be_given {
            true => (Severity::Problem, "an insert must give a value for which the struct has no field"),
            false => (Severity::Note, "the struct has no field for the column"),
        };
        let field =
            must_be_given.then(|| format!("give {} the field `{}`", self.declaration.row, there.name));
        Some(Finding {
            severity,
            declared: NOTHING.to_owned(),
            found: column_type::found(there),
            field,
            ..self.finding(Some(&there.name), problem)
        })
    }

    fn column(&self, wanted: &Column, there: &SchemaColumn, table: &SchemaTable) -> Vec<Finding> {
        let sides = |finding: Finding| Finding {
            declared: field(wanted),
            found: column_type::found(there),
            ..finding
        };
        let mut findings: Vec<_> =
            [self.ty(wanted, there), self.null(wanted, there), self.omitted(wanted, there)]
                .into_iter()
                .flatten()
                .map(sides)
                .collect();
        findings.extend(if wanted.name == "id" {
            self.key(table, wanted, there)
        } else {
            self.reference(wanted, there)
        });
        findings
    }

    fn ty(&self, wanted: &Column, there: &SchemaColumn) -> Option<Finding> {
        let misfits = misfits(wanted, there);
        let Some(misfit) = misfits.first() else { return self.longer(wanted, there) };
        let reason = misfit.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let problem = format!("the column does not suit the field on {:?}{reason}", misfit.dialect);
        let wanted_column = column(wanted, self.schema);
        let on = |dialect| misfits.iter().any(|misfit| misfit.dialect == dialect);
        let to = wanted_column.ty();
        // An enum type has labels that the field does not tell.
        let can_change = wanted.name != "id" && wanted.sql_type != SqlType::Enum && on(Dialect::Postgres);
        let step = can_change
            .then(|| steps::change_type(self.declaration.name, there, wanted.name, to, !on(Dialect::Sqlite)));
        let field = match (wanted.sql_type, wanted.max, there.length()) {
            (SqlType::Text, _, Some(length)) => Some(format!("#[table(max = {length})]")),
            (SqlType::Numeric | SqlType::Decimal, ..) => {
                there.precision().map(|(digits, scale)| format!("#[table(numeric({digits}, {scale}))]"))
            }
            _ => None,
        };
        Some(Finding { steps: step.into_iter().collect(), field, ..self.finding(Some(wanted.name), problem) })
    }

    /// Notes a column that takes longer texts than the field: those that others write are read.
    fn longer(&self, wanted: &Column, there: &SchemaColumn) -> Option<Finding> {
        let max = u32::try_from(wanted.max?).ok()?;
        let is_text = there.types.iter().any(|(_, ty)| ty.eq_ignore_ascii_case("text"));
        let is_longer = there.length().map_or(is_text, |length| length > max);
        is_longer.then(|| Finding {
            severity: Severity::Note,
            field: there.length().map(|length| format!("#[table(max = {length})]")),
            ..self.finding(Some(wanted.name), "the column takes longer texts than the field")
        })
    }

    fn null(&self, wanted: &Column, there: &SchemaColumn) -> Option<Finding> {
        if wanted.nullable == there.is_null || there.is_primary {
            return None;
        }
        let (problem, change) = match wanted.nullable {
            true => ("the field may be None, and the column is not null", "a field that is no `Option`"),
            false => ("the column may be null, and the field is no `Option`", "a field that is an `Option`"),
        };
        let before =
            there.declared.unwrap_or_else(|| Declared::new(wanted.name, column(wanted, self.schema).ty()));
        let after = if wanted.nullable { before.null() } else { before.not_null() };
        let step = steps::change_null(self.declaration.name, there, after, wanted.nullable);
        Some(Finding {
            steps: vec![step],
            field: Some(change.to_owned()),
            ..self.finding(Some(wanted.name), problem)
        })
    }

    /// Reports a column that inserts omit and that has no value then.
    fn omitted(&self, wanted: &Column, there: &SchemaColumn) -> Option<Finding> {
        let new = self.declaration.new;
        let is_given = new.is_empty() || new.iter().any(|column| column.name == wanted.name);
        if is_given || there.is_null || there.has_default {
            return None;
        }
        let (problem, change) = match wanted.name {
            "id" => (
                "the program does not give the key, and the database does not generate it",
                "an `Id` with a key that the program generates: `Id<T, Uuid>`",
            ),
            _ => (
                "an insert omits the column, which is not null and has no default",
                "a field without `generated`, or a column with a default",
            ),
        };
        Some(Finding { field: Some(change.to_owned()), ..self.finding(Some(wanted.name), problem) })
    }

    fn key(&self, table: &SchemaTable, wanted: &Column, there: &SchemaColumn) -> Vec<Finding> {
        if table.is_unique(&["id"]) {
            return Vec::new();
        }
        vec![Finding {
            declared: field(wanted),
            found: column_type::found(there),
            steps: vec![steps::unique_index(self.declaration.name, "id")],
            ..self.finding(Some("id"), "the values of the key are not unique")
        }]
    }

    fn reference(&self, wanted: &Column, there: &SchemaColumn) -> Vec<Finding> {
        let refers = |table: Option<&str>| {
            table.map_or_else(|| "no table".to_owned(), |table| format!("refers to {table}"))
        };
        let finding = |problem: &str, steps, field| {
            vec![Finding {
                declared: refers(wanted.references),
                found: refers(there.references.as_deref()),
                steps,
                field,
                ..self.finding(Some(wanted.name), problem)
            }]
        };
        let struct_of = |table: &str| Some(format!("a field of the type `Id<…>` of the struct of `{table}`"));
        match (wanted.references, there.references.as_deref()) {
            (Some(wanted), Some(there)) if wanted != there => finding(
                "the foreign key refers to another table than the field",
                Vec::new(),
                struct_of(there),
            ),
            (Some(parent), None) => {
                let steps = steps::add_key(self.declaration.name, wanted.name, parent);
                finding("the column has no foreign key", steps, None)
            }
            (None, Some(there)) => {
                finding("the type of the field does not tell the foreign key", Vec::new(), struct_of(there))
            }
            _ => Vec::new(),
        }
    }

    /// Reports relations, orders and unique columns without an index.
    fn indexes(&self, table: &SchemaTable) -> Vec<Finding> {
        let Declaration { name, order, unique, .. } = *self.declaration;
        let relations: Vec<_> = self.declaration.relations().map(|(column, _)| column.name).collect();
        let lacks_index = |column: &str| table.column(column).is_some() && !table.has_index(&[column]);
        let lacks = |column: &str, problem: &str, declared: &str, step: String| Finding {
            declared: declared.to_owned(),
            found: listed(table),
            steps: vec![step],
            ..self.finding(Some(column), problem)
        };
        let of_relations = relations.iter().filter(|column| lacks_index(column));
        let mut findings: Vec<_> = of_relations
            .map(|column| {
                let step = steps::index(name, &[column]);
                lacks(column, "no index begins with the column of the relation", "a relation", step)
            })
            .collect();
        if let Some(order) = order.filter(|order| lacks_index(order))
            && !relations.iter().any(|column| table.has_index(&[column, order]))
        {
            let step = steps::index(name, &[order, "id"]);
            findings.push(lacks(order, "no index has the order of the lists", "the order of lists", step));
        }
        let not_unique =
            unique.iter().filter(|column| table.column(column).is_some() && !table.is_unique(&[column]));
        findings.extend(not_unique.map(|column| {
            let step = steps::unique_index(name, column);
            lacks(column, "no unique index covers the column alone", "unique values", step)
        }));
        findings
    }
}

/// Returns the columns of the indexes of a table.
fn listed(table: &SchemaTable) -> String {
    let indexes = table.indexes.iter().map(|index| {
        let columns: Vec<_> = index.columns.iter().map(|column| column.as_deref().unwrap_or("…")).collect();
        format!("{}({})", if index.is_unique { "unique " } else { "" }, columns.join(", "))
    });
    let indexes: Vec<_> = indexes.collect();
    if indexes.is_empty() { "no index".to_owned() } else { format!("indexes {}", indexes.join(", ")) }
}
