//! Expansion of `#[derive(TextEnum)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Fields, Ident, Lit, LitStr, Meta, Result, Variant,
};

/// A variant with its text.
struct Known<'a> {
    ident: &'a Ident,
    text: LitStr,
}

/// Returns the implementations of `Encode`, `Decode` and the conversions from and to a text.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "TextEnum can be derived for enums only"));
    };
    let mut known = Vec::new();
    let mut other = None;
    for variant in &data.variants {
        match text_of(variant)? {
            Some(text) => known.push(Known { ident: &variant.ident, text }),
            None if other.is_none() => other = Some(&variant.ident),
            None => return Err(Error::new_spanned(variant, "one variant takes the other texts, not two")),
        }
    }
    check_texts(&known)?;
    let options = options(&input.attrs)?;
    let kind = if options.is_pg_enum { quote!(Enum) } else { quote!(Text) };
    let serde = options.has_serde.then(|| serde(&input.ident, other.is_some()));
    let implementations = implementations(&input.ident, &known, other, &kind);
    Ok(quote!(#implementations #serde))
}

/// Returns the text of a variant; `None` for the variant that keeps all other texts.
fn text_of(variant: &Variant) -> Result<Option<LitStr>> {
    let text = variant.attrs.iter().find(|attribute| attribute.path().is_ident("text"));
    match (&variant.fields, text) {
        (Fields::Unit, Some(text)) => match &text.meta {
            Meta::NameValue(meta) => match &meta.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(Some(text.clone())),
                value => Err(Error::new_spanned(value, "expected a text: `#[text = \"…\"]`")),
            },
            meta => Err(Error::new_spanned(meta, "expected `#[text = \"…\"]`")),
        },
        (Fields::Unit, None) => {
            Err(Error::new_spanned(variant, "write the text that is stored: `#[text = \"…\"]`"))
        }
        (Fields::Unnamed(fields), None) if fields.unnamed.len() == 1 => Ok(None),
        _ => Err(Error::new_spanned(
            variant,
            "a variant has a text and no fields, or keeps all other texts: `Other(Box<str>)`",
        )),
    }
}

fn check_texts(known: &[Known<'_>]) -> Result<()> {
    for (index, Known { text, .. }) in known.iter().enumerate() {
        if known[..index].iter().any(|earlier| earlier.text.value() == text.value()) {
            return Err(Error::new_spanned(text, "two variants have this text"));
        }
        if text.value().contains('\0') {
            return Err(Error::new_spanned(text, "no column holds U+0000"));
        }
    }
    Ok(())
}

/// The options of the enum.
#[derive(Default)]
struct Options {
    is_pg_enum: bool,
    has_serde: bool,
}

fn options(attributes: &[Attribute]) -> Result<Options> {
    let mut options = Options::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("text_enum")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("pg_enum") {
                options.is_pg_enum = true;
            } else if meta.path.is_ident("serde") {
                options.has_serde = true;
            } else {
                return Err(meta.error("expected `pg_enum` or `serde`"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

/// Returns the implementations of serde's traits: the text.
fn serde(ident: &Ident, has_other: bool) -> TokenStream {
    let parsed = if has_other {
        quote!(::std::result::Result::Ok(Self::from(&*text)))
    } else {
        quote!(text.parse().map_err(::tallybook::__serde::de::Error::custom))
    };
    quote! {
        impl ::tallybook::__serde::Serialize for #ident {
            fn serialize<S: ::tallybook::__serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::tallybook::__serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::tallybook::__serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let text = <::std::string::String as ::tallybook::__serde::Deserialize>::deserialize(deserializer)?;
                #parsed
            }
        }
    }
}

fn implementations(
    ident: &Ident,
    known: &[Known<'_>],
    other: Option<&Ident>,
    kind: &TokenStream,
) -> TokenStream {
    let idents: Vec<_> = known.iter().map(|known| known.ident).collect();
    let texts: Vec<_> = known.iter().map(|known| &known.text).collect();
    let other_text = other.map(|other| quote!(Self::#other(text) => text,));
    let other_encode = other.map(|other| {
        quote! {
            Self::#other(text) if [#(#texts),*].contains(&&**text) => {
                return Err(::std::format!("is another variant of {}", stringify!(#ident)));
            }
        }
    });
    let parse = match other {
        Some(other) => quote! {
            impl ::std::convert::From<&str> for #ident {
                fn from(text: &str) -> Self {
                    match text {
                        #(#texts => Self::#idents,)*
                        other => Self::#other(other.into()),
                    }
                }
            }
        },
        None => quote! {
            impl ::std::str::FromStr for #ident {
                type Err = ::tallybook::DecodeError;

                fn from_str(text: &str) -> ::std::result::Result<Self, ::tallybook::DecodeError> {
                    match text {
                        #(#texts => Ok(Self::#idents),)*
                        _ => Err(::tallybook::DecodeError::new(concat!(
                            "a text that is no ",
                            stringify!(#ident)
                        ))),
                    }
                }
            }
        },
    };
    let decode = match other {
        Some(_) => quote!(value.text().map(Self::from)),
        None => quote!(value.text()?.parse()),
    };
    quote! {
        impl #ident {
            /// Returns the stored text.
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#idents => #texts,)*
                    #other_text
                }
            }
        }

        impl ::std::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        #parse

        impl ::tallybook::Decode for #ident {
            const SQL_TYPE: ::tallybook::SqlType = ::tallybook::SqlType::#kind;
            const WORDS: &'static [&'static str] = &[#(#texts),*];

            fn decode(
                value: ::tallybook::ValueRef<'_>,
            ) -> ::std::result::Result<Self, ::tallybook::DecodeError> {
                #decode
            }
        }

        impl ::tallybook::Encode for #ident {
            const SQL_TYPE: ::tallybook::SqlType = ::tallybook::SqlType::#kind;

            fn encode(&self) -> ::std::result::Result<::tallybook::Value, ::std::string::String> {
                match self {
                    #other_encode
                    _ => {}
                }
                // Refuses what no column of texts can hold.
                ::tallybook::Encode::encode(self.as_str())?;
                Ok(::tallybook::Value::#kind(self.as_str().to_owned()))
            }
        }
    }
}
