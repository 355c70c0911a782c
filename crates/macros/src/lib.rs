//! The macros of `tallybook_engine` and `tallybook`; use them from there.

mod max_queries;
mod row;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, Path, parse_macro_input, parse_quote};

use max_queries::Promises;

/// Derives `tallybook_engine::Row` for a struct with named fields: a column per field, in their order.
///
/// A column has the name of its field unless `#[row(name = "…")]` says otherwise. `#[row(max = 20)]` limits the
/// characters of a text.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    implement_row(input, &parse_quote!(::tallybook_engine))
}

/// As `Row`, for crates that know the engine by the name of `tallybook::engine` only.
#[doc(hidden)]
#[proc_macro_derive(RowOfTheBook, attributes(row))]
pub fn derive_row_of_the_book(input: TokenStream) -> TokenStream {
    implement_row(input, &parse_quote!(::tallybook::engine))
}

fn implement_row(input: TokenStream, engine: &Path) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    row::expand(&input, engine).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Fails a test, or any async function, that asks more of the database than it may.
///
/// `#[max_queries(3)]` allows three statements; further promises are `round_trips = 1`, `no_n_plus_one`,
/// `no_redundant` and `no_leaks`. It stands above `#[tokio::test]` and stands for
/// `Budget::new()….enforce(…)` around the body: the function panics with the list of what ran.
///
/// Only an async function asks anything of a database:
///
/// ```compile_fail
/// #[tallybook_macros::max_queries(1)]
/// fn answer() -> i64 {
///     42
/// }
/// ```
#[proc_macro_attribute]
pub fn max_queries(promises: TokenStream, function: TokenStream) -> TokenStream {
    within_budget(promises, function, &parse_quote!(::tallybook_engine))
}

/// As `max_queries`, for crates that know the engine by the name of `tallybook::engine` only.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn max_queries_of_the_book(promises: TokenStream, function: TokenStream) -> TokenStream {
    within_budget(promises, function, &parse_quote!(::tallybook::engine))
}

fn within_budget(promises: TokenStream, function: TokenStream, engine: &Path) -> TokenStream {
    let promises = parse_macro_input!(promises as Promises);
    let function = parse_macro_input!(function as ItemFn);
    max_queries::expand(&promises, function, engine).unwrap_or_else(syn::Error::into_compile_error).into()
}
