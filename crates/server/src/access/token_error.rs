//! Why a token is not made or revoked.

/// Why a token is not made or revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The name is empty.
    #[error("give the token a name; the journal of writes shows it")]
    NoName,
    /// Another token has the name.
    #[error(
        "a token {0:?} exists already; names of revoked tokens stay taken, so that the journal of writes is clear"
    )]
    Taken(String),
    /// No token has the name.
    #[error("there is no token {0:?}; see `tallybook token list`")]
    Missing(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(String),
    /// The database reports an error.
    #[error(transparent)]
    Database(#[from] tallybook::tables::Error),
}

impl From<tallybook::Error> for TokenError {
    fn from(error: tallybook::Error) -> Self {
        Self::Database(error.into())
    }
}
