//! Books that are filled once and copied for each test.

use std::future::Future;

use tallybook::Database;
use tallybook_testkit::Original;

use crate::support::book;

/// A book without rows.
pub(crate) static EMPTY: Original = Original::new("empty", |url| Box::pin(filled(url, async |_| {})));

/// Creates a book and fills it.
pub(crate) async fn filled<F: Future<Output = ()>>(url: String, fill: impl FnOnce(Database) -> F) {
    fill(book(&url).await).await;
}

/// As `both_dialects!`, with a copy for each test, which is open.
macro_rules! on_copies {
    (of $original:path: $(async fn $name:ident($db:ident: &Database) $body:block)*) => {
        tallybook_testkit::both_dialects! { of $original: $(
            async fn $name(url: &str) {
                let $db: &Database = &crate::support::open(url).await;
                $body
            }
        )* }
    };
}

pub(crate) use on_copies;
