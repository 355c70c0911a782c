//! Expansion of `#[derive(Row)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, LitInt, LitStr, Result, Type};

/// A field and its column.
struct ColumnField<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    name: String,
    max: Option<usize>,
}

/// Returns the implementation of `Row`.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    let list = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");

    let ident = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let descriptions = columns.iter().map(|column| describe(column));
    let decodes = columns.iter().enumerate().map(|(index, column)| {
        let field = column.ident;
        quote!(#field: row.get(Self::COLUMNS, #index)?)
    });
    let encodes = columns.iter().enumerate().map(|(index, column)| {
        let ColumnField { ident, name, .. } = column;
        quote! {
            Self::COLUMNS[#index].check(
                ::tallybook::Encode::encode(&self.#ident)
                    .map_err(|problem| ::tallybook::Error::invalid_value(#name, problem))?,
            )?
        }
    });

    Ok(quote! {
        impl #impl_generics ::tallybook::Row for #ident #type_generics #where_clause {
            const COLUMNS: &'static [::tallybook::Column] = &[#(#descriptions),*];
            const COLUMN_LIST: &'static str = #list;

            fn decode(row: ::tallybook::RowRef<'_>) -> ::tallybook::Result<Self> {
                Ok(Self { #(#decodes),* })
            }

            fn encode(&self) -> ::tallybook::Result<Vec<::tallybook::Value>> {
                Ok(vec![#(#encodes),*])
            }
        }
    })
}

fn named_fields(input: &DeriveInput) -> Result<Vec<Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(fields.named.iter().cloned().collect()),
            _ => Err(Error::new_spanned(&input.ident, "Row needs a struct with named fields, a column each")),
        },
        _ => Err(Error::new_spanned(&input.ident, "Row can be derived for structs only")),
    }
}

fn column(field: &Field) -> Result<ColumnField<'_>> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "Row needs named fields"))?;
    let mut name = ident.to_string().trim_start_matches("r#").to_owned();
    let mut max = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("max") {
                max = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
            } else {
                return Err(meta.error("expected `name = \"…\"` or `max = …`"));
            }
            Ok(())
        })?;
    }
    Ok(ColumnField { ident, ty: &field.ty, name, max })
}

fn describe(column: &ColumnField<'_>) -> TokenStream {
    let ColumnField { ty, name, max, .. } = column;
    let max = match max {
        Some(max) => quote!(Some(#max)),
        None => quote!(None),
    };
    quote! {
        ::tallybook::Column {
            name: #name,
            sql_type: <#ty as ::tallybook::Decode>::SQL_TYPE,
            nullable: <#ty as ::tallybook::Decode>::NULLABLE,
            max: #max,
        }
    }
}
