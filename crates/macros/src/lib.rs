//! The macros of Tallybook, which the crate `tallybook` exports:
//!
//! ```
//! use tallybook::Row;
//!
//! #[derive(Row)]
//! struct Trade {
//!     id: i64,
//!     #[row(max = 20)]
//!     symbol: String,
//!     #[row(name = "average_fill_price")]
//!     price: Option<f64>,
//! }
//!
//! assert_eq!(Trade::COLUMN_LIST, "id, symbol, average_fill_price");
//! ```
//!
//! The generated code names the crate `::tallybook`. A crate below the facade that uses a macro declares `extern crate
//! tallybook_sql as tallybook;`.

mod aggregate;
mod changeset;
mod max_queries;
mod nested;
mod row;
mod table;
mod test;
mod text_enum;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, parse_macro_input};

use max_queries::Promises;
use test::Options;

/// Derives `tallybook::Row` for a struct with named fields: one column for each field, in their order.
///
/// `#[row(name = "…")]` sets the name of a column, by default that of the field. `#[row(max = 20)]` limits the
/// characters of a text. `#[row(numeric)]` and `#[row(numeric(20, 8))]` mark a decimal whose column is `numeric`, and
/// `#[row(pg_enum)]` a text whose column has an enum type on PostgreSQL. `#[row(nested)]` marks a field that is itself a row,
/// or an `Option` of one, for joins: its columns follow under their names with the prefix `field_`, or the one in
/// `#[row(nested, prefix = "…")]`.
///
/// A mark on a field of another type does not compile:
///
/// ```compile_fail
/// #[derive(tallybook::Row)]
/// struct Note {
///     #[row(numeric)]
///     stars: i64,
/// }
///
/// const COLUMNS: &[tallybook::Column] = <Note as tallybook::Row>::COLUMNS;
/// # fn main() { let _ = COLUMNS; }
/// ```
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    row::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `tallybook::tables::Table`, and `Row`, for the struct that holds a row of a table.
///
/// On the struct, `#[table(name = "…")]` names the table. `order = field` orders lists by a time, newest first.
/// `new = Type`, `changes = Type` and `repository = Type` name types to write: the struct of a new row, the changeset, and
/// the repository. `noun = "…"` names a row in errors. `serde` derives serde's traits for the new row, which refuses unknown
/// fields, and `Deserialize` for the changeset: an object of the columns to set, where `null` sets NULL. `append_only` leaves
/// `update`, `delete`, `add` and `upsert` out of the repository; `repair` stands in for them.
///
/// On a field, `#[table(…)]` takes the options of `#[row(…)]`, `unique` (no two rows have the same value), and `fixed` (never
/// changed), `touch` (advanced by every update) or `generated` (set by the database). `default` or `default = "function"`
/// fills the field of a new row that JSON leaves out, as serde's option of that name does; the row itself has no default.
///
/// See the module `tallybook::tables` for a guide.
#[proc_macro_derive(Table, attributes(table))]
pub fn derive_table(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    table::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `tallybook::tables::Load` for a struct of a row and its relations.
///
/// `#[root]` marks the row. `#[many]` on a `Vec` loads the rows that belong to it, newest first; `#[many(newest = 30)]` only
/// the newest, `#[many(filter = "…")]` only some, `#[many(by = column)]` by a certain column, and
/// `#[many(through = Table)]` by a table of links. `#[one]` on an `Option` loads the newest, and `#[parent]` the row that
/// the root belongs to. One more `Option` around any of these types leaves the choice to each load.
///
/// See the module `tallybook::tables` for a guide.
#[proc_macro_derive(Aggregate, attributes(root, many, one, parent))]
pub fn derive_aggregate(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    aggregate::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `Encode`, `Decode`, `Display` and `as_str` for an enum that is stored as a text: `#[text = "…"]` on each variant.
///
/// A text that no variant has is refused when it is read. With a variant `Other(Box<str>)` it is kept there instead, so that
/// its row stays readable and is written back unchanged. The enum then implements `From<&str>`, and otherwise `FromStr`.
///
/// The column is a text in both dialects. If it has an enum type on PostgreSQL, write `#[text_enum(pg_enum)]` on the enum;
/// the server then takes the type of its parameters from the statement. `#[text_enum(serde)]` derives serde's traits, with the
/// same text.
///
/// ```
/// use tallybook::{Encode, TextEnum, Value};
///
/// #[derive(Debug, PartialEq, TextEnum)]
/// #[text_enum(pg_enum)]
/// enum UserRole {
///     #[text = "ADMIN"]
///     Admin,
///     #[text = "VIEWER"]
///     Viewer,
/// }
///
/// assert_eq!("VIEWER".parse(), Ok(UserRole::Viewer));
/// assert_eq!(UserRole::Admin.encode(), Ok(Value::Enum("ADMIN".to_owned())));
/// ```
#[proc_macro_derive(TextEnum, attributes(text, text_enum))]
pub fn derive_text_enum(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    text_enum::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Sets a query budget for a test, or for any async function: it panics with the list of its statements if it exceeds
/// it.
///
/// `#[max_queries(3)]` allows three statements. Further limits, separated by commas, are `round_trips = 1`,
/// `no_n_plus_one`, `no_redundant` and `no_leaks`. Put it above `#[tokio::test]`. It wraps the body of the function in
/// `Budget::new()….enforce(…)`.
///
/// The function must be async:
///
/// ```compile_fail
/// #[tallybook_macros::max_queries(1)]
/// fn answer() -> i64 {
///     42
/// }
/// ```
#[proc_macro_attribute]
pub fn max_queries(promises: TokenStream, function: TokenStream) -> TokenStream {
    let promises = parse_macro_input!(promises as Promises);
    let function = parse_macro_input!(function as ItemFn);
    max_queries::expand(&promises, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Runs an async test on a database of its own, with all revisions applied: on SQLite, and on PostgreSQL where
/// `TALLYBOOK_TEST_POSTGRES_URL` names a server.
///
/// `migrations = REVISIONS` names the revisions, by default those of the book; `empty` applies none. A test becomes a module
/// with the tests `sqlite` and `postgres`. See the module `tallybook::test` for a guide.
///
/// The function takes the database:
///
/// ```compile_fail
/// #[tallybook_macros::test]
/// async fn a_trade_is_kept() {}
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as Options);
    let function = parse_macro_input!(function as ItemFn);
    test::expand(&options, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
