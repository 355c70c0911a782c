//! `check!`: tables against revisions and databases. Each kind of problem has a test with its exact message.

mod database;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use tallybook::check::{self, Findings};
use tallybook::migrate::{Column, Key, Migrator, Revision, Step, Target, Type};
use tallybook::tables::{Declaration, Id, Table};
use tallybook::{Database, Dialect, SqlType};
use tallybook_testkit::{SqliteFile, both_dialects, run_script};
use uuid::Uuid;

use crate::support::open;

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "desks", new = NewDesk)]
struct Desk {
    id: Id<Desk>,
    #[table(max = 40)]
    name: String,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "notes", order = written_at, new = NewNote, changes = NoteChanges)]
struct Note {
    id: Id<Note>,
    #[table(fixed)]
    desk_id: Id<Desk>,
    #[table(max = 40, unique)]
    author: String,
    text: Option<String>,
    #[table(numeric(20, 8))]
    price: Decimal,
    written_at: DateTime<Utc>,
}

/// A field of each type, and a key that the program generates.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "kinds", new = NewKind, changes = KindChanges)]
struct Kind {
    id: Id<Kind, Uuid>,
    parent: Option<Id<Kind, Uuid>>,
    flag: bool,
    number: i64,
    double: f64,
    decimal: Decimal,
    #[table(numeric)]
    amount: Decimal,
    #[table(numeric(28, 10))]
    price: Option<Decimal>,
    moment: DateTime<Utc>,
    day: NaiveDate,
    clock: NaiveTime,
    code: Uuid,
    document: serde_json::Value,
    raw: Vec<u8>,
}

const KINDS: &[Column] = &[
    Column::new("id", Type::Uuid).unique(),
    Column::new("parent", Type::Uuid).null().references("kinds"),
    Column::new("flag", Type::Boolean),
    Column::new("number", Type::BigInt),
    Column::new("double", Type::Float),
    Column::new("decimal", Type::Float),
    Column::new("amount", Type::Other { postgres: "numeric", sqlite: "TEXT" }),
    Column::new("price", Type::Numeric(28, 10)).null(),
    Column::new("moment", Type::Timestamp),
    Column::new("day", Type::Date),
    Column::new("clock", Type::Time),
    Column::new("code", Type::Uuid),
    Column::new("document", Type::Jsonb),
    Column::new("raw", Type::Bytes),
];

const DESKS: &[Column] = &[Column::new("id", Type::Id), Column::new("name", Type::Varchar(40))];
const ID: Column = Column::new("id", Type::Id);
const DESK_ID: Column = Column::new("desk_id", Type::Integer).key("fk_notes_desk_id", "desks");
const AUTHOR: Column = Column::new("author", Type::Varchar(40));
const TEXT: Column = Column::new("text", Type::Text).null();
const PRICE: Column = Column::new("price", Type::Numeric(20, 8));
const WRITTEN_AT: Column = Column::new("written_at", Type::Timestamp);
const NOTES: &[Column] = &[ID, DESK_ID, AUTHOR, TEXT, PRICE, WRITTEN_AT];
const INDEXES: [Step; 3] = [
    Step::index("ix_notes_desk_id", "notes", &["desk_id"]),
    Step::index("ix_notes_written_at", "notes", &["written_at"]),
    Step::unique_index("uq_notes_author", "notes", &["author"]),
];
const REVISION: Revision = Revision::new(
    "0001",
    "notes",
    &[Step::table("desks", DESKS), Step::table("notes", NOTES), INDEXES[0], INDEXES[1], INDEXES[2]],
);
const REVISIONS: &[Revision] = &[REVISION];

/// Returns a static copy, as declarations are.
fn fixed<T: Clone>(values: &[T]) -> &'static [T] {
    Box::leak(values.to_vec().into_boxed_slice())
}

/// Returns the revisions with these columns of `notes`, and these steps after them.
fn revisions(columns: &[Column], steps: &[Step]) -> [Revision; 1] {
    let tables = [Step::table("desks", DESKS), Step::table("notes", fixed(columns))];
    [Revision::new("0001", "notes", fixed(&[&tables, steps].concat()))]
}

/// Returns the declaration of `Note` with another column.
fn with(name: &str, change: impl FnOnce(&mut tallybook::Column)) -> Declaration {
    let mut declaration = Declaration::of::<Note>();
    let mut columns = declaration.columns.to_vec();
    change(columns.iter_mut().find(|column| column.name == name).unwrap());
    declaration.columns = fixed(&columns);
    declaration
}

/// Returns the columns of `notes` with another one in place of the one of its name.
fn replaced(by: Column) -> Vec<Column> {
    let name = |column: &Column| column.source().split('"').nth(1).map(str::to_owned);
    NOTES.iter().map(|column| if name(column) == name(&by) { by } else { *column }).collect()
}

#[track_caller]
fn assert_found(findings: &Findings, expected: &[&str]) {
    let found: Vec<_> = findings.problems().chain(findings.notes()).map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

/// Compares `Note` with revisions that have another column.
#[track_caller]
fn assert_column(column: Column, expected: &[&str]) {
    assert_found(
        &check::revisions(&revisions(&replaced(column), &INDEXES), &[Declaration::of::<Note>()]),
        expected,
    );
}

/// Compares a changed `Note` with its revisions.
#[track_caller]
fn assert_field(name: &str, change: impl FnOnce(&mut tallybook::Column), expected: &[&str]) {
    assert_found(&check::revisions(REVISIONS, &[with(name, change)]), expected);
}

#[test]
fn tables_that_fit_their_revisions_pass() {
    tallybook::check!(REVISIONS; Desk, Note);
    assert_eq!(check::revisions(REVISIONS, &[Declaration::of::<Note>()]).to_string(), "0 problems, 0 notes");
}

#[test]
#[should_panic(expected = "1 problem, 0 notes\n\nnotes.author: no unique index covers the column alone")]
fn a_problem_fails_the_test_with_its_message() {
    tallybook::check!(revisions(NOTES, &INDEXES[..2]); Desk, Note);
}

#[test]
fn a_table_that_is_missing_is_printed_whole() {
    assert_found(
        &check::revisions(&[], &[Declaration::of::<Note>()]),
        &["notes: there is no such table\n    \
         struct:    Note of 6 columns\n    \
         revisions: nothing\n    \
         paste:     Step::table(\"notes\", &[Column::new(\"id\", Type::Id), \
         Column::new(\"desk_id\", Type::Integer).references(\"desks\"), Column::new(\"author\", Type::Varchar(40)), \
         Column::new(\"text\", Type::Text).null(), Column::new(\"price\", Type::Numeric(20, 8)), \
         Column::new(\"written_at\", Type::Timestamp)]),\n    \
         paste:     Step::index(\"ix_notes_desk_id\", \"notes\", &[\"desk_id\"]),\n    \
         paste:     Step::index(\"ix_notes_written_at_id\", \"notes\", &[\"written_at\", \"id\"]),\n    \
         paste:     Step::unique_index(\"uq_notes_author\", \"notes\", &[\"author\"]),"],
    );
}

#[test]
fn a_column_that_is_missing_comes_with_its_step() {
    let without: Vec<_> = NOTES.iter().filter(|column| **column != TEXT).copied().collect();
    let findings = check::revisions(&revisions(&without, &INDEXES), &[Declaration::of::<Note>()]);
    assert_found(
        &findings,
        &["notes.text: there is no such column\n    \
         struct:    a text, null\n    \
         revisions: nothing\n    \
         paste:     Step::column(\"notes\", Column::new(\"text\", Type::Text).null()),"],
    );
}

#[test]
fn a_column_that_is_not_null_gets_a_default_for_the_rows_that_exist() {
    let without: Vec<_> = NOTES.iter().filter(|column| **column != PRICE).copied().collect();
    let findings = check::revisions(&revisions(&without, &INDEXES), &[Declaration::of::<Note>()]);
    assert_found(
        &findings,
        &["notes.price: there is no such column\n    \
         struct:    an exact decimal of 20 digits, 8 after the point, not null\n    \
         revisions: nothing\n    \
         paste:     Step::column(\"notes\", Column::new(\"price\", Type::Numeric(20, 8))\
         .default_per_dialect(\"0\", \"'0'\")),"],
    );
}

#[test]
fn a_relation_that_is_missing_comes_with_its_key_and_its_index() {
    let without: Vec<_> = NOTES.iter().filter(|column| **column != DESK_ID).copied().collect();
    let findings = check::revisions(&revisions(&without, &INDEXES[1..]), &[Declaration::of::<Note>()]);
    assert_found(
        &findings,
        &["notes.desk_id: there is no such column\n    \
         struct:    a whole number, not null\n    \
         revisions: nothing\n    \
         paste:     Step::column(\"notes\", Column::new(\"desk_id\", Type::Integer).key(\"fk_notes_desk_id\", \"desks\")),\n    \
         paste:     Step::validate(\"notes\", \"fk_notes_desk_id\"),\n    \
         paste:     Step::index(\"ix_notes_desk_id\", \"notes\", &[\"desk_id\"]),"],
    );
}

#[test]
fn a_column_that_inserts_must_give_is_a_problem_and_another_a_note() {
    let more =
        [NOTES, &[Column::new("stars", Type::Integer), Column::new("tag", Type::Text).null()]].concat();
    let findings = check::revisions(&revisions(&more, &INDEXES), &[Declaration::of::<Note>()]);
    assert_found(
        &findings,
        &[
            "notes.stars: an insert must give a value for which the struct has no field\n    \
         struct:    nothing\n    \
         revisions: Type::Integer, not null\n    \
         change:    give Note the field `stars`",
            "notes.tag: the struct has no field for the column\n    \
         struct:    nothing\n    \
         revisions: Type::Text, null",
        ],
    );
}

#[test]
fn a_column_that_inserts_omit_needs_a_default() {
    let mut declaration = Declaration::of::<Note>();
    let given: Vec<_> = declaration.new.iter().filter(|column| column.name != "price").copied().collect();
    declaration.new = fixed(&given);
    let with_default = revisions(&replaced(PRICE.default("0")), &INDEXES);
    assert_found(&check::revisions(&with_default, &[declaration]), &[]);
    assert_found(
        &check::revisions(REVISIONS, &[declaration]),
        &["notes.price: an insert omits the column, which is not null and has no default\n    \
         struct:    an exact decimal of 20 digits, 8 after the point, not null\n    \
         revisions: Type::Numeric(20, 8), not null\n    \
         change:    a field without `generated`, or a column with a default"],
    );
}

#[test]
fn a_type_that_does_not_hold_the_field_is_named() {
    assert_column(
        PRICE.of_type(Type::Float),
        &["notes.price: the column does not suit the field on Postgres: rounds to 15 digits or fewer\n    \
         struct:    an exact decimal of 20 digits, 8 after the point, not null\n    \
         revisions: Type::Float, not null\n    \
         paste:     Step::sql(\"notes.price: NUMERIC(20, 8)\", \
         \"ALTER TABLE notes ALTER COLUMN price TYPE NUMERIC(20, 8)\", \
         \"ALTER TABLE notes ALTER COLUMN price TYPE FLOAT\")\
         .on_sqlite(\"…: rebuild the table\", \"…: rebuild the table\")\
         .alters(\"notes\", Column::new(\"price\", Type::Numeric(20, 8))),"],
    );
    assert_column(
        WRITTEN_AT.of_type(Type::Date),
        &["notes.written_at: the column does not suit the field on Postgres\n    \
         struct:    a timestamp, not null\n    \
         revisions: Type::Date, not null\n    \
         paste:     Step::sql(\"notes.written_at: TIMESTAMP\", \
         \"ALTER TABLE notes ALTER COLUMN written_at TYPE TIMESTAMP\", \
         \"ALTER TABLE notes ALTER COLUMN written_at TYPE DATE\")\
         .on_sqlite(\"…: rebuild the table\", \"…: rebuild the table\")\
         .alters(\"notes\", Column::new(\"written_at\", Type::Timestamp)),"],
    );
}

#[test]
fn a_text_that_is_cut_short_is_a_problem_and_one_with_room_a_note() {
    assert_field(
        "author",
        |column| column.max = Some(50),
        &["notes.author: the column does not suit the field on Postgres: too short\n    \
         struct:    a text of at most 50 characters, not null\n    \
         revisions: Type::Varchar(40), not null\n    \
         paste:     Step::sql(\"notes.author: VARCHAR(50)\", \
         \"ALTER TABLE notes ALTER COLUMN author TYPE VARCHAR(50)\", \
         \"ALTER TABLE notes ALTER COLUMN author TYPE VARCHAR(40)\")\
         .on_sqlite(\"SELECT 1\", \"SELECT 1\")\
         .alters(\"notes\", Column::new(\"author\", Type::Varchar(50))),\n    \
         or change: #[table(max = 40)]"],
    );
    assert_field(
        "author",
        |column| column.max = Some(30),
        &["notes.author: the column takes longer texts than the field\n    \
         struct:    a text of at most 30 characters, not null\n    \
         revisions: Type::Varchar(40), not null\n    \
         change:    #[table(max = 40)]"],
    );
}

#[test]
fn a_text_without_a_limit_does_not_fit_a_column_with_one() {
    let findings = check::revisions(REVISIONS, &[with("author", |column| column.max = None)]);
    let problem = findings.problems().next().unwrap();
    let reason = "the column does not suit the field on Postgres: the program writes texts of any length";
    assert_eq!((problem.problem.as_str(), problem.field.as_deref()), (reason, Some("#[table(max = 40)]")));
}

#[test]
fn a_decimal_of_any_precision_does_not_fit_a_column_that_rounds() {
    let findings = check::revisions(REVISIONS, &[with("price", |column| column.precision = None)]);
    let problem = findings.problems().next().unwrap();
    let reason = "the column does not suit the field on Postgres: rounds digits that the field may have";
    assert_eq!(
        (problem.problem.as_str(), problem.field.as_deref()),
        (reason, Some("#[table(numeric(20, 8))]"))
    );
}

#[test]
fn a_text_in_a_column_of_an_enum_type_must_say_so() {
    let column = AUTHOR.of_type(Type::Other { postgres: "author", sqlite: "TEXT" });
    let revisions = revisions(&replaced(column), &INDEXES);
    let marked = with("author", |column| (column.sql_type, column.max) = (SqlType::Enum, None));
    assert_found(&check::revisions(&revisions, &[marked]), &[]);
    let findings = check::revisions(&revisions, &[Declaration::of::<Note>()]);
    assert_eq!(findings.problems().next().unwrap().problem, "the column does not suit the field on Postgres");
}

#[test]
fn a_field_that_may_be_none_needs_a_column_that_may_be_null() {
    assert_field(
        "author",
        |column| column.nullable = true,
        &["notes.author: the field may be None, and the column is not null\n    \
         struct:    a text of at most 40 characters, null\n    \
         revisions: Type::Varchar(40), not null\n    \
         paste:     Step::sql(\"notes.author: null\", \
         \"ALTER TABLE notes ALTER COLUMN author DROP NOT NULL\", \
         \"ALTER TABLE notes ALTER COLUMN author SET NOT NULL\")\
         .on_sqlite(\"…: rebuild the table\", \"…: rebuild the table\")\
         .alters(\"notes\", Column::new(\"author\", Type::Varchar(40)).null()),\n    \
         or change: a field that is no `Option`"],
    );
}

#[test]
fn a_column_that_may_be_null_needs_an_option() {
    assert_field(
        "text",
        |column| column.nullable = false,
        &["notes.text: the column may be null, and the field is no `Option`\n    \
         struct:    a text, not null\n    \
         revisions: Type::Text, null\n    \
         paste:     Step::sql(\"notes.text: not null\", \
         \"ALTER TABLE notes ALTER COLUMN text SET NOT NULL\", \
         \"ALTER TABLE notes ALTER COLUMN text DROP NOT NULL\")\
         .on_sqlite(\"…: rebuild the table\", \"…: rebuild the table\")\
         .alters(\"notes\", Column::new(\"text\", Type::Text)),\n    \
         or change: a field that is an `Option`"],
    );
}

#[test]
fn a_relation_needs_a_foreign_key() {
    assert_column(
        Column::new("desk_id", Type::Integer),
        &["notes.desk_id: the column has no foreign key\n    \
         struct:    refers to desks\n    \
         revisions: no table\n    \
         paste:     Step::key(\"notes\", \"desk_id\", Key::new(\"fk_notes_desk_id\", \"desks\")),\n    \
         paste:     Step::validate(\"notes\", \"fk_notes_desk_id\"),"],
    );
}

#[test]
fn a_foreign_key_needs_the_type_of_a_relation() {
    assert_field(
        "desk_id",
        |column| column.references = None,
        &["notes.desk_id: the type of the field does not tell the foreign key\n    \
         struct:    no table\n    \
         revisions: refers to desks\n    \
         change:    a field of the type `Id<…>` of the struct of `desks`"],
    );
    assert_field(
        "desk_id",
        |column| column.references = Some("notes"),
        &["notes.desk_id: the foreign key refers to another table than the field\n    \
         struct:    refers to notes\n    \
         revisions: refers to desks\n    \
         change:    a field of the type `Id<…>` of the struct of `desks`"],
    );
}

#[test]
fn a_relation_needs_an_index() {
    let findings = check::revisions(&revisions(NOTES, &INDEXES[1..]), &[Declaration::of::<Note>()]);
    assert_found(
        &findings,
        &["notes.desk_id: no index begins with the column of the relation\n    \
         struct:    a relation\n    \
         revisions: indexes unique (id), (written_at), unique (author)\n    \
         paste:     Step::index(\"ix_notes_desk_id\", \"notes\", &[\"desk_id\"]),"],
    );
}

#[test]
fn the_order_of_lists_needs_an_index_of_all_rows_or_of_those_of_a_parent() {
    let by_desk = Step::index("ix_notes_desk", "notes", &["desk_id", "written_at DESC"]);
    let findings = check::revisions(&revisions(NOTES, &[by_desk, INDEXES[2]]), &[Declaration::of::<Note>()]);
    assert_found(&findings, &[]);
    let open = Step::index("ix_notes_open", "notes", &["written_at"]).filter("text IS NULL");
    let steps = [INDEXES[0], INDEXES[2], open];
    assert_found(
        &check::revisions(&revisions(NOTES, &steps), &[Declaration::of::<Note>()]),
        &["notes.written_at: no index has the order of the lists\n    \
         struct:    the order of lists\n    \
         revisions: indexes unique (id), (desk_id), unique (author)\n    \
         paste:     Step::index(\"ix_notes_written_at_id\", \"notes\", &[\"written_at\", \"id\"]),"],
    );
}

#[test]
fn unique_values_need_a_unique_index_of_the_column_alone() {
    let both = Step::unique_index("uq_notes", "notes", &["author", "desk_id"]);
    let findings =
        check::revisions(&revisions(NOTES, &[INDEXES[0], INDEXES[1], both]), &[Declaration::of::<Note>()]);
    assert_found(
        &findings,
        &["notes.author: no unique index covers the column alone\n    \
         struct:    unique values\n    \
         revisions: indexes unique (id), (desk_id), (written_at), unique (author, desk_id)\n    \
         paste:     Step::unique_index(\"uq_notes_author\", \"notes\", &[\"author\"]),"],
    );
    assert_column(AUTHOR.unique(), &[]);
}

#[test]
fn a_key_is_generated_and_unique() {
    assert_column(
        Column::new("id", Type::BigInt),
        &[
            "notes.id: the program does not give the key, and the database does not generate it\n    \
         struct:    a whole number, not null\n    \
         revisions: Type::BigInt, not null\n    \
         change:    an `Id` with a key that the program generates: `Id<T, Uuid>`",
            "notes.id: the values of the key are not unique\n    \
         struct:    a whole number, not null\n    \
         revisions: Type::BigInt, not null\n    \
         paste:     Step::unique_index(\"uq_notes_id\", \"notes\", &[\"id\"]),",
        ],
    );
}

#[test]
fn a_table_that_sql_may_have_created_is_not_called_missing() {
    let sql = Step::sql("notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY)", "DROP TABLE notes");
    let revisions = [Revision::new("0001", "notes", fixed(&[sql]))];
    assert_found(
        &check::revisions(&revisions, &[Declaration::of::<Note>()]),
        &["notes: SQL steps may have created it; only a check of a database can tell\n    \
         struct:    Note\n    \
         revisions: unknown"],
    );
}
