//! The table `audit_logs`: one row for each change, in the transaction of the change.

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::tables::{Id, IdOf, Repository, Result, Table};
use tallybook::{Database, Error as DatabaseError, WriteSession, now};

use super::failure::Failure;
use super::listing::{Listed, listed};
use super::users::User;

/// Which user did what.
#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "audit_logs", order = created_at, new = NewAuditLog)]
pub(crate) struct AuditLog {
    pub(crate) id: Id<AuditLog>,
    pub(crate) user_id: Option<Id<User>>,
    #[table(max = 100)]
    pub(crate) action: String,
    #[table(max = 100)]
    pub(crate) resource_type: Option<String>,
    #[table(max = 255)]
    pub(crate) resource_id: Option<String>,
    /// The row as it was written, as JSON text, without secrets.
    pub(crate) details: Option<String>,
    #[table(max = 50)]
    pub(crate) ip_address: Option<String>,
    #[table(max = 500)]
    pub(crate) user_agent: Option<String>,
    #[table(max = 20)]
    pub(crate) status: String,
    pub(crate) created_at: DateTime<Utc>,
}

listed!(AuditLog {
    user_id: Id<User> => "user_id = $1",
    action: String => "action = $1",
    resource_type: String => "resource_type = $1",
    resource_id: String => "resource_id = $1",
});

/// The author of a request, as the gateway in front of this service tells: `x-user-id` and `x-forwarded-for`.
pub(crate) struct Actor {
    user_id: Option<Id<User>>,
    ip_address: Option<String>,
    user_agent: Option<String>,
}

impl FromRequestParts<Database> for Actor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Database) -> Result<Self, Failure> {
        let header = |name| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        let user_id = match parts.headers.get("x-user-id") {
            None => None,
            Some(id) => Some(
                id.to_str()
                    .ok()
                    .and_then(|id| id.parse::<i64>().ok())
                    .ok_or_else(|| Failure::bad_request("the header x-user-id holds no identifier"))?,
            ),
        };
        Ok(Self {
            user_id: user_id.map(Id::new),
            ip_address: header("x-forwarded-for"),
            user_agent: header(USER_AGENT.as_str()),
        })
    }
}

impl Actor {
    /// Logs that a row was written.
    pub(crate) async fn log<T: Table + Serialize>(
        &self,
        session: &mut WriteSession,
        action: &str,
        row: &T,
    ) -> Result<()> {
        let details = serde_json::to_string(row)
            .map_err(|problem| DatabaseError::invalid_value("details", problem.to_string()))?;
        self.log_of::<T>(session, action, row.id(), Some(details)).await
    }

    pub(crate) async fn log_of<T: Table>(
        &self,
        session: &mut WriteSession,
        action: &str,
        id: IdOf<T>,
        details: Option<String>,
    ) -> Result<()> {
        let log = NewAuditLog {
            user_id: self.user_id,
            action: action.to_owned(),
            resource_type: Some(T::NAME.to_owned()),
            resource_id: Some(id.to_string()),
            details,
            ip_address: self.ip_address.clone(),
            user_agent: self.user_agent.clone(),
            status: "ok".to_owned(),
            created_at: now(),
        };
        Repository::<_, AuditLog>::new(session).create(&log).await.map(drop)
    }
}
