//! Bulk loads.

use std::future::Future;

use tallybook_core::{Batch, BulkLoad, Dialect, Session, WriteSession, optional, params};

use super::Repository;
use crate::error::Result;
use crate::table::Table;

impl<T: Table> Repository<'_, WriteSession, T> {
    /// Starts a bulk load of rows with their identifiers: COPY on PostgreSQL, prepared inserts on SQLite. The columns are
    /// those of the table's struct; `columns` selects some of them, in another order.
    ///
    /// Call [`sync_sequence`](Self::sync_sequence) after the load if the database generates the identifiers.
    ///
    /// # Errors
    /// Returns an error if the table or a column does not exist.
    #[track_caller]
    pub fn bulk_load(
        &mut self,
        columns: Option<&[&str]>,
    ) -> impl Future<Output = Result<BulkLoad<'_>>> + Send {
        let call = self.call_site();
        async move {
            let own: Vec<&str> = T::COLUMNS.iter().map(|column| column.name).collect();
            Ok(self.session.load_called(T::NAME, columns.unwrap_or(&own), call).await?)
        }
    }
}

impl<T: Table<Key = i64>> Repository<'_, WriteSession, T> {
    /// Advances the identifier sequence beyond all loaded rows. No effect on SQLite, which does so itself.
    #[track_caller]
    pub fn sync_sequence(&mut self) -> impl Future<Output = Result<()>> + Send {
        let query = optional::<(i64,)>(&*T::statements().sync_sequence, params![]).called(self.call_site());
        async move {
            if self.session.dialect() == Dialect::Postgres {
                self.session.run(query).await?;
            }
            Ok(())
        }
    }
}
