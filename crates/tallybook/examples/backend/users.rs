//! The tables `users` and `api_keys`. Neither a password's hash nor a key ever leaves the service.

use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::book::Portfolio;
use tallybook::tables::{Aggregate, Id, Table};
use tallybook::{Database, TextEnum, now};

use super::audit::Actor;
use super::consistency::Written;
use super::failure::Failure;
use super::listing::{Listed, listed};
use super::managers::PortfolioManager;

#[derive(Clone, Debug, PartialEq, TextEnum)]
#[text_enum(pg_enum, serde)]
pub(crate) enum Role {
    #[text = "admin"]
    Admin,
    #[text = "trader"]
    Trader,
    #[text = "viewer"]
    Viewer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "users", new = NewUser, changes = UserChanges, serde)]
pub(crate) struct User {
    pub(crate) id: Id<User>,
    #[table(max = 50)]
    pub(crate) username: String,
    #[table(max = 255)]
    pub(crate) email: String,
    /// The gateway in front of this service hashes passwords.
    #[table(max = 255)]
    #[serde(skip_serializing)]
    pub(crate) hashed_password: String,
    #[table(max = 255)]
    pub(crate) full_name: Option<String>,
    pub(crate) role: Role,
    pub(crate) is_active: bool,
    #[table(default)]
    pub(crate) is_superuser: bool,
    #[table(fixed, default = "now")]
    pub(crate) created_at: DateTime<Utc>,
    #[table(touch, default = "now")]
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) last_login_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "api_keys", noun = "API key", new = NewApiKey, changes = ApiKeyChanges, repository = ApiKeys, serde)]
pub(crate) struct ApiKey {
    pub(crate) id: Id<ApiKey>,
    #[table(max = 255, fixed)]
    #[serde(skip_serializing)]
    pub(crate) key: String,
    #[table(max = 255)]
    pub(crate) name: String,
    #[table(fixed)]
    pub(crate) user_id: Id<User>,
    pub(crate) is_active: bool,
    #[table(fixed, default = "now")]
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

listed!(User {
    username: String => "username = $1",
    role: Role => "role = $1",
    is_active: bool => "is_active = $1",
});
listed!(ApiKey {
    user_id: Id<User> => "user_id = $1",
    is_active: bool => "is_active = $1",
});

/// A user with what gives access: the keys that work, and the portfolios that he or she manages.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct UserWithAccess {
    #[root]
    pub(crate) user: User,
    #[many(filter = "is_active")]
    pub(crate) api_keys: Vec<ApiKey>,
    #[many(through = PortfolioManager)]
    pub(crate) portfolios: Vec<Portfolio>,
}

/// Revokes a key for good.
pub(crate) async fn revoke(
    State(db): State<Database>,
    Path(id): Path<Id<ApiKey>>,
    actor: Actor,
) -> Result<Written<ApiKey>, Failure> {
    let revoked = db.write(async |session| -> Result<ApiKey, Failure> {
        let key = ApiKeys::new(session).update(id, ApiKeyChanges::new().is_active(false)).await?;
        actor.log(session, "revoke", &key).await?;
        Ok(key)
    });
    Ok(revoked.await?.into())
}
