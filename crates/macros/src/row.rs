//! What `#[derive(Row)]` expands to.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, LitInt, LitStr, Path, Result, Type};

/// A field and the column it stands for.
struct ColumnField<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    name: String,
    max: Option<usize>,
}

/// The implementation; `engine` is the path to the engine from there.
pub(crate) fn expand(input: &DeriveInput, engine: &Path) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    let list = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");

    let ident = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let descriptions = columns.iter().map(|column| describe(column, engine));
    let decodes = columns.iter().enumerate().map(|(index, column)| {
        let field = column.ident;
        quote!(#field: cells.get(Self::COLUMNS, #index)?)
    });
    let encodes = columns.iter().enumerate().map(|(index, column)| {
        let ColumnField { ident, name, .. } = column;
        quote! {
            Self::COLUMNS[#index].check(
                #engine::Encode::encode(&self.#ident)
                    .map_err(|problem| #engine::Error::invalid_value(#name, problem))?,
            )?
        }
    });

    Ok(quote! {
        impl #impl_generics #engine::Row for #ident #type_generics #where_clause {
            const COLUMNS: &'static [#engine::Column] = &[#(#descriptions),*];
            const COLUMN_LIST: &'static str = #list;

            fn decode<R: #engine::Cells>(cells: &R) -> #engine::Result<Self> {
                Ok(Self { #(#decodes),* })
            }

            fn encode(&self) -> #engine::Result<Vec<#engine::Value>> {
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

fn describe(column: &ColumnField<'_>, engine: &Path) -> TokenStream {
    let ColumnField { ty, name, max, .. } = column;
    let max = match max {
        Some(max) => quote!(Some(#max)),
        None => quote!(None),
    };
    quote! {
        #engine::Column {
            name: #name,
            kind: <#ty as #engine::Decode>::KIND,
            nullable: <#ty as #engine::Decode>::NULLABLE,
            max: #max,
        }
    }
}
