//! The derive of `tallybook_engine::Row`; use it from there.

mod row;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `tallybook_engine::Row` for a struct with named fields: a column per field, in their order.
///
/// A column has the name of its field unless `#[row(name = "…")]` says otherwise. `#[row(max = 20)]` limits the
/// characters of a text.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    row::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
