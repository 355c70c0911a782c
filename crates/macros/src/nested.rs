//! The columns of a struct with nested rows, which constants put together: a macro does not see the fields of another struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, Type};

/// Returns the columns of a nested row, under their names with a prefix.
pub(crate) fn columns(row: &Type, is_optional: bool, prefix: &str) -> TokenStream {
    let length = prefix.len();
    quote! {{
        const OWN: &[::tallybook::Column] = <#row as ::tallybook::Row>::COLUMNS;
        const NAMES: &[u8] = &::tallybook::__nested::names::<
            { ::tallybook::__nested::name_bytes(#prefix, "", OWN) },
        >(#prefix, "", OWN);
        const COLUMNS: [::tallybook::Column; OWN.len()] =
            ::tallybook::__nested::prefixed(#length, NAMES, OWN, #is_optional);
        &COLUMNS
    }}
}

/// Returns the columns of all parts, each a slice of columns, and the list of their names.
pub(crate) fn joined(ident: &Ident, parts: impl Iterator<Item = TokenStream>) -> (TokenStream, TokenStream) {
    let columns = quote! {{
        const PARTS: &[&[::tallybook::Column]] = &[#(#parts),*];
        const JOINED: [::tallybook::Column; ::tallybook::__nested::count(PARTS)] =
            ::tallybook::__nested::joined(PARTS);
        &JOINED
    }};
    let list = quote! {{
        const COLUMNS: &[::tallybook::Column] = <#ident as ::tallybook::Row>::COLUMNS;
        const NAMES: &[u8] = &::tallybook::__nested::names::<
            { ::tallybook::__nested::name_bytes("", ", ", COLUMNS) },
        >("", ", ", COLUMNS);
        ::tallybook::__nested::text(NAMES)
    }};
    (columns, list)
}
