//! tokio-postgres and deadpool by hand, with all statements of a question on the way at once. Reads have no transaction
//! around them, so each sees a snapshot of its own.

use anyhow::Result;
use deadpool_postgres::Pool;
use tokio::try_join;

use super::deadpool::{all, one, pool, single};
use super::recording::record_pipelined;
use crate::book::by_hand::Identifiers;
use crate::book::contestant::Peer;
use crate::book::rows::{Answer, Plain, with_executions, with_positions};
use crate::book::sql;
use crate::book::work::{NEWEST, Question};

pub(super) struct Pipelined {
    pool: Pool,
    identifiers: Identifiers,
}

impl Pipelined {
    pub(super) fn open(url: &str) -> Result<Self> {
        Ok(Self { pool: pool(url)?, identifiers: Identifiers::of("pipelined") })
    }
}

impl Peer for Pipelined {
    type Answer = Plain;

    const RECORDS: bool = true;

    async fn ask(&self, question: &Question) -> Result<Plain> {
        let mut client = self.pool.get().await?;
        Ok(match question {
            Question::Relations(id) => {
                let values: [_; 1] = [id as _];
                let (portfolio, positions, trades, sessions) = try_join!(
                    one(&client, sql::PORTFOLIO, &values),
                    all(&client, sql::POSITIONS, &values),
                    all(&client, sql::TRADES, &values),
                    all(&client, sql::SESSIONS, &values),
                )?;
                Answer::Relations((portfolio, positions, trades, sessions))
            }
            Question::Executions(id) => {
                let newest = i64::from(NEWEST);
                let values: [_; 2] = [id as _, &newest as _];
                let (trades, executions) = try_join!(
                    all(&client, sql::NEWEST_TRADES, &values),
                    all(&client, sql::EXECUTIONS_OF_NEWEST_BY_ARRAY, &values),
                )?;
                with_executions(trades, executions)
            }
            Question::Portfolios(ids) => {
                let values: [_; 1] = [ids as _];
                let (portfolios, positions) = try_join!(
                    all(&client, sql::array::PORTFOLIOS, &values),
                    all(&client, sql::array::POSITIONS, &values),
                )?;
                with_positions(portfolios, positions)
            }
            Question::Record(fill) => {
                record_pipelined(&mut client, fill, &self.identifiers.next()).await?;
                Answer::Written
            }
            _ => single(&mut client, question).await?,
        })
    }
}
