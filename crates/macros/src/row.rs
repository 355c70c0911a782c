//! Expansion of `#[derive(Row)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::token::Paren;
use syn::{
    Data, DeriveInput, Error, Field, Fields, Ident, LitInt, LitStr, Result, Token, Type, parenthesized,
};

/// A field and its column.
struct ColumnField<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    name: String,
    max: Option<usize>,
    storage: Storage,
}

/// The type of the column, where it is not that of the field.
enum Storage {
    /// That of the field.
    Field,
    /// `numeric`, with its precision and scale if they are given.
    Numeric(Option<(u32, u32)>),
    /// An enum type of PostgreSQL.
    PgEnum,
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
        match column.storage {
            Storage::Numeric(_) => quote!(#field: row.get_numeric(Self::COLUMNS, #index)?),
            Storage::Field | Storage::PgEnum => quote!(#field: row.get(Self::COLUMNS, #index)?),
        }
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
    let mut storage = Storage::Field;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("max") {
                max = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
            } else if meta.path.is_ident("numeric") {
                storage = Storage::Numeric(precision(&meta)?);
            } else if meta.path.is_ident("pg_enum") {
                storage = Storage::PgEnum;
            } else {
                return Err(meta.error(
                    "expected `name = \"…\"`, `max = …`, `numeric`, `numeric(precision, scale)` or `pg_enum`",
                ));
            }
            Ok(())
        })?;
    }
    Ok(ColumnField { ident, ty: &field.ty, name, max, storage })
}

/// Parses `(precision, scale)`, if it is there.
fn precision(meta: &ParseNestedMeta<'_>) -> Result<Option<(u32, u32)>> {
    /// Digits that a decimal holds.
    const MAX_SCALE: u32 = 28;
    if !meta.input.peek(Paren) {
        return Ok(None);
    }
    let content;
    parenthesized!(content in meta.input);
    let precision: LitInt = content.parse()?;
    content.parse::<Token![,]>()?;
    let scale: LitInt = content.parse()?;
    if !content.is_empty() {
        return Err(content.error("expected `numeric(precision, scale)`"));
    }
    let (digits, after_point) = (precision.base10_parse()?, scale.base10_parse()?);
    if digits == 0 || after_point > digits || after_point > MAX_SCALE {
        let problem = "the scale is at most the precision, and at most 28, the digits of a Decimal";
        return Err(Error::new_spanned(scale, problem));
    }
    Ok(Some((digits, after_point)))
}

fn describe(column: &ColumnField<'_>) -> TokenStream {
    let ColumnField { ty, name, max, storage, .. } = column;
    let max = match max {
        Some(max) => quote!(Some(#max)),
        None => quote!(None),
    };
    // The field's own type is checked too: a misplaced attribute does not compile.
    let own = quote!(<#ty as ::tallybook::Decode>::SQL_TYPE);
    let (sql_type, precision) = match storage {
        Storage::Field => (own, quote!(None)),
        Storage::Numeric(None) => (quote!(#own.as_numeric()), quote!(None)),
        Storage::Numeric(Some((digits, scale))) => {
            (quote!(#own.as_numeric()), quote!(Some((#digits, #scale))))
        }
        Storage::PgEnum => (quote!(#own.as_pg_enum()), quote!(None)),
    };
    quote! {
        ::tallybook::Column {
            name: #name,
            sql_type: #sql_type,
            nullable: <#ty as ::tallybook::Decode>::NULLABLE,
            max: #max,
            precision: #precision,
        }
    }
}
