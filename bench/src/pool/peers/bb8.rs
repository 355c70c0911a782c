//! bb8-postgres, which pings on every check-out unless told not to.

use anyhow::Result;
use bb8::{Pool, PooledConnection};
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::NoTls;

use crate::connections::CONNECTIONS;
use crate::pool::peer::Peer;

type Manager = PostgresConnectionManager<NoTls>;

pub(super) struct Bb8(Pool<Manager>);

impl Bb8 {
    pub(super) async fn open(url: &str, test: bool) -> Result<Self> {
        let size = u32::try_from(CONNECTIONS)?;
        let manager = Manager::new(url.parse()?, NoTls);
        Ok(Self(Pool::builder().max_size(size).min_idle(size).test_on_check_out(test).build(manager).await?))
    }
}

impl Peer for Bb8 {
    type Held = PooledConnection<'static, Manager>;

    async fn check_out(&self) -> Result<Self::Held> {
        Ok(self.0.get_owned().await?)
    }

    /// It keeps no prepared statements; this way one still takes a single round trip.
    async fn ask(held: &mut Self::Held) -> Result<i64> {
        Ok(held.query_typed_one("SELECT 1::bigint", &[]).await?.try_get(0)?)
    }
}
