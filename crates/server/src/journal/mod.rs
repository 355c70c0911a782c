//! The journal of writes: who changed what, and the answers that idempotency keys are given again. Its rows are written in the
//! transaction of the change, so there is none without the other.

mod entry;
mod running;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tallybook::tables::{Filter, Repository, Table};
use tallybook::{Database, Session, WriteSession, execute, now, optional, params};

pub use entry::Entry;
use entry::NewEntry;
pub(crate) use running::RunningKeys;

use crate::access::Client;
use crate::hexadecimal::hexadecimal;
use crate::request::{Kind, Problem, RequestId};

/// The header of an idempotency key (draft-ietf-httpapi-idempotency-key-header).
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// For this long a key answers as it did the first time.
pub(crate) const KEYS_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

const MAX_KEY: usize = 255;

/// An idempotency key, with the hash of the request that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    fingerprint: String,
}

impl Key {
    /// Returns the key of a request, if it has one.
    pub(crate) fn of(
        headers: &HeaderMap,
        method: &str,
        path_and_query: &str,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        // The draft makes it a structured string; most clients send it bare.
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if values.next().is_some() || text.is_empty() || text.len() > MAX_KEY {
            let detail = format!("must be one text of 1 to {MAX_KEY} visible characters");
            return Err(Problem::parameter("Idempotency-Key", detail));
        }
        let mut hash = Sha256::new();
        for part in [method.as_bytes(), path_and_query.as_bytes(), body] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let fingerprint = hexadecimal(&hash.finalize());
        Ok(Some(Self { text: text.to_owned(), fingerprint }))
    }
}

/// The answer of a write, as it is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    /// The identifier of the row, if the body is one.
    pub(crate) id: Option<i64>,
}

/// A body that is one row.
#[derive(Deserialize)]
struct Row {
    id: i64,
}

/// Returns the answer that a key was given before.
pub(crate) async fn earlier(
    session: &mut impl Session,
    client: &Client,
    key: &Key,
) -> Result<Option<Answer>, Problem> {
    let query = optional::<(String, String, i64)>(
        "SELECT fingerprint, answer, status FROM tallybook_requests WHERE token_id = $1 AND idempotency_key = $2",
        params![client.token_id, key.text],
    );
    let Some((fingerprint, answer, status)) = session.fetch(query).await? else { return Ok(None) };
    if fingerprint != key.fingerprint {
        let detail = "another request had this Idempotency-Key; take a new key for each request";
        return Err(Problem::new(Kind::KEY_REUSED, detail));
    }
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let id = serde_json::from_str::<Row>(&answer).ok().map(|row| row.id);
    Ok(Some(Answer { status: status.unwrap_or(StatusCode::OK), body: answer.into_bytes(), id }))
}

/// The entry of a write in the journal.
pub(crate) struct Write<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request_id: &'a RequestId,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) key: Option<&'a Key>,
}

/// Writes the row of a write and of its answer, as the last statement of the transaction: it commits.
pub(crate) async fn commit_with(
    session: &mut WriteSession,
    write: &Write<'_>,
    answer: &Answer,
) -> Result<(), Problem> {
    let entry = NewEntry {
        token_id: write.client.token_id,
        client: write.client.name.to_string(),
        request_id: write.request_id.to_string(),
        method: write.method.to_owned(),
        path: write.path.to_owned(),
        status: i64::from(answer.status.as_u16()),
        idempotency_key: write.key.map(|key| key.text.clone()),
        fingerprint: write.key.map(|key| key.fingerprint.clone()),
        answer: write.key.map(|_| String::from_utf8_lossy(&answer.body).into_owned()),
        created_at: now(),
    };
    session.run_last(Entry::insert(&entry)).await?;
    Ok(())
}

/// Forgets keys that are older than [`KEYS_LIVE`], with their answers; the rows stay. Returns their number.
pub(crate) async fn forget_old_keys(db: &Database) -> tallybook::Result<u64> {
    let live = chrono::TimeDelta::from_std(KEYS_LIVE).unwrap_or(chrono::TimeDelta::MAX);
    let forget = execute(
        "UPDATE tallybook_requests SET idempotency_key = NULL, fingerprint = NULL, answer = NULL \
         WHERE created_at < $1 AND idempotency_key IS NOT NULL",
        params![now() - live],
    );
    Ok(db.write(async |session| session.run(forget).await).await?.into_value())
}

/// Returns the newest writes, at most `limit`.
///
/// # Errors
/// As the database reports them.
pub async fn newest_writes(db: &Database, limit: u32) -> tallybook::tables::Result<Vec<Entry>> {
    let mut session = db.read().await?;
    Ok(Repository::<_, Entry>::new(&mut session).get_page_where(Filter::all(), None, limit).await?.rows)
}
