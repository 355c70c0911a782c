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
///
/// With `of` and an [`Original`](crate::Original) in front of the tests, each database is a copy of that.
#[macro_export]
macro_rules! both_dialects {
    (of $original:path: $(async fn $name:ident($url:ident: &str) $body:block)*) => {$(
        $crate::both_dialects! {
            @test $name $url $body
            $original.on_sqlite(stringify!($name)).await,
            $original.on_postgres(stringify!($name)).await
        }
    )*};
    (@test $name:ident $url:ident $body:block $file:expr, $database:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn case($url: &str) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let file = $file;
                case(&file.url()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let database = $database;
                case(database.url()).await;
            }
        }
    };
    ($(async fn $name:ident($url:ident: &str) $body:block)*) => {$(
        $crate::both_dialects! {
            @test $name $url $body
            $crate::SqliteFile::new(stringify!($name)),
            $crate::postgres().await.database(stringify!($name)).await
        }
    )*};
}
