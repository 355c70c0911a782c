//! Books that are filled once and copied for each test.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tallybook::Database;
use tallybook_testkit::{Database as PostgresDatabase, SqliteFile, Template, postgres};
use tokio::sync::OnceCell;

use crate::support::{book, open};

/// A book without rows.
pub(crate) static EMPTY: TemplateBook = TemplateBook::new("empty", |_| -> Filling { Box::pin(async {}) });

/// A book to copy.
pub(crate) struct TemplateBook {
    name: &'static str,
    fill: fn(Database) -> Filling,
    sqlite: OnceCell<Vec<u8>>,
    postgres: OnceCell<Template>,
}

pub(crate) type Filling = Pin<Box<dyn Future<Output = ()>>>;

/// A copy, and the guard that keeps it alive.
pub(crate) type Copy<T> = (Database, T);

impl TemplateBook {
    pub(crate) const fn new(name: &'static str, fill: fn(Database) -> Filling) -> Self {
        Self { name, fill, sqlite: OnceCell::const_new(), postgres: OnceCell::const_new() }
    }

    pub(crate) async fn on_sqlite(&self, name: &str) -> Copy<SqliteFile> {
        let file = SqliteFile::new(name);
        let bytes = self.sqlite.get_or_init(|| self.sqlite_bytes()).await;
        std::fs::write(file.path(), bytes).unwrap();
        (open(&file.url()).await, file)
    }

    pub(crate) async fn on_postgres(&self, name: &str) -> Copy<PostgresDatabase> {
        let server = postgres().await;
        let fill = async |url: String| (self.fill)(book(&url).await).await;
        let template = self.postgres.get_or_init(|| server.template(self.name, fill)).await;
        let database = server.database_from(template, name).await;
        (open(database.url()).await, database)
    }

    async fn sqlite_bytes(&self) -> Vec<u8> {
        let file = SqliteFile::new(self.name);
        let db = book(&file.url()).await;
        (self.fill)(db.clone()).await;
        drop(db);
        closed(file.path()).await;
        std::fs::read(file.path()).unwrap()
    }
}

/// Waits until the last connection is closed, which moves the journal into the file and removes it.
async fn closed(path: &Path) {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    while PathBuf::from(&journal).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// As `both_dialects!`, with a copy for each test.
macro_rules! on_copies {
    (of $original:path: $(async fn $name:ident($db:ident: &Database) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn case($db: &Database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let (db, _file) = $original.on_sqlite(stringify!($name)).await;
                case(&db).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let (db, _database) = $original.on_postgres(stringify!($name)).await;
                case(&db).await;
            }
        }
    )*};
}

pub(crate) use on_copies;
