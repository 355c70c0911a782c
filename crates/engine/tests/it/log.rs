//! What is written to the log, and what never is.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tallybook_engine::{Database, Settings, all, execute, params};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{create_notes, open_with};

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Keeps all that this thread logs; the tests have runtimes of one thread.
pub(crate) fn keep() -> (Kept, tracing::subscriber::DefaultGuard) {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(kept.clone())
        .finish();
    (kept, tracing::subscriber::set_default(subscriber))
}

fn everything(settings: &mut Settings) {
    settings.log.echo = true;
    settings.log.timing = true;
    settings.pool.echo = true;
}

async fn find(db: &Database, title: &str) {
    let query = all::<(i64,)>("SELECT id FROM notes WHERE title = $1", params![title]);
    db.read().await.unwrap().run(query).await.unwrap();
}

#[tokio::test]
async fn statements_and_connections_are_logged_but_no_parameters() {
    let (kept, _guard) = keep();
    let db = open_with("sqlite::memory:", everything).await;
    create_notes(&db).await;
    find(&db, "Secret title").await;
    let outcome = db
        .write(async |session| {
            session
                .run(execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params!["Secret id", 1]))
                .await
        })
        .await;
    assert!(outcome.is_err());
    let text = kept.text();
    for expected in
        ["SELECT id FROM notes WHERE title = $1", "connected", "checked out", "returned", "failed"]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("Secret"), "{text}");
}

#[tokio::test]
async fn without_settings_only_slow_statements_are_logged() {
    let (kept, _guard) = keep();
    let db = open_with("sqlite::memory:", |_| {}).await;
    create_notes(&db).await;
    find(&db, "title").await;
    assert_eq!(kept.text(), "");
    let db = open_with("sqlite::memory:", |settings| settings.log.slow_threshold = Duration::ZERO).await;
    create_notes(&db).await;
    let text = kept.text();
    assert!(
        text.contains("WARN") && text.contains("slow statement") && text.contains("CREATE TABLE notes"),
        "{text}"
    );
}

#[tokio::test]
async fn a_failed_connection_logs_no_password() {
    let (kept, _guard) = keep();
    let database = tallybook_testkit::postgres().await.database("a_failed_connection").await;
    let (before, after) = database.url().split_once('@').unwrap();
    let (user, password) = before.rsplit_once(':').unwrap();
    let mut settings = Settings::new(&format!("{user}:Secret@{after}")).unwrap();
    everything(&mut settings);
    Database::open(settings).await.expect_err("the password is wrong");
    let db = open_with(database.url(), everything).await;
    create_notes(&db).await;
    let text = kept.text();
    assert!(text.contains("connected"), "{text}");
    assert!(!text.contains("Secret") && !text.contains(password), "{text}");
}
