//! Who may see a dashboard.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, Uri};

use super::logins::{LoggedIn, Logins};
use crate::access::Scope;
use crate::app::App;
use crate::request::{Hosts, Kind, Problem};

/// The scope that a token needs, as for metrics.
const NEEDED: Scope = Scope::Admin;

/// Who may see a dashboard. Cloning is cheap.
#[derive(Clone)]
pub(super) enum Guard {
    /// Everybody: the router that it is part of decides.
    None,
    /// Everybody who calls it by one of its names.
    Hosts(Hosts),
    /// Those whom the service lets in, by a token or by a log-in with one.
    Service(App, Arc<Logins>),
}

/// The permission of one request. It may be asked again while the answer is being sent.
#[derive(Clone)]
pub(super) struct Permission {
    guard: Guard,
    token_id: i64,
    login: Option<u64>,
}

impl Guard {
    /// Returns the guard of a service.
    pub(super) fn of_service(app: App) -> Self {
        Self::Service(app, Arc::default())
    }

    /// Lets a request in, or says why not.
    pub(super) async fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Permission, Problem> {
        self.check_host(uri, headers)?;
        let Self::Service(app, logins) = self else { return Ok(self.permission(0, None)) };
        match logins.of(headers, Instant::now()) {
            Some(LoggedIn { number, token_id }) => {
                if app.gate().still_lets_in(app.db(), token_id, NEEDED).await? {
                    return Ok(self.permission(token_id, Some(number)));
                }
                logins.end(number);
                Err(Problem::new(Kind::NOT_AUTHENTICATED, "the token of this log-in was revoked"))
            }
            None => {
                let client = app.gate().check(app.db(), headers, NEEDED).await?;
                Ok(self.permission(client.token_id, None))
            }
        }
    }

    /// Refuses a request that calls by another name, or that a page of another site sends.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::None => {}
            Self::Hosts(hosts) => hosts.check(uri, headers)?,
            Self::Service(app, _) => app.hosts().check(uri, headers)?,
        }
        let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        let is_link = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        if is_foreign && !is_link {
            return Err(Problem::new(Kind::NOT_ALLOWED, "a page of another site sent this request"));
        }
        Ok(())
    }

    /// Logs a browser in. Returns the header that sets its cookie.
    pub(super) async fn log_in(&self, token: &str) -> Result<String, Problem> {
        let Self::Service(app, logins) = self else {
            return Err(Problem::new(Kind::NO_PATH, "this dashboard has no log-in"));
        };
        let client = app.gate().check_token(app.db(), token, NEEDED).await?;
        let cookie = logins.begin(client.token_id, app.settings().has_tls, Instant::now());
        cookie.ok_or_else(|| Problem::new(Kind::INTERNAL, "the system gives no random bytes"))
    }

    /// Ends the log-in of a request, if it has one. Returns the header that removes its cookie.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> String {
        let Self::Service(app, logins) = self else { return Logins::no_cookie(false) };
        if let Some(login) = logins.of(headers, Instant::now()) {
            logins.end(login.number);
        }
        Logins::no_cookie(app.settings().has_tls)
    }

    fn permission(&self, token_id: i64, login: Option<u64>) -> Permission {
        Permission { guard: self.clone(), token_id, login }
    }
}

impl Permission {
    /// Returns whether it is that of a log-in, which can be ended.
    pub(super) fn is_logged_in(&self) -> bool {
        self.login.is_some()
    }

    /// Returns whether it still holds: the token is not revoked, and the log-in has not ended.
    pub(super) async fn holds(&self) -> bool {
        let Guard::Service(app, logins) = &self.guard else { return true };
        if self.login.is_some_and(|number| !logins.hold(number, Instant::now())) {
            return false;
        }
        // While the database does not answer, the viewer should see that.
        app.gate().still_lets_in(app.db(), self.token_id, NEEDED).await.unwrap_or(true)
    }
}
