//! The gate: it knows the client of each request, or refuses the request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use tallybook::Database;
use tallybook::tables::Repository;

use super::rate::Rate;
use super::token::TokenText;
use super::{Client, Scope, Token};
use crate::request::{Kind, Problem};

/// For this long a token is believed to be what it was: the longest time that a revoked one is served.
const BELIEVED: Duration = Duration::from_secs(5);
/// Tokens that are remembered, those that were never made included.
const MAX_REMEMBERED: usize = 10_000;

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Gate {
    is_required: bool,
    known: Mutex<HashMap<i64, Remembered>>,
}

#[derive(Clone, Debug)]
struct Remembered {
    /// `None` for one that does not exist or is revoked.
    token: Option<Arc<Known>>,
    read_at: Instant,
    rate: Option<Rate>,
}

#[derive(Debug)]
struct Known {
    hash: String,
    client: Client,
}

impl Gate {
    pub(crate) fn new(is_required: bool) -> Self {
        Self { is_required, known: Mutex::default() }
    }

    /// Returns the client of a request, if it may do what needs this scope.
    pub(crate) async fn check(
        &self,
        db: &Database,
        headers: &HeaderMap,
        needed: Scope,
    ) -> Result<Client, Problem> {
        match headers.get(AUTHORIZATION) {
            Some(header) => {
                let token = header.to_str().ok().and_then(bearer).unwrap_or_default();
                self.check_token(db, token, needed).await
            }
            None if self.is_required => {
                let detail = "send `Authorization: Bearer <token>`; `tallybook token create` makes one";
                Err(Problem::new(Kind::NOT_AUTHENTICATED, detail))
            }
            None => Ok(Client { token_id: 0, name: Arc::from("local"), scope: Scope::Admin }),
        }
    }

    /// Returns the client of a token, if it may do what needs this scope.
    pub(crate) async fn check_token(
        &self,
        db: &Database,
        token: &str,
        needed: Scope,
    ) -> Result<Client, Problem> {
        let refused = || Problem::new(Kind::NOT_AUTHENTICATED, "the token is not valid, or it was revoked");
        let text: TokenText = token.trim().parse().map_err(|()| refused())?;
        let known = self.known_token(db, text.id()).await?;
        let known = known.filter(|known| text.is_of(&known.hash)).ok_or_else(refused)?;
        self.take(text.id(), Instant::now())?;
        let client = known.client.clone();
        if client.scope < needed {
            let detail = format!("this needs the scope `{needed}`, and the token has `{}`", client.scope);
            return Err(Problem::new(Kind::NOT_ALLOWED, detail));
        }
        Ok(client)
    }

    /// Returns whether a client that was let in before may still do what needs this scope.
    pub(crate) async fn still_lets_in(
        &self,
        db: &Database,
        token_id: i64,
        needed: Scope,
    ) -> Result<bool, Problem> {
        if token_id == 0 {
            return Ok(!self.is_required);
        }
        Ok(self.known_token(db, token_id).await?.is_some_and(|known| known.client.scope >= needed))
    }

    /// Returns a token by its identifier, if it exists and is not revoked.
    async fn known_token(&self, db: &Database, id: i64) -> Result<Option<Arc<Known>>, Problem> {
        let now = Instant::now();
        if let Some(token) = self.remembered(id, now) {
            return Ok(token);
        }
        let mut session = db.read().await?;
        let token = Repository::<_, Token>::new(&mut session).get(id.into()).await?;
        Ok(self.remember(id, token.filter(|token| token.revoked_at.is_none()), now))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Remembered>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, id: i64, now: Instant) -> Option<Option<Arc<Known>>> {
        let known = self.known();
        let remembered = known.get(&id)?;
        (now - remembered.read_at < BELIEVED).then(|| remembered.token.clone())
    }

    fn remember(&self, id: i64, token: Option<Token>, now: Instant) -> Option<Arc<Known>> {
        let mut known = self.known();
        if known.len() >= MAX_REMEMBERED && !known.contains_key(&id) {
            known.retain(|_, remembered| now - remembered.read_at < BELIEVED && remembered.token.is_some());
        }
        let per_second = token.as_ref().and_then(|token| u32::try_from(token.requests_per_second?).ok());
        // The bucket outlives the row: a token that is read again does not begin with a full one.
        let earlier = known.get(&id).and_then(|remembered| remembered.rate);
        let rate = per_second.map(|per_second| earlier.unwrap_or_else(|| Rate::new(per_second, now)));
        let token = token.map(|token| {
            let client = Client { token_id: id, name: token.name.into(), scope: token.scope };
            Arc::new(Known { hash: token.hash, client })
        });
        known.insert(id, Remembered { token: token.clone(), read_at: now, rate });
        token
    }

    /// Counts a request of a token against its rate.
    fn take(&self, id: i64, now: Instant) -> Result<(), Problem> {
        let mut known = self.known();
        let Some(rate) = known.get_mut(&id).and_then(|remembered| remembered.rate.as_mut()) else {
            return Ok(());
        };
        rate.take(now).map_err(|wait| {
            let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
            Problem::new(Kind::TOO_MANY, "the token has used its requests of this second")
                .retry_after(seconds)
        })
    }
}

/// Returns the token in `Bearer <token>`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
