//! Tallybook and the peers written by hand, one at a time.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::{deadpool, pipelined, rusqlite, tallybook};
use crate::book::contestant::{Contestant, Entry};
use crate::book::questions::Questions;
use crate::book::target::Target;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) enum ByHand {
    Tallybook,
    Deadpool,
    Pipelined,
    Rusqlite,
}

/// Tallybook first.
pub(in crate::book) const BY_HAND: [ByHand; 4] =
    [ByHand::Tallybook, ByHand::Deadpool, ByHand::Pipelined, ByHand::Rusqlite];

impl ByHand {
    pub(in crate::book) fn name(self) -> &'static str {
        match self {
            Self::Tallybook => "Tallybook",
            Self::Deadpool => "tokio-postgres + deadpool",
            Self::Pipelined => "tokio-postgres, pipelined",
            Self::Rusqlite => "rusqlite",
        }
    }

    pub(in crate::book) fn is_on(self, target: Target) -> bool {
        match self {
            Self::Tallybook => true,
            Self::Deadpool | Self::Pipelined => target == Target::Postgres,
            Self::Rusqlite => target == Target::Sqlite,
        }
    }
}

/// Opens one of them alone.
pub(in crate::book) async fn open(
    peer: ByHand,
    url: &str,
    questions: &Arc<Questions>,
) -> Result<Arc<dyn Contestant>> {
    let name = peer.name();
    Ok(match peer {
        ByHand::Tallybook => Entry::shared(name, tallybook::Tallybook::open(url).await?, questions),
        ByHand::Deadpool => Entry::shared(name, deadpool::Deadpool::open(url)?, questions),
        ByHand::Pipelined => Entry::shared(name, pipelined::Pipelined::open(url)?, questions),
        ByHand::Rusqlite => {
            let file = url.strip_prefix("sqlite:///").context("not a file")?;
            Entry::shared(name, rusqlite::Rusqlite::open(Path::new(file))?, questions)
        }
    })
}
