//! Expansion of `#[derive(Aggregate)]`: the root and the relations, as data.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, Error, Field, Ident, LitInt, LitStr, Result, Type};

use super::row::{arguments, named_fields};

/// The kind of a relation, which the attribute of its field names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Many,
    One,
    Parent,
}

/// A field with a relation.
struct Relation<'a> {
    field: &'a Ident,
    kind: Kind,
    /// The type without the `Option` of a relation that is chosen at run time.
    loaded: &'a Type,
    is_chosen: bool,
    /// The type in the `Vec` or the `Option`, or that of the field.
    target: &'a Type,
    by: Option<Ident>,
    newest: Option<LitInt>,
    filter: Option<LitStr>,
    through: Option<Type>,
}

/// Returns the implementation of `Load`.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "an aggregate is a struct without parameters"));
    }
    let fields = named_fields(input)?;
    let mut root: Option<(&Ident, &Type)> = None;
    let mut relations = Vec::new();
    for field in &fields {
        let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "expected named fields"))?;
        if field.attrs.iter().any(|attribute| attribute.path().is_ident("root")) {
            if let Some((first, _)) = root.replace((ident, &field.ty)) {
                let problem = format!(
                    "an aggregate has one root, and `{first}` is marked already: write `#[many]`, `#[one]` or \
                     `#[parent]` here"
                );
                return Err(Error::new_spanned(ident, problem));
            }
        } else {
            relations.push(relation(field, ident)?);
        }
    }
    /// Relations that a tuple holds.
    const MAX_RELATIONS: usize = 7;
    if let Some(eighth) = relations.get(MAX_RELATIONS) {
        let problem = "an aggregate has at most seven relations: put some into an aggregate of their own";
        return Err(Error::new_spanned(eighth.field, problem));
    }
    let Some((root, root_type)) = root else {
        let problem = "mark the field of the row that the others belong to: write `#[root]` on it";
        return Err(Error::new_spanned(&input.ident, problem));
    };
    let ident = &input.ident;
    let name = ident.to_string();
    let types = relations.iter().map(|relation| relation.type_name(root_type));
    let values = relations.iter().map(|relation| relation.value(root_type));
    let names: Vec<_> = relations.iter().map(|relation| relation.field).collect();
    let paths = names.iter().map(|name| name.unraw().to_string());
    // Errors about a relation point at its field, and those that follow from them at the name of the struct, once.
    let span = Span::call_site().located_at(ident.span());
    Ok(quote_spanned! {span=>
        #[diagnostic::do_not_recommend]
        impl ::tallybook::tables::Load for #ident {
            type Root = #root_type;
            type Relations = (#(#types,)*);
            const NAME: &'static str = #name;
            const RELATIONS: Self::Relations = (#(#values,)*);
            const FIELDS: &'static [&'static str] = &[#(#paths),*];

            fn assemble(
                #root: Self::Root,
                (#(#names,)*): <Self::Relations as ::tallybook::tables::Relations<Self::Root>>::Values,
            ) -> Self {
                Self { #root, #(#names),* }
            }

            fn root(&self) -> &Self::Root {
                &self.#root
            }

            fn plans() -> &'static ::tallybook::tables::Plans {
                static PLANS: ::tallybook::tables::Plans = ::tallybook::tables::Plans::new();
                &PLANS
            }
        }
    })
}

fn relation<'a>(field: &'a Field, ident: &'a Ident) -> Result<Relation<'a>> {
    let found = field.attrs.iter().find_map(|attribute| {
        let kinds = [("many", Kind::Many), ("one", Kind::One), ("parent", Kind::Parent)];
        kinds.into_iter().find(|(name, _)| attribute.path().is_ident(name)).map(|(_, kind)| (attribute, kind))
    });
    let Some((attribute, kind)) = found else {
        let problem = "say how it belongs to the aggregate: `#[root]`, `#[many]`, `#[one]` or `#[parent]`";
        return Err(Error::new_spanned(ident, problem));
    };
    let chosen = inner(&field.ty, "Option").filter(|within| {
        let wrapper = if kind == Kind::Many { "Vec" } else { "Option" };
        inner(within, wrapper).is_some()
    });
    let loaded = chosen.unwrap_or(&field.ty);
    let target = match kind {
        Kind::Many => inner(loaded, "Vec").ok_or_else(|| {
            let problem = "`#[many]` loads a list: write `Vec<…>` of a table or an aggregate, or `Option<Vec<…>>` to \
                           choose at run time if it is loaded";
            Error::new_spanned(&field.ty, problem)
        })?,
        Kind::One => inner(loaded, "Option").ok_or_else(|| {
            Error::new_spanned(
                &field.ty,
                "`#[one]` loads a row if there is one: write `Option<…>` of a table or an aggregate",
            )
        })?,
        Kind::Parent => inner(loaded, "Option").unwrap_or(loaded),
    };
    let mut relation = Relation {
        field: ident,
        kind,
        loaded,
        is_chosen: chosen.is_some(),
        target,
        by: None,
        newest: None,
        filter: None,
        through: None,
    };
    if attribute.meta.require_path_only().is_err() {
        relation.read_options(attribute)?;
    }
    Ok(relation)
}

/// Returns the type in a wrapper.
fn inner<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    arguments(ty, wrapper).and_then(|types| types.first().copied())
}

impl Relation<'_> {
    fn read_options(&mut self, attribute: &Attribute) -> Result<()> {
        let kind = self.kind;
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("by") {
                self.by = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("newest") && kind == Kind::Many {
                self.newest = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("filter") && kind != Kind::Parent {
                self.filter = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("through") && kind == Kind::Many {
                self.through = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error(match kind {
                    Kind::Many => {
                        "expected `by = column`, `newest = …`, `filter = \"…\"` or `through = Table`"
                    }
                    Kind::One => "expected `by = column` or `filter = \"…\"`",
                    Kind::Parent => "expected `by = column`",
                }));
            }
            Ok(())
        })?;
        let is_restricted = self.by.is_some() || self.newest.is_some() || self.filter.is_some();
        match &self.through {
            Some(through) if is_restricted => {
                Err(Error::new_spanned(through, "`through` takes no other option: it loads all linked rows"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the type of the relation.
    fn type_name(&self, root: &Type) -> TokenStream {
        let kind = self.kind_name(root);
        if self.is_chosen {
            let span = self.loaded.span();
            return quote_spanned!(span=> ::tallybook::tables::Chosen<#kind>);
        }
        kind
    }

    /// Returns the type of the relation where it is always loaded.
    fn kind_name(&self, root: &Type) -> TokenStream {
        let target = self.target;
        let span = self.loaded.span();
        match (self.kind, &self.through) {
            (Kind::Many, Some(link)) => {
                quote_spanned!(span=> ::tallybook::tables::Through<#root, #link, #target>)
            }
            (Kind::Many, None) => quote_spanned!(span=> ::tallybook::tables::Many<#root, #target>),
            (Kind::One, _) => quote_spanned!(span=> ::tallybook::tables::One<#root, #target>),
            (Kind::Parent, _) if inner(self.loaded, "Option").is_some() => {
                quote_spanned!(span=> ::tallybook::tables::OptionalParent<#root, #target>)
            }
            (Kind::Parent, _) => quote_spanned!(span=> ::tallybook::tables::Parent<#root, #target>),
        }
    }

    /// Returns the relation as a constant.
    fn value(&self, root: &Type) -> TokenStream {
        let target = self.target;
        let relation = self.kind_name(root);
        let span = self.loaded.span();
        let begin = match &self.by {
            None => quote_spanned!(span=> <#relation>::new()),
            Some(by) => {
                // The column is one of the root, or of the rows that belong to it.
                let (table, parent) = match self.kind {
                    Kind::Parent => (quote!(#root), quote!(<#target as ::tallybook::tables::Load>::Root)),
                    _ => (quote!(<#target as ::tallybook::tables::Load>::Root), quote!(#root)),
                };
                quote_spanned! {by.span()=>
                    <#relation>::by(
                        <#table>::COLUMN.#by.name(),
                        |row| ::tallybook::tables::key_of::<#parent>(&row.#by),
                    )
                }
            }
        };
        let newest = self.newest.as_ref().map(|newest| quote!(.newest(#newest)));
        let filter = self.filter.as_ref().map(|filter| quote!(.filter(#filter)));
        let relation = quote!(#begin #newest #filter);
        if self.is_chosen { quote!(::tallybook::tables::Chosen::new(#relation)) } else { relation }
    }
}
