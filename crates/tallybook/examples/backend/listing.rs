//! Lists: filters by query parameters, and pages by cursors.

use axum::Json;
use axum::extract::Query;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tallybook::tables::{Cursor, Filter, Page, Repository, Table};

use super::consistency::Read;
use super::failure::Failure;

const DEFAULT_ROWS: u32 = 50;
const MAX_ROWS: u32 = 200;

/// A table that clients list.
pub(crate) trait Listed: Table + Serialize {
    /// The query parameters.
    type Query: DeserializeOwned + Send;

    /// Returns the filter, the cursor, and the number of rows.
    fn listing(query: Self::Query) -> (Filter, Option<Cursor<Self>>, Option<u32>);
}

/// Declares the query parameters of a list, each with its condition. All are optional; `after` is the cursor of the page
/// before, and `limit` the number of rows. Other parameters are refused.
macro_rules! listed {
    ($table:ident { $($name:ident: $ty:ty => $condition:literal),* $(,)? }) => {
        const _: () = {
            #[derive(serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(crate) struct Parameters {
                $($name: Option<$ty>,)*
                after: Option<tallybook::tables::Cursor<$table>>,
                limit: Option<u32>,
            }

            impl Listed for $table {
                type Query = Parameters;

                fn listing(
                    query: Parameters,
                ) -> (tallybook::tables::Filter, Option<tallybook::tables::Cursor<$table>>, Option<u32>) {
                    let filter = tallybook::tables::Filter::all();
                    $(let filter = filter.and_some($condition, query.$name);)*
                    (filter, query.after, query.limit)
                }
            }
        };
    };
}

pub(crate) use listed;

/// Returns a page of a list, newest first, and the cursor of the next one.
pub(crate) async fn list<T: Listed>(
    Query(query): Query<T::Query>,
    Read(mut session): Read,
) -> Result<Json<Page<T>>, Failure> {
    let (filter, after, limit) = T::listing(query);
    let limit = limit.unwrap_or(DEFAULT_ROWS).min(MAX_ROWS);
    let mut rows = Repository::<_, T>::new(&mut session);
    Ok(Json(rows.get_page_where(filter, after.as_ref(), limit).await?))
}
