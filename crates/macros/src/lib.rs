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

mod max_queries;
mod row;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, parse_macro_input};

use max_queries::Promises;

/// Derives `tallybook::Row` for a struct with named fields: one column for each field, in their order.
///
/// `#[row(name = "…")]` sets the name of a column, by default that of the field. `#[row(max = 20)]` limits the
/// characters of a text.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    row::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
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
