//! Endpoints that work for every table.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tallybook::Database;
use tallybook::tables::{ColumnSet, Editable, IdOf, Load, Repository, Result, Table, Touched};

use super::audit::Actor;
use super::budget::Within;
use super::consistency::{COMMIT_TOKEN, Read, Written};
use super::failure::Failure;
use super::listing::{Listed, list};

/// `GET path` lists rows, and `GET path/{id}` returns one.
pub(crate) fn reads<T: Listed>(path: &str) -> Router<Database>
where
    T::Key: DeserializeOwned,
{
    Router::new()
        // One more where an SQLite file has times in foreign spellings.
        .route(path, get(list::<T>).within(2, 2))
        .route(&format!("{path}/{{id}}"), get(load::<T>).within(1, 1))
}

/// `POST path` creates a row.
pub(crate) fn creates<T: Table + Serialize>(path: &str) -> Router<Database>
where
    T::New: DeserializeOwned + Send,
{
    Router::new().route(path, post(create::<T>).within(2, 2))
}

/// `PATCH path` changes the columns of a row that the body has.
pub(crate) fn updates<T: Touched + Serialize>(path: &str) -> Router<Database>
where
    T::Key: DeserializeOwned,
    T::Changes: DeserializeOwned,
{
    Router::new().route(path, patch(update::<T>).within(2, 2))
}

/// `DELETE path` deletes a row.
pub(crate) fn deletes<T: Editable>(path: &str) -> Router<Database>
where
    T::Key: DeserializeOwned,
{
    Router::new().route(path, delete(remove::<T>).within(2, 2))
}

/// Returns a row, or an aggregate of a row and its relations.
pub(crate) async fn load<A: Load + Serialize>(
    Path(id): Path<IdOf<A::Root>>,
    Read(mut session): Read,
) -> Result<Json<A>, Failure>
where
    <A::Root as Table>::Key: DeserializeOwned,
{
    let loaded = Repository::<_, A::Root>::new(&mut session).load::<A>(id).await?;
    loaded.map(Json).ok_or_else(|| Failure::missing::<A::Root>(id))
}

/// Creates a row. The change and its audit log are one transaction.
async fn create<T: Table + Serialize>(
    State(db): State<Database>,
    actor: Actor,
    Json(new): Json<T::New>,
) -> Result<Written<T>, Failure>
where
    T::New: DeserializeOwned,
{
    let created = db.write(async |session| -> Result<T> {
        let row = Repository::<_, T>::new(session).create(&new).await?;
        actor.log(session, "create", &row).await?;
        Ok(row)
    });
    Ok(Written::from(created.await?).created())
}

/// A table whose rows clients name by these columns.
pub(crate) trait Named: Table {
    /// Returns the columns.
    fn unique() -> impl ColumnSet<Self> + Send;
}

/// Creates a row, or updates the one of its name.
pub(crate) async fn upsert<T: Named + Editable + Serialize>(
    State(db): State<Database>,
    actor: Actor,
    Json(new): Json<T::New>,
) -> Result<Written<T>, Failure>
where
    T::New: DeserializeOwned,
{
    let put = db.write(async |session| -> Result<T> {
        let row = Repository::<_, T>::new(session).upsert(&new, T::unique()).await?;
        actor.log(session, "put", &row).await?;
        Ok(row)
    });
    Ok(put.await?.into())
}

/// The version of the row that the client saw.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Its `updated_at`. Without it, the update overwrites what others wrote since.
    expecting: Option<DateTime<Utc>>,
}

async fn update<T: Touched + Serialize>(
    State(db): State<Database>,
    Path(id): Path<IdOf<T>>,
    Query(Expected { expecting }): Query<Expected>,
    actor: Actor,
    Json(changes): Json<T::Changes>,
) -> Result<Written<T>, Failure>
where
    T::Key: DeserializeOwned,
    T::Changes: DeserializeOwned,
{
    let updated = db.write(async |session| -> Result<T> {
        let mut rows = Repository::<_, T>::new(session);
        let update = rows.update(id, changes);
        let row = match expecting {
            Some(updated_at) => update.expecting(updated_at).await?,
            None => update.await?,
        };
        actor.log(session, "update", &row).await?;
        Ok(row)
    });
    Ok(updated.await?.into())
}

async fn remove<T: Editable>(
    State(db): State<Database>,
    Path(id): Path<IdOf<T>>,
    actor: Actor,
) -> Result<(StatusCode, [(HeaderName, String); 1]), Failure>
where
    T::Key: DeserializeOwned,
{
    let deleted = db.write(async |session| -> Result<(), Failure> {
        if !Repository::<_, T>::new(session).delete(id).await? {
            return Err(Failure::missing::<T>(id));
        }
        Ok(actor.log_of::<T>(session, "delete", id, None).await?)
    });
    let token = deleted.await?.token();
    Ok((StatusCode::NO_CONTENT, [(COMMIT_TOKEN, token.to_string())]))
}
