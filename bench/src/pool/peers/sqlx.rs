//! sqlx's pool, which pings on every check-out unless told not to, and always on return.

use anyhow::Result;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Postgres, query_scalar};

use crate::connections::CONNECTIONS;
use crate::pool::peer::Peer;

pub(super) struct Sqlx(PgPool);

impl Sqlx {
    pub(super) async fn open(url: &str, test: bool) -> Result<Self> {
        let size = u32::try_from(CONNECTIONS)?;
        let options = PgPoolOptions::new().max_connections(size).min_connections(size);
        Ok(Self(options.test_before_acquire(test).connect(url).await?))
    }
}

impl Peer for Sqlx {
    type Held = PoolConnection<Postgres>;

    async fn check_out(&self) -> Result<Self::Held> {
        Ok(self.0.acquire().await?)
    }

    async fn ask(held: &mut Self::Held) -> Result<i64> {
        Ok(query_scalar("SELECT 1::bigint").fetch_one(&mut **held).await?)
    }
}
