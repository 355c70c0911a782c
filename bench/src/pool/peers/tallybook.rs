//! Tallybook with its defaults, pre-ping among them.

use anyhow::Result;
use tallybook::{Database, ReadSession, one, params};

use crate::connections::settings;
use crate::pool::peer::Peer;

pub(in crate::pool) const NAME: &str = "Tallybook (pre-ping on)";

pub(super) struct Tallybook(Database);

impl Tallybook {
    pub(super) async fn open(url: &str) -> Result<Self> {
        Ok(Self(open(url).await?))
    }
}

impl Peer for Tallybook {
    type Held = ReadSession;

    async fn check_out(&self) -> Result<ReadSession> {
        Ok(self.0.read().await?)
    }

    async fn ask(held: &mut ReadSession) -> Result<i64> {
        let (answer,) = held.run(one::<(i64,)>("SELECT 1::bigint", params![])).await?;
        Ok(answer)
    }
}

/// The defaults, but for the number of connections.
pub(in crate::pool) async fn open(url: &str) -> Result<Database> {
    Ok(Database::open(settings(url)?).await?)
}
