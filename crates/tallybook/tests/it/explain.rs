//! Query plans.

use tallybook::{
    All, Counts, Database, Dialect, Explainer, Result, Session, WriteSession, all, execute, params,
};

use crate::support::{count_notes, open, read, with_notes, write};

fn children(parent: i64) -> All<(i64,)> {
    all("SELECT id FROM notes WHERE parent = $1 ORDER BY id", params![parent])
}

async fn fill(session: &mut WriteSession) -> Result<()> {
    session.run(execute("INSERT INTO notes (id, title) VALUES (0, 'root')", params![])).await?;
    let insert = "INSERT INTO notes (id, title, parent) VALUES ($1, $2, $3)";
    let notes = (1..=2_000).map(|id| execute(insert, params![id, format!("note {id}"), id / 10]));
    session.run(notes.collect::<Vec<_>>()).await?;
    session.run(execute("CREATE INDEX ix_notes_parent ON notes (parent)", params![])).await?;
    session.run(execute("ANALYZE notes", params![])).await.map(drop)
}

/// Returns the pages that PostgreSQL itself counts.
async fn touched(db: &Database) -> u64 {
    let explain = "EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM notes WHERE parent = 7 ORDER BY id";
    let lines = read::<(String,)>(db, explain).await;
    let (_, counts) = lines.iter().find_map(|(line,)| line.split_once("Buffers: shared ")).unwrap();
    let count = |name: &str| {
        let counted = counts.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        counted.map_or(0, |count| count.parse().unwrap())
    };
    count("hit") + count("read")
}

tallybook_testkit::both_dialects! {
    async fn a_plan_names_its_indexes(url: &str) {
        let db = with_notes(url).await;
        db.write(fill).await.unwrap().into_value();
        let mut session = db.read().await.unwrap();
        let plan = session.explain(children(7)).await.unwrap();
        assert!(plan.uses("ix_notes_parent"), "{}", plan.text);
        assert_eq!((session.counts().statements, session.counts().round_trips), (1, 1));
        let by_id = all::<(String,)>("SELECT title FROM notes WHERE id = $1", params![7]);
        let plan = session.explain(by_id).await.unwrap();
        let primary = if db.dialect() == Dialect::Sqlite { "INTEGER PRIMARY KEY" } else { "notes_pkey" };
        assert_eq!(plan.indexes, [primary], "{}", plan.text);
        let scan = all::<(i64,)>("SELECT id FROM notes WHERE title LIKE $1", params!["%7"]);
        assert_eq!(session.explain(scan).await.unwrap().indexes, [""; 0]);
    }

    async fn an_explainer_runs_what_it_explains(url: &str) {
        let db = with_notes(url).await;
        db.write(fill).await.unwrap().into_value();
        let mut session = db.read().await.unwrap();
        let mut explainer = Explainer::new(&mut session);
        let (found, _) = explainer.fetch((children(7), children(8))).await.unwrap();
        assert_eq!(found.first(), Some(&(70,)));
        assert_eq!(explainer.plan().indexes, ["ix_notes_parent", "ix_notes_parent"]);
    }

    async fn an_analyzing_explainer_counts_pages_where_the_database_does(url: &str) {
        let db = with_notes(url).await;
        db.write(fill).await.unwrap().into_value();
        let mut session = db.read().await.unwrap();
        let mut pages = async |parent| {
            let mut explainer = Explainer::analyzing(&mut session);
            explainer.fetch(children(parent)).await.unwrap();
            assert!(explainer.plan().uses("ix_notes_parent"), "{}", explainer.plan().text);
            explainer.plan().pages
        };
        let counted = pages(7).await;
        let expected = match db.dialect() {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some(touched(&db).await),
        };
        assert_eq!(counted, expected);
    }

    async fn a_write_is_explained_but_not_run(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'kept')").await;
        let mut session = db.begin().await.unwrap();
        let delete = all::<(i64,)>("DELETE FROM notes WHERE id = $1 RETURNING id", params![1]);
        assert!(session.explain(delete).await.is_ok());
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn a_refused_parameter_has_no_plan(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        let error = session.explain(all::<(f64,)>("SELECT $1", params![f64::NAN])).await.unwrap_err();
        assert!(error.is_invalid_value(), "{error}");
        assert_eq!(session.counts(), Counts::default());
    }
}
