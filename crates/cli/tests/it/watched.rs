//! A program to watch: this one.

use std::path::{Path, PathBuf};

use tallybook::{Database, Settings, all, execute, params};

/// An open database whose figures can be watched.
pub(crate) struct Watched {
    pub(crate) db: Database,
    pub(crate) socket: PathBuf,
}

impl Watched {
    pub(crate) async fn open(directory: &Path) -> Self {
        let socket = directory.join("figures.sock");
        let mut settings = Settings::new("sqlite::memory:").unwrap();
        settings.monitor.socket = Some(socket.clone());
        let watched = Self { db: Database::open(settings).await.unwrap(), socket };
        watched.write("CREATE TABLE notes (id integer PRIMARY KEY, title text)").await;
        watched
    }

    pub(crate) async fn write(&self, sql: &'static str) {
        let mut session = self.db.begin().await.unwrap();
        session.run(execute(sql, params![])).await.unwrap();
        session.commit().await.unwrap();
    }

    /// Reads all titles, `times` times.
    pub(crate) async fn read(&self, times: usize) {
        for _ in 0..times {
            let mut session = self.db.read().await.unwrap();
            let query = all::<(String,)>("SELECT title FROM notes", params![]);
            session.run(query).await.unwrap();
        }
    }

    /// The arguments of a command that takes the socket.
    pub(crate) fn words(&self, command: &str) -> String {
        format!("{command} {}", self.socket.display())
    }
}
