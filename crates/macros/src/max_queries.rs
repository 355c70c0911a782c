//! Expansion of `#[max_queries(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, ItemFn, LitInt, Result, Token};

/// The limits between the parentheses, as calls on a `Budget`.
pub(crate) struct Promises(Vec<TokenStream>);

enum Promise {
    Statements(LitInt),
    RoundTrips(LitInt),
    Flag(Ident),
}

impl Parse for Promises {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let promises = Punctuated::<Promise, Token![,]>::parse_terminated(input)?;
        if promises.is_empty() {
            return Err(input.error(EXPECTED));
        }
        Ok(Self(promises.iter().map(Promise::call).collect()))
    }
}

const EXPECTED: &str = "expected a number of statements, `round_trips = n`, `no_n_plus_one`, `no_redundant` or `no_leaks`, \
                        separated by commas";

impl Parse for Promise {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitInt) {
            return input.parse().map(Self::Statements);
        }
        let word: Ident = input.parse().map_err(|error| Error::new(error.span(), EXPECTED))?;
        match word.to_string().as_str() {
            "round_trips" => {
                input.parse::<Token![=]>()?;
                input.parse().map(Self::RoundTrips)
            }
            "no_n_plus_one" | "no_redundant" | "no_leaks" => Ok(Self::Flag(word)),
            _ => Err(Error::new(word.span(), EXPECTED)),
        }
    }
}

impl Promise {
    fn call(&self) -> TokenStream {
        match self {
            Self::Statements(most) => quote!(.statements(#most)),
            Self::RoundTrips(most) => quote!(.round_trips(#most)),
            Self::Flag(word) => quote!(.#word()),
        }
    }
}

/// Wraps the body of the function in the budget.
pub(crate) fn expand(promises: &Promises, mut function: ItemFn) -> Result<TokenStream> {
    if function.sig.asyncness.is_none() {
        return Err(Error::new_spanned(
            function.sig.fn_token,
            "max_queries needs an async function; put it above #[tokio::test], not below",
        ));
    }
    let calls = &promises.0;
    let name = function.sig.ident.to_string();
    let body = &function.block;
    function.block = syn::parse_quote!({
        ::tallybook::Budget::new()#(#calls)*.enforce(#name, async move #body).await
    });
    Ok(quote!(#function))
}
