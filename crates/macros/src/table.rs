//! Expansion of `#[derive(Table)]`: data only, each name of which stands in the source.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, DeriveInput, Error, Generics, Ident, LitStr, Meta, Result, Type, Visibility};

use super::changeset::changeset;
use super::row::{ColumnField, Role, arguments, column, implementation, named_fields};

/// The options of the struct.
struct Options {
    name: String,
    noun: String,
    order: Option<Ident>,
    new: Option<Ident>,
    changes: Option<Ident>,
    repository: Option<Ident>,
    has_serde: bool,
    is_append_only: bool,
}

/// Returns the implementations of `Row`, `Table` and its relations, and the types that the options name.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a table is a struct without parameters"));
    }
    let options = options(input)?;
    let mut fields = named_fields(input)?;
    for field in &mut fields {
        // The types stand in other structs too.
        field.ty = syn::parse2(without_self(field.ty.to_token_stream(), &input.ident))?;
    }
    let columns = fields.iter().map(|field| column(field, "table")).collect::<Result<Vec<_>>>()?;
    let Some(id) = columns.iter().find(|column| column.name == "id") else {
        let problem = format!("a table has a primary key: add `pub id: Id<{}>`", input.ident);
        return Err(Error::new_spanned(&input.ident, problem));
    };
    if let Some(column) = columns.iter().find(|column| column.default.is_some() && !options.has_serde) {
        let problem =
            "`default` is the value of a field that JSON leaves out: write `#[table(serde)]` on the struct";
        return Err(Error::new_spanned(column.ident, problem));
    }
    let row = implementation(&input.ident, &input.generics, &columns.iter().collect::<Vec<_>>());
    let table = table(input, &options, &columns, id)?;
    let relations = relations(&input.ident, &columns);
    let accessors = accessors(input, &columns);
    let new = options.new.as_ref().map(|new| new_row(input, &options, new, &columns));
    let changes = match &options.changes {
        Some(changes) => Some(changeset(input, changes, &columns, options.has_serde)?),
        None => None,
    };
    let repository = options.repository.as_ref().map(|name| repository(&input.vis, &input.ident, name));
    Ok(quote! { #row #table #relations #accessors #new #changes #repository })
}

/// Replaces `Self` by the name of the struct.
fn without_self(tokens: TokenStream, ident: &Ident) -> TokenStream {
    let replaced = |token| match token {
        TokenTree::Ident(own) if own == "Self" => {
            TokenTree::Ident(Ident::new(&ident.to_string(), own.span()))
        }
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), without_self(group.stream(), ident));
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        token => token,
    };
    tokens.into_iter().map(replaced).collect()
}

fn options(input: &DeriveInput) -> Result<Options> {
    let mut name = None;
    let mut noun = None;
    let (mut order, mut new, mut changes, mut repository) = (None, None, None, None);
    let (mut has_serde, mut is_append_only) = (false, false);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("table")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("noun") {
                noun = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("order") {
                order = Some(meta.value()?.parse::<Ident>()?);
            } else if meta.path.is_ident("new") {
                new = Some(meta.value()?.parse::<Ident>()?);
            } else if meta.path.is_ident("changes") {
                changes = Some(meta.value()?.parse::<Ident>()?);
            } else if meta.path.is_ident("repository") {
                repository = Some(meta.value()?.parse::<Ident>()?);
            } else if meta.path.is_ident("serde") {
                has_serde = true;
            } else if meta.path.is_ident("append_only") {
                is_append_only = true;
            } else {
                return Err(meta.error(
                    "expected `name = \"…\"`, `order = field`, `new = Type`, `changes = Type`, `repository = Type`, \
                     `noun = \"…\"`, `serde` or `append_only`",
                ));
            }
            Ok(())
        })?;
    }
    let name = name.ok_or_else(|| {
        Error::new_spanned(
            &input.ident,
            "name the table in the database: write `#[table(name = \"…\")]` on the struct",
        )
    })?;
    let noun = noun.unwrap_or_else(|| words(&input.ident.to_string()));
    Ok(Options { name, noun, order, new, changes, repository, has_serde, is_append_only })
}

/// Returns `risk metric` for `RiskMetric`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn table(
    input: &DeriveInput,
    options: &Options,
    columns: &[ColumnField<'_>],
    id: &ColumnField<'_>,
) -> Result<TokenStream> {
    let ident = &input.ident;
    let Options { name, noun, .. } = options;
    let key = key_type(id.ty).filter(|_| is_id_of(id.ty, ident)).ok_or_else(|| {
        let problem =
            format!("write `Id<{ident}>`, or `Id<{ident}, Uuid>`, as the type of the primary key `id`");
        Error::new_spanned(id.ty, problem)
    })?;
    let named = |name: &Option<Ident>| match name {
        Some(name) => quote!(#name),
        None => quote!(::tallybook::tables::Never),
    };
    let (new, changes) = (named(&options.new), named(&options.changes));
    let repository = match &options.repository {
        Some(repository) => repository.to_string(),
        None => format!("Repository::<_, {ident}>"),
    };
    let (order, time) = match &options.order {
        None => (quote!(None), quote!(None)),
        Some(order) => {
            let Some(column) = columns.iter().find(|column| column.ident == order) else {
                let problem = format!(
                    "`{ident}` has no field `{order}`: write `order = field` with the field of a `DateTime<Utc>`"
                );
                return Err(Error::new_spanned(order, problem));
            };
            if arguments(column.ty, "Option").is_some() {
                let problem = format!(
                    "every row needs a time to order it: `{order}` is an `Option`; write `order = field` with the field of a `DateTime<Utc>`"
                );
                return Err(Error::new_spanned(order, problem));
            }
            let name = &column.name;
            (quote!(Some(#name)), quote_spanned!(order.span()=> Some(self.#order)))
        }
    };
    let touched = columns.iter().find(|column| column.role == Role::Touch);
    let (is_touched, updated_at) = match touched {
        None => (false, quote!(None)),
        Some(column) if column.name == "updated_at" => {
            let field = column.ident;
            (true, quote!(Some(self.#field)))
        }
        Some(column) => {
            let problem = "the column that every update advances is called `updated_at`";
            return Err(Error::new_spanned(column.ident, problem));
        }
    };
    if let (true, Some(column)) = (options.is_append_only, touched) {
        let problem = "an append-only table has no column that every update advances";
        return Err(Error::new_spanned(column.ident, problem));
    }
    let touched = is_touched.then(|| quote!(impl ::tallybook::tables::Touched for #ident {}));
    let writes = match options.is_append_only {
        true => quote!(AppendOnly),
        false => quote!(Editable),
    };
    let changeable = columns.iter().filter(|column| is_changeable(column)).map(|column| &column.name);
    let unique = columns.iter().filter(|column| column.is_unique).map(|column| &column.name);
    let described = columns.iter().map(described);
    let id = id.ident;
    Ok(quote! {
        #touched

        impl ::tallybook::tables::#writes for #ident {}

        #[diagnostic::do_not_recommend]
        impl ::tallybook::tables::Table for #ident {
            type Key = #key;
            type New = #new;
            type Changes = #changes;
            const NAME: &'static str = #name;
            const NOUN: &'static str = #noun;
            const REPOSITORY: &'static str = #repository;
            const ORDER: Option<&'static str> = #order;
            const TOUCH: bool = #is_touched;
            const CHANGEABLE: &'static [&'static str] = &[#(#changeable),*];
            const UNIQUE: &'static [&'static str] = &[#(#unique),*];
            const FIELDS: &'static [::tallybook::tables::TableField] = &[#(#described),*];

            fn id(&self) -> ::tallybook::tables::IdOf<Self> {
                self.#id
            }

            fn time(&self) -> Option<::tallybook::tables::chrono::DateTime<::tallybook::tables::chrono::Utc>> {
                #time
            }

            fn updated_at(&self) -> Option<::tallybook::tables::chrono::DateTime<::tallybook::tables::chrono::Utc>> {
                #updated_at
            }

            fn statements() -> &'static ::tallybook::tables::Statements {
                static STATEMENTS: ::tallybook::tables::Statements =
                    ::tallybook::tables::Statements::new::<#ident>();
                &STATEMENTS
            }
        }
    })
}

/// Returns the `TableField` of a column.
fn described(column: &ColumnField<'_>) -> TokenStream {
    let ColumnField { name, ty, default, .. } = column;
    let lines = column.field.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => Some(&meta.value),
        _ => None,
    });
    let is_optional = default.is_some() || arguments(ty, "Option").is_some();
    quote! {
        ::tallybook::tables::TableField {
            name: #name,
            docs: ::std::concat!("" #(, #lines)*),
            words: <#ty as ::tallybook::Decode>::WORDS,
            is_optional: #is_optional,
        }
    }
}

pub(crate) fn is_changeable(column: &ColumnField<'_>) -> bool {
    column.name != "id" && column.role == Role::Changeable
}

/// Returns the type of the key in `Id<T>` or `Id<T, K>`.
fn key_type(ty: &Type) -> Option<TokenStream> {
    let arguments = id_arguments(ty)?;
    Some(match arguments.get(1) {
        Some(key) => quote!(#key),
        None => quote!(i64),
    })
}

/// Returns whether a type identifies rows of this table.
fn is_id_of(ty: &Type, table: &Ident) -> bool {
    let named = id_arguments(ty).and_then(|arguments| arguments.first().copied());
    matches!(named, Some(Type::Path(path)) if path.path.segments.last().is_some_and(|last| last.ident == *table))
}

/// Returns the arguments of `Id<…>`.
fn id_arguments(ty: &Type) -> Option<Vec<&Type>> {
    arguments(ty, "Id")
}

/// Returns the table that a field refers to with its type.
fn target<'a>(column: &ColumnField<'a>) -> Option<&'a Type> {
    let optional = arguments(column.ty, "Option").and_then(|inner| inner.first().copied());
    id_arguments(optional.unwrap_or(column.ty))?.first().copied()
}

/// Implements `BelongsTo` for each table that exactly one field refers to.
fn relations(ident: &Ident, columns: &[ColumnField<'_>]) -> TokenStream {
    let targets: Vec<_> = columns
        .iter()
        .filter(|column| column.name != "id")
        .filter_map(|column| Some((column, target(column)?)))
        .collect();
    let names: Vec<_> = targets.iter().map(|(_, target)| target.to_token_stream().to_string()).collect();
    let alone = targets
        .iter()
        .zip(&names)
        .filter(|(_, name)| names.iter().filter(|other| other == name).count() == 1)
        .map(|(relation, _)| relation);
    alone
        .map(|(column, target)| {
            let (name, field) = (&column.name, column.ident);
            quote! {
                #[diagnostic::do_not_recommend]
                impl ::tallybook::tables::BelongsTo<#target> for #ident {
                    const BY: &'static str = #name;

                    fn owner(&self) -> Option<::tallybook::tables::IdOf<#target>> {
                        ::tallybook::tables::Refers::<#target>::id(&self.#field)
                    }
                }
            }
        })
        .collect()
}

/// Returns the constant `COLUMN`.
fn accessors(input: &DeriveInput, columns: &[ColumnField<'_>]) -> TokenStream {
    let (ident, vis) = (&input.ident, &input.vis);
    let fields = columns.iter().map(|column| {
        let ColumnField { ident: field, ty, .. } = column;
        let documentation = docs(&column.field.attrs);
        quote!(#(#documentation)* pub #field: ::tallybook::tables::TableColumn<#ident, #ty>)
    });
    let values = columns.iter().map(|column| {
        let ColumnField { ident: field, name, .. } = column;
        quote!(#field: ::tallybook::tables::TableColumn::new(#name, |row| &row.#field))
    });
    quote! {
        const _: () = {
            #[derive(Clone, Copy, Debug)]
            #[allow(missing_docs, unreachable_pub, dead_code)]
            pub struct Columns { #(#fields),* }

            impl #ident {
                /// The columns of the table.
                #[allow(dead_code)]
                #vis const COLUMN: Columns = Columns { #(#values),* };
            }
        };
    }
}

/// Returns the struct that creates a row: the same columns without those that the database sets.
fn new_row(input: &DeriveInput, options: &Options, new: &Ident, columns: &[ColumnField<'_>]) -> TokenStream {
    // The program generates keys of other types.
    let is_set = |column: &&ColumnField<'_>| match column.name.as_str() {
        "id" => key_type(column.ty).is_some_and(|key| key.to_string() != "i64"),
        _ => column.role != Role::Generated,
    };
    let columns: Vec<_> = columns.iter().filter(is_set).collect();
    let vis = &input.vis;
    let documentation = format!("A new row of the table `{}`.", options.name);
    let fields = columns.iter().map(|column| {
        let (attributes, vis) = (forwarded(&column.field.attrs), &column.field.vis);
        let ColumnField { ident, ty, default, .. } = column;
        let default = default.as_ref().map(|default| quote!(#[serde(#default)]));
        quote!(#(#attributes)* #default #vis #ident: #ty)
    });
    let serde = options.has_serde.then(|| {
        quote! {
            #[derive(::tallybook::__serde::Serialize, ::tallybook::__serde::Deserialize)]
            #[serde(crate = "::tallybook::__serde", deny_unknown_fields)]
        }
    });
    let row = implementation(new, &Generics::default(), &columns);
    quote! {
        #[doc = #documentation]
        #[derive(Clone, Debug, PartialEq)]
        #serde
        #vis struct #new { #(#fields),* }

        #row
    }
}

/// Returns the repository: a type of its own, so that it can have more methods.
fn repository(vis: &Visibility, ident: &Ident, name: &Ident) -> TokenStream {
    let documentation = format!("The rows of [`{ident}`], read and written through a session.");
    let plain = format_ident!("Repository");
    let repository = quote!(::tallybook::tables::#plain<'s, S, #ident>);
    quote! {
        #[doc = #documentation]
        #[derive(Debug)]
        #vis struct #name<'s, S>(#repository);

        impl<'s, S> #name<'s, S> {
            /// Creates a repository that works through a session.
            #vis fn new(session: &'s mut S) -> Self {
                Self(::tallybook::tables::Repository::new(session))
            }
        }

        impl<'s, S> ::std::ops::Deref for #name<'s, S> {
            type Target = #repository;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<'s, S> ::std::ops::DerefMut for #name<'s, S> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }
    }
}

/// Returns the doc comments.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).collect()
}

/// Returns the attributes that hold for the field of a new row too.
fn forwarded(attributes: &[Attribute]) -> Vec<&Attribute> {
    let is_forwarded = |name: String| ["doc", "serde", "cfg"].iter().any(|known| *known == name);
    attributes
        .iter()
        .filter(|attribute| attribute.path().get_ident().is_some_and(|name| is_forwarded(name.to_string())))
        .collect()
}
