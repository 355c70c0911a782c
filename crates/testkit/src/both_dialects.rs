//! Runs a test on both databases.

/// Declares tests that run on SQLite and on PostgreSQL: each becomes a module with the tests `sqlite` and
/// `postgres`, and gets the URL of an empty database of its own.
///
/// ```
/// tallybook_testkit::both_dialects! {
///     async fn a_url_names_its_engine(url: &str) {
///         assert!(url.starts_with("sqlite:") || url.starts_with("postgresql:"));
///     }
/// }
/// ```
#[macro_export]
macro_rules! both_dialects {
    ($(async fn $name:ident($url:ident: &str) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn case($url: &str) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let file = $crate::SqliteFile::new(stringify!($name));
                case(&file.url()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let database = $crate::postgres().await.database(stringify!($name)).await;
                case(database.url()).await;
            }
        }
    )*};
}
