//! deadpool-postgres as its documentation recommends it.

use std::time::Duration;

use anyhow::Result;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

use crate::connections::CONNECTIONS;
use crate::pool::peer::Peer;

pub(super) struct Deadpool(Pool);

impl Deadpool {
    /// It has no time-out of its own accord; the others wait 30 s at most.
    pub(super) fn open(url: &str, timeout: Option<Duration>) -> Result<Self> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.parse()?, NoTls, config);
        let pool =
            Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).wait_timeout(timeout);
        Ok(Self(pool.build()?))
    }
}

impl Peer for Deadpool {
    type Held = Object;

    async fn check_out(&self) -> Result<Object> {
        Ok(self.0.get().await?)
    }

    async fn ask(held: &mut Object) -> Result<i64> {
        let statement = held.prepare_cached("SELECT 1::bigint").await?;
        Ok(held.query_one(&statement, &[]).await?.try_get(0)?)
    }
}
