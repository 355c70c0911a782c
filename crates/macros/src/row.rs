//! Expansion of `#[derive(Row)]`, which `#[derive(Table)]` writes too.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::token::Paren;
use syn::{
    Data, DeriveInput, Error, Field, Fields, GenericArgument, Generics, Ident, LitInt, LitStr, PathArguments,
    Result, Token, Type, parenthesized,
};

use crate::nested;

/// A field and its column.
pub(crate) struct ColumnField<'a> {
    pub(crate) field: &'a Field,
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) name: String,
    max: Option<usize>,
    storage: Storage,
    pub(crate) role: Role,
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
    /// The columns of another row, under their names with a prefix.
    Nested { prefix: String },
}

/// Returns the implementation of `Row`.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    let columns = fields.iter().map(|field| column(field, "row")).collect::<Result<Vec<_>>>()?;
    if let Some(nested) = columns.iter().find(|column| column.is_nested())
        && !input.generics.params.is_empty()
    {
        return Err(Error::new_spanned(nested.ident, "a struct with a nested row has no parameters"));
    }
    Ok(implementation(&input.ident, &input.generics, &columns.iter().collect::<Vec<_>>()))
}

impl<'a> ColumnField<'a> {
    fn is_nested(&self) -> bool {
        matches!(self.storage, Storage::Nested { .. })
    }

    /// Returns the type of a nested row, and whether it is optional.
    fn nested_row(&self) -> (&'a Type, bool) {
        let optional = arguments(self.ty, "Option").and_then(|inner| inner.first().copied());
        (optional.unwrap_or(self.ty), optional.is_some())
    }

    /// Returns the number of its columns.
    fn width(&self) -> TokenStream {
        let (ty, _) = self.nested_row();
        if self.is_nested() { quote!(<#ty as ::tallybook::Row>::COLUMNS.len()) } else { quote!(1usize) }
    }

    /// Returns the expression that decodes it from the columns that begin at `index`.
    fn decode(&self, index: &TokenStream) -> TokenStream {
        match (&self.storage, self.nested_row()) {
            (Storage::Numeric(_), _) => quote!(row.get_numeric(Self::COLUMNS, #index)?),
            (Storage::Field | Storage::PgEnum, _) => quote!(row.get(Self::COLUMNS, #index)?),
            (Storage::Nested { .. }, (ty, false)) => quote!(row.nested::<#ty>(#index)?),
            (Storage::Nested { .. }, (ty, true)) => quote!(row.optional_nested::<#ty>(#index)?),
        }
    }

    /// Returns the expression for its value, of the column at `index`; of a nested row for its values.
    fn encode(&self, index: &TokenStream) -> TokenStream {
        let ColumnField { ident, name, .. } = self;
        match (&self.storage, self.nested_row()) {
            (Storage::Nested { .. }, (_, false)) => quote!(::tallybook::Row::encode(&self.#ident)?),
            (Storage::Nested { .. }, (_, true)) => {
                quote!(::tallybook::__nested::encode(self.#ident.as_ref())?)
            }
            _ => quote! {
                Self::COLUMNS[#index].check(
                    ::tallybook::Encode::encode(&self.#ident)
                        .map_err(|problem| ::tallybook::Error::invalid_value(#name, problem))?,
                )?
            },
        }
    }
}

/// Returns the implementation of `Row` for a struct of these columns.
pub(crate) fn implementation(
    ident: &Ident,
    generics: &Generics,
    columns: &[&ColumnField<'_>],
) -> TokenStream {
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let (descriptions, list) = constants(ident, columns);
    let indexes: Vec<_> = (0..columns.len()).map(|index| place(&columns[..index])).collect();
    let decodes = columns.iter().zip(&indexes).map(|(column, index)| {
        let (field, value) = (column.ident, column.decode(index));
        quote!(#field: #value)
    });
    let encodes = columns.iter().zip(&indexes).map(|(column, index)| column.encode(index));
    let encoded = if columns.iter().any(|column| column.is_nested()) {
        let parts = columns.iter().zip(encodes).map(|(column, values)| match &column.storage {
            Storage::Nested { .. } => values,
            _ => quote!(::std::vec![#values]),
        });
        quote!([#(#parts),*].concat())
    } else {
        quote!(::std::vec![#(#encodes),*])
    };

    quote! {
        impl #impl_generics ::tallybook::Row for #ident #type_generics #where_clause {
            const COLUMNS: &'static [::tallybook::Column] = #descriptions;
            const COLUMN_LIST: &'static str = #list;

            fn decode(row: ::tallybook::RowRef<'_>) -> ::tallybook::Result<Self> {
                Ok(Self { #(#decodes),* })
            }

            fn encode(&self) -> ::tallybook::Result<Vec<::tallybook::Value>> {
                Ok(#encoded)
            }
        }
    }
}

/// Returns the index of the column after these.
fn place(before: &[&ColumnField<'_>]) -> TokenStream {
    let own = before.iter().filter(|column| !column.is_nested()).count();
    let nested = before.iter().filter(|column| column.is_nested()).map(|column| column.width());
    quote!(#own #(+ #nested)*)
}

/// Returns the columns and the list of their names.
fn constants(ident: &Ident, columns: &[&ColumnField<'_>]) -> (TokenStream, TokenStream) {
    let descriptions: Vec<_> = columns.iter().map(|column| describe(column)).collect();
    if !columns.iter().any(|column| column.is_nested()) {
        let list = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        return (quote!(&[#(#descriptions),*]), quote!(#list));
    }
    let parts = columns.iter().zip(&descriptions).map(|(column, description)| match &column.storage {
        Storage::Nested { .. } => quote!(#description),
        _ => quote!(&[#description]),
    });
    nested::joined(ident, parts)
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

/// Returns the types in the angle brackets of a type with this name.
pub(crate) fn arguments<'a>(ty: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// Reads the options of a field in the attribute `attribute`, which is `row` or `table`.
pub(crate) fn column<'a>(field: &'a Field, attribute: &str) -> Result<ColumnField<'a>> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "Row needs named fields"))?;
    let mut name = ident.to_string().trim_start_matches("r#").to_owned();
    let mut max = None;
    let mut storage = Storage::Field;
    let mut prefix = None;
    let mut role = Role::Changeable;
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
            } else if attribute == "row" && meta.path.is_ident("nested") {
                storage = Storage::Nested { prefix: format!("{name}_") };
            } else if attribute == "row" && meta.path.is_ident("prefix") {
                prefix = Some(meta.value()?.parse::<LitStr>()?);
            } else if attribute == "table" && meta.path.is_ident("fixed") {
                role = Role::Fixed;
            } else if attribute == "table" && meta.path.is_ident("touch") {
                role = Role::Touch;
            } else if attribute == "table" && meta.path.is_ident("generated") {
                role = Role::Generated;
            } else {
                let known = "`name = \"…\"`, `max = …`, `numeric`, `numeric(precision, scale)`";
                return Err(meta.error(match attribute {
                    "table" => format!("expected {known}, `pg_enum`, `fixed`, `touch` or `generated`"),
                    _ => format!("expected {known}, `pg_enum`, `nested` or `prefix = \"…\"`"),
                }));
            }
            Ok(())
        })?;
    }
    if let Some(chosen) = prefix {
        let Storage::Nested { prefix } = &mut storage else {
            return Err(Error::new_spanned(chosen, "`prefix` is for a nested row: `nested, prefix = \"…\"`"));
        };
        *prefix = chosen.value();
    }
    Ok(ColumnField { field, ident, ty: &field.ty, name, max, storage, role })
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
    if let Storage::Nested { prefix } = storage {
        let (row, is_optional) = column.nested_row();
        return nested::columns(row, is_optional, prefix);
    }
    let max = match max {
        Some(max) => quote!(Some(#max)),
        None => quote!(None),
    };
    // The field's own type is checked too: a misplaced attribute does not compile.
    let own = quote!(<#ty as ::tallybook::Decode>::SQL_TYPE);
    let (sql_type, precision) = match storage {
        Storage::Field | Storage::Nested { .. } => (own, quote!(None)),
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
