//! Who may ask for what: tokens, scopes and rates.

mod client;
mod gate;
mod rate;
mod token;
mod token_error;

pub(crate) use client::Client;
pub(crate) use gate::Gate;
pub use token::{Scope, Token, TokenText, create_token, list_tokens, revoke_token};
pub use token_error::TokenError;
