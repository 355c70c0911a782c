//! One kind of read, by one way.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use tallybook::{CommitToken, Database, ReadSession, one, params};

/// What is done.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Trial {
    /// A session is taken and given back.
    Session,
    /// It reads one row, from the only replica there is: the server that is also asked directly.
    Row,
    /// It reads one row, from one of two replicas.
    RowOfTwo,
}

/// How the session is asked for.
pub(super) enum Way<'a> {
    Read(&'a Database),
    After(&'a Database, CommitToken),
}

impl Trial {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "a session, unused; two replicas",
            Self::Row => "a session that reads one row; one replica",
            Self::RowOfTwo => "a session that reads one row; two replicas",
        }
    }

    /// Nanoseconds each.
    pub(super) async fn run(self, way: &Way<'_>, reads: u32) -> Result<f64> {
        let start = Instant::now();
        for _ in 0..reads {
            let session = way.session().await?;
            self.with(session).await?;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(reads))
    }

    async fn with(self, mut session: ReadSession) -> Result<()> {
        if matches!(self, Self::Row | Self::RowOfTwo) {
            session.run(one::<(i64,)>("SELECT 1::bigint", params![])).await?;
        }
        Ok(())
    }
}

impl Way<'_> {
    async fn session(&self) -> Result<ReadSession> {
        Ok(match self {
            Self::Read(db) => db.read().await?,
            Self::After(db, token) => db.read_after(token).await?,
        })
    }
}
