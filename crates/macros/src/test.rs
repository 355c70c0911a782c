//! Expansion of `#[test]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, Ident, ItemFn, Result, ReturnType, Token};

/// The variable that names PostgreSQL's server.
const SERVER: &str = "TALLYBOOK_TEST_POSTGRES_URL";

const EXPECTED: &str = "expected `migrations = REVISIONS` or `empty`";

/// The revisions that the database of a test has.
pub(crate) enum Options {
    Book,
    Given(Box<Expr>),
    Empty,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self::Book);
        }
        let word: Ident = input.parse().map_err(|error| Error::new(error.span(), EXPECTED))?;
        let options = match word.to_string().as_str() {
            "migrations" => {
                input.parse::<Token![=]>()?;
                Self::Given(Box::new(input.parse()?))
            }
            "empty" => Self::Empty,
            _ => return Err(Error::new(word.span(), EXPECTED)),
        };
        Punctuated::<Ident, Token![,]>::parse_terminated(input)?;
        Ok(options)
    }
}

/// Returns the function, and a module of its name with a test for each dialect.
pub(crate) fn expand(options: &Options, function: &ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if signature.asyncness.is_none() || signature.inputs.len() != 1 || !signature.generics.params.is_empty() {
        let problem = "a test takes its database: `async fn name(db: Database)`";
        return Err(Error::new_spanned(signature, problem));
    }
    let name = &signature.ident;
    let histories = match options {
        Options::Book => quote!(::tallybook::book::REVISIONS),
        Options::Given(migrations) => quote!(#migrations),
        Options::Empty => quote!(::tallybook::test::NO_REVISIONS),
    };
    let histories_of = format_ident!("__histories_of_{}", name.to_string().trim_start_matches("r#"));
    let (of_tests, of_function): (Vec<&Attribute>, Vec<_>) =
        function.attrs.iter().partition(|attribute| is_of_tests(attribute));
    // Without a result it must be written so: `should_panic` permits no other.
    let output = match signature.output {
        ReturnType::Default => quote!(),
        ReturnType::Type(..) => quote!(-> impl ::std::process::Termination),
    };
    let test = |dialect: &str, ignored: Option<TokenStream>| {
        let dialect = format_ident!("{dialect}");
        let only = format_ident!("__if_{dialect}");
        quote! {
            ::tallybook::#only! {
                #[::core::prelude::v1::test]
                #(#of_tests)*
                #ignored
                fn #dialect() #output {
                    ::tallybook::test::#dialect(::core::module_path!(), &super::#histories_of(), super::#name)
                }
            }
        }
    };
    let is_ignored = function.attrs.iter().any(|attribute| attribute.path().is_ident("ignore"));
    let has_server = std::env::var_os(SERVER).is_some();
    let reason = format!("no server: {SERVER} is not set");
    let ignored = (!has_server && !is_ignored).then(|| quote!(#[ignore = #reason]));
    let (sqlite, postgres) = (test("sqlite", None), test("postgres", ignored));
    let ItemFn { vis, sig, block, .. } = function;
    Ok(quote! {
        #[cfg(test)]
        #(#of_function)*
        #vis #sig #block

        #[cfg(test)]
        #[allow(non_snake_case)]
        fn #histories_of() -> ::std::vec::Vec<::tallybook::test::History> {
            ::tallybook::test::IntoHistories::into_histories(#histories)
        }

        #[cfg(test)]
        mod #name {
            // Compiles the test again when the variable changes.
            const _: ::core::option::Option<&str> = ::core::option_env!(#SERVER);

            #sqlite
            #postgres
        }
    })
}

/// Returns whether an attribute belongs to the tests, not to the function.
fn is_of_tests(attribute: &Attribute) -> bool {
    ["ignore", "should_panic"].iter().any(|name| attribute.path().is_ident(name))
}
