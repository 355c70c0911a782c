//! The changeset that `#[derive(Table)]` writes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{DeriveInput, Expr, Ident, LitStr, Result, Token};

use super::row::ColumnField;
use super::table::{docs, is_changeable};

/// Returns the changeset: a method for each column that may change.
pub(crate) fn changeset(
    input: &DeriveInput,
    changes: &Ident,
    columns: &[ColumnField<'_>],
    has_serde: bool,
) -> Result<TokenStream> {
    let (ident, vis) = (&input.ident, &input.vis);
    let documentation = format!("Changes of a row of [`{ident}`]: only the columns that are set.");
    let columns: Vec<_> = columns.iter().filter(|column| is_changeable(column)).collect();
    let setters = columns.iter().map(|column| {
        let ColumnField { ident: field, ty, name, .. } = column;
        let (documentation, vis) = (docs(&column.field.attrs), &column.field.vis);
        let first = format!("Sets `{field}`.");
        let blank = (!documentation.is_empty()).then(|| quote!(#[doc = ""]));
        quote! {
            #[doc = #first]
            #blank
            #(#documentation)*
            #[allow(dead_code)]
            #vis fn #field(mut self, value: impl Into<#ty>) -> Self {
                let value: #ty = value.into();
                self.0.set(#name, &value);
                self
            }
        }
    });
    let serde = if has_serde { Some(deserialize(changes, &columns)?) } else { None };
    Ok(quote! {
        #[doc = #documentation]
        #[derive(Clone, Debug, Default)]
        #[must_use = "changes do nothing until they are given to `update`"]
        #vis struct #changes(::tallybook::tables::Assignments);

        impl #changes {
            /// Creates an empty changeset.
            #[allow(dead_code)]
            #vis fn new() -> Self {
                Self::default()
            }

            #(#setters)*
        }

        impl ::tallybook::tables::Changes for #changes {
            fn into_assignments(self) -> ::tallybook::tables::Assignments {
                self.0
            }
        }

        #serde
    })
}

/// Implements serde's `Deserialize`: an object of the columns to set. A column that it leaves out stays as it is, and `null`
/// sets NULL.
fn deserialize(changes: &Ident, columns: &[&ColumnField<'_>]) -> Result<TokenStream> {
    let (mut names, mut fields, mut types): (Vec<_>, Vec<_>, Vec<_>) = Default::default();
    for column in columns {
        if let Some(name) = serde_name(column)? {
            names.push(name);
            fields.push(column.ident);
            types.push(column.ty);
        }
    }
    let (count, indexes) = (names.len(), 0..names.len());
    Ok(quote! {
        const _: () = {
            struct Fields;

            impl<'de> ::tallybook::__serde::de::Visitor<'de> for Fields {
                type Value = #changes;

                fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.write_str("an object of the columns to change")
                }

                fn visit_map<A: ::tallybook::__serde::de::MapAccess<'de>>(
                    self,
                    mut object: A,
                ) -> ::std::result::Result<#changes, A::Error> {
                    let mut changes = #changes::new();
                    let mut is_set = [false; #count];
                    while let Some(name) = object.next_key::<::std::string::String>()? {
                        changes = match name.as_str() {
                            #(
                                #names if is_set[#indexes] => {
                                    return Err(::tallybook::__serde::de::Error::duplicate_field(#names));
                                }
                                #names => {
                                    is_set[#indexes] = true;
                                    changes.#fields(object.next_value::<#types>()?)
                                }
                            )*
                            name => {
                                return Err(::tallybook::__serde::de::Error::unknown_field(name, &[#(#names),*]));
                            }
                        };
                    }
                    Ok(changes)
                }
            }

            impl<'de> ::tallybook::__serde::Deserialize<'de> for #changes {
                fn deserialize<D: ::tallybook::__serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::std::result::Result<Self, D::Error> {
                    deserializer.deserialize_map(Fields)
                }
            }
        };
    })
}

/// Returns the name of a column in JSON; `None` for one that is not read from there.
fn serde_name(column: &ColumnField<'_>) -> Result<Option<String>> {
    let mut name = Some(column.ident.to_string().trim_start_matches("r#").to_owned());
    for attribute in column.field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("skip") || meta.path.is_ident("skip_deserializing") {
                name = None;
            } else if meta.path.is_ident("default")
                || meta.path.is_ident("skip_serializing")
                || meta.path.is_ident("skip_serializing_if")
            {
                ignore_value(&meta)?;
            } else {
                return Err(meta.error(
                    "the changes of a row come from JSON too, and know `rename = \"…\"`, `default`, `skip`, \
                     `skip_deserializing`, `skip_serializing` and `skip_serializing_if`",
                ));
            }
            Ok(())
        })?;
    }
    Ok(name)
}

fn ignore_value(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    }
    Ok(())
}
