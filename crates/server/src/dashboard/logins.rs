//! Log-ins of browsers: a random cookie each, kept in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hexadecimal::hexadecimal;

/// The name of the cookie.
const NAME: &str = "tallybook_dashboard";
/// The time after which a log-in ends.
const LIVES: Duration = Duration::from_secs(12 * 60 * 60);
/// Log-ins that are remembered; the oldest is forgotten first.
const MAX_LOGINS: usize = 1_000;

/// The log-ins of one service.
#[derive(Debug, Default)]
pub(super) struct Logins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    last: u64,
    logins: HashMap<u64, Login>,
}

/// A log-in, without its secret.
#[derive(Debug)]
struct Login {
    hash: [u8; 32],
    token_id: i64,
    ends: Instant,
}

/// A log-in that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoggedIn {
    pub(super) number: u64,
    pub(super) token_id: i64,
}

impl Logins {
    /// Remembers a log-in with a token. Returns the header that sets its cookie, or `None` if the system gives no random bytes.
    pub(super) fn begin(&self, token_id: i64, secure: bool, now: Instant) -> Option<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        let secret = hexadecimal(&bytes);
        let mut known = self.known();
        known.forget_ended(now);
        known.last += 1;
        let number = known.last;
        known.logins.insert(number, Login { hash: hash(&secret), token_id, ends: now + LIVES });
        Some(cookie(&format!("{number}.{secret}"), LIVES, secure))
    }

    /// Returns the log-in of a request's cookie, if it holds.
    pub(super) fn of(&self, headers: &HeaderMap, now: Instant) -> Option<LoggedIn> {
        let (number, secret) = cookie_of(headers)?.split_once('.')?;
        let number = number.parse().ok()?;
        let known = self.known();
        let login = known.logins.get(&number).filter(|login| login.ends > now)?;
        let is_own: bool = hash(secret).ct_eq(&login.hash).into();
        is_own.then_some(LoggedIn { number, token_id: login.token_id })
    }

    /// Returns whether a log-in still holds.
    pub(super) fn hold(&self, number: u64, now: Instant) -> bool {
        self.known().logins.get(&number).is_some_and(|login| login.ends > now)
    }

    /// Ends a log-in.
    pub(super) fn end(&self, number: u64) {
        self.known().logins.remove(&number);
    }

    /// Returns the header that removes the cookie.
    pub(super) fn no_cookie(secure: bool) -> String {
        cookie("", Duration::ZERO, secure)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Makes room for a log-in.
    fn forget_ended(&mut self, now: Instant) {
        self.logins.retain(|_, login| login.ends > now);
        if self.logins.len() >= MAX_LOGINS {
            let oldest = self.logins.keys().min().copied();
            oldest.map(|oldest| self.logins.remove(&oldest));
        }
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn cookie(value: &str, lives: Duration, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", lives.as_secs())
}

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs =
        cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookie: &str) -> HeaderMap {
        let value = format!("theme=dark; {}", cookie.split(';').next().unwrap());
        HeaderMap::from_iter([(COOKIE, value.parse().unwrap())])
    }

    #[test]
    fn a_log_in_holds_until_it_ends_and_no_longer_than_half_a_day() {
        let (logins, now) = (Logins::default(), Instant::now());
        let cookie = logins.begin(7, false, now).unwrap();
        assert_eq!(logins.of(&sent(&cookie), now), Some(LoggedIn { number: 1, token_id: 7 }));
        assert_eq!(logins.of(&sent(&cookie), now + LIVES), None);
        logins.end(1);
        assert_eq!((logins.of(&sent(&cookie), now), logins.hold(1, now)), (None, false));
    }

    #[test]
    fn a_cookie_with_another_secret_or_number_is_refused() {
        let (logins, now) = (Logins::default(), Instant::now());
        let first = logins.begin(1, false, now).unwrap();
        let second = logins.begin(2, false, now).unwrap();
        let mixed = second.replace("=2.", "=1.");
        for wrong in [mixed.as_str(), "tallybook_dashboard=1.", "tallybook_dashboard=x", "other=1.2"] {
            assert_eq!(logins.of(&sent(wrong), now), None, "{wrong}");
        }
        assert!(logins.of(&sent(&first), now).is_some());
    }

    #[test]
    fn scripts_and_other_sites_do_not_see_the_cookie() {
        let cookie = Logins::default().begin(1, true, Instant::now()).unwrap();
        assert!(cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    }

    #[test]
    fn at_most_a_thousand_log_ins_are_remembered() {
        let (logins, now) = (Logins::default(), Instant::now());
        (0..=MAX_LOGINS).for_each(|_| drop(logins.begin(1, false, now)));
        assert!(!logins.hold(1, now) && logins.hold(2, now));
        assert_eq!(logins.known().logins.len(), MAX_LOGINS);
    }
}
