//! Expansion of `#[derive(Row)]`, which `#[derive(Table)]` writes too.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::token::Paren;
use syn::{
    Data, DeriveInput, Error, Field, Fields, Generics, Ident, LitInt, LitStr, Result, Token, Type,
    parenthesized,
};

/// A field and its column.
pub(crate) struct ColumnField<'a> {
    pub(crate) field: &'a Field,
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) name: String,
    max: Option<usize>,
    storage: Storage,
    pub(crate) role: Role,
    /// The option `default` of a new row's field, as serde spells it.
    pub(crate) default: Option<TokenStream>,
}

/// The part of a column in the changes of its table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The program sets it and may change it.
    Changeable,
    /// The program sets it once: `fixed`.
    Fixed,
    /// Every update advances it: `touch`.
    Touch,
    /// The database sets it: `generated`.
    Generated,
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
    let columns = fields.iter().map(|field| column(field, "row")).collect::<Result<Vec<_>>>()?;
    Ok(implementation(&input.ident, &input.generics, &columns.iter().collect::<Vec<_>>()))
}

/// Returns the implementation of `Row` for a struct of these columns.
pub(crate) fn implementation(
    ident: &Ident,
    generics: &Generics,
    columns: &[&ColumnField<'_>],
) -> TokenStream {
    let list = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
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

    quote! {
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
    }
}

pub(crate) fn named_fields(input: &DeriveInput) -> Result<Vec<Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(fields.named.iter().cloned().collect()),
            _ => Err(Error::new_spanned(&input.ident, "expected a struct with named fields, a column each")),
        },
        _ => Err(Error::new_spanned(&input.ident, "expected a struct with named fields, a column each")),
    }
}

/// Reads the options of a field in the attribute `attribute`, which is `row` or `table`.
pub(crate) fn column<'a>(field: &'a Field, attribute: &str) -> Result<ColumnField<'a>> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "Row needs named fields"))?;
    let mut name = ident.to_string().trim_start_matches("r#").to_owned();
    let mut max = None;
    let mut storage = Storage::Field;
    let mut role = Role::Changeable;
    let mut default = None;
    for options in field.attrs.iter().filter(|found| found.path().is_ident(attribute)) {
        options.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("max") {
                max = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
            } else if meta.path.is_ident("numeric") {
                storage = Storage::Numeric(precision(&meta)?);
            } else if meta.path.is_ident("pg_enum") {
                storage = Storage::PgEnum;
            } else if attribute == "table" && meta.path.is_ident("fixed") {
                role = Role::Fixed;
            } else if attribute == "table" && meta.path.is_ident("touch") {
                role = Role::Touch;
            } else if attribute == "table" && meta.path.is_ident("generated") {
                role = Role::Generated;
            } else if attribute == "table" && meta.path.is_ident("default") {
                default = Some(match meta.input.peek(Token![=]) {
                    true => {
                        let path: LitStr = meta.value()?.parse()?;
                        quote!(default = #path)
                    }
                    false => quote!(default),
                });
            } else {
                let known = "`name = \"…\"`, `max = …`, `numeric`, `numeric(precision, scale)`";
                return Err(meta.error(match attribute {
                    "table" => {
                        format!("expected {known}, `pg_enum`, `fixed`, `touch`, `generated` or `default`")
                    }
                    _ => format!("expected {known} or `pg_enum`"),
                }));
            }
            Ok(())
        })?;
    }
    Ok(ColumnField { field, ident, ty: &field.ty, name, max, storage, role, default })
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
            references: <#ty as ::tallybook::Decode>::REFERENCES,
        }
    }
}
