//! deadpool-postgres as its documentation recommends it.

use anyhow::Result;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio_postgres::NoTls;

use crate::pool::CONNECTIONS;
use crate::pool::contestant::Peer;

pub(super) struct Deadpool(Pool);

impl Deadpool {
    pub(super) fn open(url: &str) -> Result<Self> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.parse()?, NoTls, config);
        Ok(Self(Pool::builder(manager).max_size(CONNECTIONS).build()?))
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
