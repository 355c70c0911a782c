//! The state that the handlers share.

use std::sync::Arc;
use std::time::Duration;

use tallybook::Database;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::guard::Guard;
use super::problems::OTHER_PROGRAM;
use super::sampler::Sampled;
use crate::request::{Kind, Problem};

/// The time in which the database must have answered, the wait for one's turn included. The doctor takes ten seconds at most.
const LIMIT: Duration = Duration::from_secs(20);

/// The state that the handlers share. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Dashboard {
    pub(super) sampled: Arc<Sampled>,
    pub(super) guard: Guard,
    /// Held by the one request that asks the database.
    pub(super) asking: Arc<Mutex<()>>,
}

impl Dashboard {
    /// Asks the database something, one at a time and not for long.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let asked = async {
            let _turn = self.asking.lock().await;
            question.await
        };
        let late = |_| Problem::new(Kind::TIME_OUT, "the database did not answer in time; try again");
        timeout(LIMIT, asked).await.map_err(late)?
    }

    /// Returns the database, if it is that of this program.
    pub(super) fn database(&self) -> Result<&Database, Problem> {
        let other = "not available: this page watches another program, which serves its figures only";
        self.sampled.source.database().ok_or_else(|| Problem::new(OTHER_PROGRAM, other))
    }
}
