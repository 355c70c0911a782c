//! What is logged, and what never is.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tallybook::{Database, Dialect, Settings, Statement, WriteSession, all, execute, params};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{create_notes, open_with, try_write, write};

/// Captures the log.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Returns the lines that contain this.
    pub(crate) fn lines(&self, what: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// Returns the only line that contains this.
    pub(crate) fn line(&self, what: &str) -> String {
        let mut lines = self.lines(what);
        assert_eq!(lines.len(), 1, "{what}: {}", self.text());
        lines.remove(0)
    }
}

/// Returns the value of a field without blanks.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let start = format!(" {name}=");
    let (_, rest) = line.split_once(&start).unwrap_or_else(|| panic!("{name} in {line}"));
    rest.split(' ').next().unwrap()
}

/// Declares tests on both dialects that capture the log, so on a single-threaded runtime.
macro_rules! logged_on_both_dialects {
    ($(async fn $name:ident($url:ident: &str, $kept:ident: &Kept) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn case($url: &str, $kept: &Kept) $body

            #[tokio::test]
            async fn sqlite() {
                let file = tallybook_testkit::SqliteFile::new(stringify!($name));
                let (kept, _guard) = keep();
                case(&file.url(), &kept).await;
            }

            #[tokio::test]
            async fn postgres() {
                let database = tallybook_testkit::postgres().await.database(stringify!($name)).await;
                let (kept, _guard) = keep();
                case(database.url(), &kept).await;
            }
        }
    )*};
}

pub(crate) use logged_on_both_dialects;

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

/// Captures everything that this thread logs; the tests have single-threaded runtimes.
pub(crate) fn keep() -> (Kept, tracing::subscriber::DefaultGuard) {
    // With a single subscriber in the process, an event that another thread meets first is switched off for all: tracing asks
    // that thread's own subscriber, which it has none of.
    static SECOND: LazyLock<tracing::Dispatch> =
        LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));
    LazyLock::force(&SECOND);
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

logged_on_both_dialects! {
    async fn statements_and_connections_are_logged_but_no_parameters(url: &str, kept: &Kept) {
        let db = open_with(url, everything).await;
        create_notes(&db).await;
        find(&db, "Secret title").await;
        let insert = execute("INSERT INTO notes (id, parent) VALUES ($1, $2)", params![1, 1]);
        try_write(&db, "SELECT id FROM absent").await.expect_err("there is no such table");
        db.write(async |session| session.run(insert).await).await.expect_err("there is no title");
        for expected in
            ["SELECT id FROM notes WHERE title = $1", "connected", "checked out", "returned", "statement failed"]
        {
            assert!(!kept.lines(expected).is_empty(), "{expected} in {}", kept.text());
        }
        assert!(!kept.text().contains("Secret"), "{}", kept.text());
    }

    async fn what_a_database_says_of_values_stays_out_of_the_log(url: &str, kept: &Kept) {
        let db = open_with(url, everything).await;
        write(&db, "CREATE TABLE people (name text, age integer, CHECK (age > 0))").await;
        let insert = execute("INSERT INTO people VALUES ($1, $2)", params!["Secret", -1]);
        db.write(async |session| session.run(insert).await).await.expect_err("the age is wrong");
        // PostgreSQL cannot parse the number. SQLite stores the text, which the row then refuses.
        let read = Statement::per_dialect("SELECT CAST($1 AS text)::bigint", "SELECT CAST($1 AS text)");
        let mut session = db.read().await.unwrap();
        session.run(all::<(i64,)>(read, params!["Sec\"ret"])).await.expect_err("no number");
        session.run(all::<(i64,)>("SELECT id FROM absent WHERE title = 'Secret'", params![])).await.unwrap_err();
        let failed = kept.lines("statement failed");
        assert_eq!(failed.len(), 3, "{}", kept.text());
        assert!(!failed.iter().any(|line| line.contains("ret")), "{failed:?}");
    }

    async fn a_message_that_a_function_raises_stays_out_of_the_log(url: &str, kept: &Kept) {
        let db = open_with(url, everything).await;
        create_notes(&db).await;
        let raising = match db.dialect() {
            Dialect::Sqlite => {
                write(&db, "CREATE TRIGGER t BEFORE INSERT ON notes BEGIN SELECT RAISE(ABORT, 'Secret of the row'); END").await;
                vec!["INSERT INTO notes (id, title) VALUES (7, 'x')"]
            }
            Dialect::Postgres => vec![
                "DO $$ BEGIN RAISE EXCEPTION 'Secret of the row'; END $$",
                "DO $$ BEGIN RAISE EXCEPTION 'Secret of the row' USING ERRCODE = '23505'; END $$",
                "DO $$ BEGIN RAISE NOTICE 'Secret of the row'; PERFORM 1 / 0; END $$",
                "SELECT make_date(2977, 13, 45)",
                "SELECT '2977-13-45'::date",
                "SELECT 'Secret'::integer",
                "SELECT id FROM notes WHERE Secret = 1",
                "SELECT * FROM notes Secret 'Secret'",
            ],
        };
        for sql in raising {
            let error = try_write(&db, sql).await.expect_err(sql);
            assert!(error.code().is_some(), "{error:?}");
        }
        let failed = kept.lines("statement failed");
        assert!(!failed.is_empty(), "{}", kept.text());
        for line in failed {
            let (_, error) = line.split_once(" error=").unwrap();
            assert!(!error.contains("ecret") && !error.contains("2977"), "{line}");
            assert!(error.contains('['), "its code is there: {line}");
        }
        // The echo contains the text of each statement; nothing else may contain more.
        let others = kept.text().lines().filter(|line| !line.contains(" sql=")).collect::<Vec<_>>().join("\n");
        assert!(!others.contains("Secret"), "{others}");
    }

    async fn what_can_not_be_stored_or_read_stays_out_of_the_log(url: &str, kept: &Kept) {
        let db = open_with(url, everything).await;
        create_notes(&db).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (29775, 'x')").await;
        let read = all::<(i64, i32)>("SELECT id, 29775000000000 FROM notes", params![]);
        let error = db.read().await.unwrap().run(read).await.unwrap_err();
        assert!(error.is_decode(), "{error}");
        let failed = kept.lines("statement failed").concat();
        let (_, message) = failed.split_once(" error=").unwrap();
        assert!(!message.split(" session=").next().unwrap().contains("29775"), "{failed}");
        let work = async |session: &mut WriteSession| {
            session.run(execute("INSERT INTO notes (id, title) VALUES (29775, 'Secret')", params![])).await.unwrap_err();
            session.run(execute("SELECT 1", params![])).await
        };
        db.write(work).await.ok();
        for line in kept.lines("statement failed") {
            let (_, message) = line.split_once(" error=").unwrap();
            assert!(!message.contains("Secret") && !message.contains("29775"), "{line}");
        }
    }

    async fn without_settings_only_slow_statements_are_logged(url: &str, kept: &Kept) {
        let db = open_with(url, |_| {}).await;
        create_notes(&db).await;
        find(&db, "title").await;
        assert_eq!(kept.lines("tallybook::query"), [""; 0]);
        let db = open_with(url, |settings| settings.log.slow_threshold = Duration::ZERO).await;
        find(&db, "title").await;
        let line = kept.line("slow statement");
        assert!(line.contains("WARN tallybook::query"), "{line}");
        assert!(line.contains(r#"sql="select id from notes where title = ?""#), "{line}");
    }

    async fn an_echo_is_the_text_alone_and_query_logging_adds_its_times(url: &str, kept: &Kept) {
        let db = open_with(url, |settings| settings.log.echo = true).await;
        create_notes(&db).await;
        find(&db, "title").await;
        let text = r#"sql="SELECT id FROM notes WHERE title = $1""#;
        let line = kept.line(text);
        assert!(line.contains("INFO tallybook::query") && !line.contains(" ms="), "{line}");
        let db = open_with(url, |settings| settings.log.timing = true).await;
        find(&db, "title").await;
        let line = kept.lines(text).pop().unwrap();
        assert!(line.contains("INFO tallybook::query") && field(&line, "ms").parse::<f64>().is_ok(), "{line}");
        assert_eq!(field(&line, "rows"), "0", "{line}");
    }

    async fn the_commit_is_logged_like_any_statement(url: &str, kept: &Kept) {
        let db = open_with(url, |settings| settings.log.timing = true).await;
        let mut session = db.begin().await.unwrap();
        session.run(execute("CREATE TABLE notes (id integer)", params![])).await.unwrap();
        let line = (line!() + 1).to_string();
        session.commit().await.unwrap();
        let logged = kept.line(r#"sql="commit""#);
        assert!(logged.contains(&format!("{}:{line}:", file!())), "{line}: {logged}");
        assert_eq!((field(&logged, "session"), field(&logged, "number")), ("1", "2"), "{logged}");
    }
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
    let db = open_with(database.url(), |settings| {
        everything(settings);
        settings.log.slow_threshold = Duration::ZERO;
    })
    .await;
    create_notes(&db).await;
    try_write(&db, "SELECT id FROM absent").await.expect_err("there is no such table");
    let text = kept.text();
    assert!(text.contains("connected"), "{text}");
    assert!(!text.contains("Secret") && !text.contains(password), "{text}");
}
