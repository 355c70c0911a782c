//! What both kinds of session do with a batch: send it, count it, report it.

use crate::driver::Bounds;
use crate::error::Result;
use crate::observe::{Event, Log};
use crate::pool::Checkout;
use crate::query::{Batch, queries};
use crate::session::Counts;

/// A connection on loan with its counts and the log.
pub(super) struct Lane {
    pub(super) connection: Checkout,
    pub(super) counts: Counts,
    pub(super) log: Log,
}

impl Lane {
    pub(super) fn new(connection: Checkout, log: Log) -> Self {
        Self { connection, counts: Counts::default(), log }
    }

    pub(super) async fn fly<B: Batch>(&mut self, mut batch: B, bounds: Bounds) -> Result<B::Output> {
        self.counts.statements += queries(&mut batch).len() as u64;
        self.counts.round_trips += 1;
        match self.connection.fly(batch, bounds).await {
            Ok(mut batch) => {
                self.report(&mut batch);
                batch.finish()
            }
            Err(error) => {
                self.log.on(&Event::Failed { error: &error });
                Err(error)
            }
        }
    }

    fn report<B: Batch>(&mut self, batch: &mut B) {
        let engine = self.connection.engine();
        for query in queries(batch) {
            let request = query.request();
            self.counts.rows += request.rows;
            let sql = request.statement.sql(engine);
            self.log.on(&Event::Statement { sql, elapsed: request.elapsed, rows: request.rows });
        }
    }
}
