//! Query budgets: kept and exceeded.

use tallybook::{
    Budget, Database, One, Result, Row, Scope, Settings, all, execute, max_queries, one, params,
};

use crate::log::{Kept, keep, logged_on_both_dialects};
use crate::support::{open, with_notes};

fn answer() -> One<(i64,)> {
    one("SELECT 42", params![])
}

async fn memory() -> Database {
    Database::open(Settings::new("sqlite::memory:").unwrap()).await.unwrap()
}

/// Runs a query the given number of times, and once more in a batch of two.
async fn ask(times: usize) -> Result<()> {
    let db = memory().await;
    let mut session = db.read().await?;
    for _ in 0..times {
        session.run(answer()).await?;
    }
    session.run((answer(), answer())).await.map(drop)
}

/// Returns the panic message of a task.
async fn panic_of(work: impl Future<Output = ()> + Send + 'static) -> String {
    let error = tokio::spawn(work).await.expect_err("it panics");
    *error.into_panic().downcast::<String>().expect("a text")
}

#[max_queries(3)]
#[tokio::test]
async fn a_test_within_its_budget_passes() {
    ask(1).await.unwrap();
}

#[max_queries(2)]
#[tokio::test]
#[should_panic(expected = "a_test_that_asks_too_often_fails exceeded its query budget:\n\
                           - 3 statements, at most 2 allowed")]
async fn a_test_that_asks_too_often_fails() {
    ask(1).await.unwrap();
}

#[max_queries(round_trips = 2)]
#[tokio::test]
async fn a_batch_is_one_round_trip_of_the_budget() {
    ask(1).await.unwrap();
}

#[max_queries(round_trips = 2, no_leaks)]
#[tokio::test]
#[should_panic(expected = "- 3 round trips, at most 2 allowed")]
async fn a_test_that_waits_too_often_fails() {
    ask(2).await.unwrap();
}

#[max_queries(9, round_trips = 9, no_n_plus_one, no_redundant, no_leaks)]
#[tokio::test]
async fn a_test_with_a_budget_may_end_with_a_question_mark() -> Result<()> {
    ask(1).await?;
    Ok(())
}

/// A function that is not a test.
#[max_queries(1)]
async fn answer_of<'d>(db: &'d Database, question: &str) -> Result<(i64, &'d Database)> {
    let (answer,) = db.read().await?.run(one::<(i64,)>("SELECT length($1)", params![question])).await?;
    Ok((answer, db))
}

#[tokio::test]
async fn a_function_with_a_budget_takes_and_returns_what_it_did_without() {
    let db = memory().await;
    let (answer, same) = answer_of(&db, "six by seven").await.unwrap();
    assert_eq!((answer, same.pools().len()), (12, 2));
}

#[derive(Row)]
struct Note {
    id: i64,
    title: String,
}

/// Reads some notes and, one by one, the notes below each.
async fn children_one_by_one(db: &Database) -> Result<()> {
    let mut session = db.read().await?;
    for note in
        session.run(all::<Note>("SELECT id, title FROM notes WHERE parent IS NULL", params![])).await?
    {
        session.run(all::<(String,)>("SELECT title FROM notes WHERE parent = $1", params![note.id])).await?;
        session.run(all::<(String,)>("SELECT title FROM notes WHERE id = $1", params![note.id])).await?;
    }
    Ok(())
}

async fn fill(db: &Database) {
    let notes = (101..=110_i64).map(|id| {
        execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")])
    });
    let notes: Vec<_> = notes.collect();
    db.write(async |session| session.run(notes).await).await.unwrap();
}

tallybook_testkit::both_dialects! {
    async fn enforcing_panics_with_the_list_of_what_ran(url: &str) {
        let db = with_notes(url).await;
        let line = line!() + 5;
        let text = panic_of(async move {
            let work = async {
                let mut session = db.read().await.unwrap();
                for id in 0..4 {
                    let query = all::<(i64,)>("SELECT id FROM notes WHERE parent = $1", params![id]);
                    session.run(query).await.unwrap();
                }
            };
            Budget::new().statements(3).round_trips(2).enforce("GET /notes", work).await;
        })
        .await;
        let expected = format!(
            "GET /notes exceeded its query budget:\n\
             - 4 statements, at most 3 allowed\n\
             - 4 round trips, at most 2 allowed\n\
             4 statements in 4 round trips:\n      \
             4 x SELECT notes at {}:{line}",
            file!()
        );
        assert_eq!(text, expected);
    }

    async fn enforcing_returns_the_value_of_what_keeps_the_budget(url: &str) {
        let db = open(url).await;
        let work = async { db.read().await?.run(answer()).await };
        let budget = Budget::new().statements(1).round_trips(1).no_n_plus_one().no_redundant().no_leaks();
        assert_eq!(budget.enforce("one answer", work).await.unwrap(), (42,));
    }

    async fn a_budget_counts_what_runs_in_inner_scopes(url: &str) {
        let db = open(url).await;
        let text = panic_of(async move {
            let work = async {
                let ask = async || db.read().await.unwrap().run(answer()).await.unwrap();
                Scope::new("inner").run(ask()).await;
                Budget::new().statements(1).enforce("inner budget", ask()).await;
            };
            Budget::new().statements(1).enforce("outer budget", work).await;
        })
        .await;
        assert!(text.starts_with("outer budget exceeded its query budget"), "{text}");
        assert!(text.contains("- 2 statements, at most 1 allowed"), "{text}");
    }

    async fn a_budget_without_leaks_names_the_line_of_a_session_left_open(url: &str) {
        let db = open(url).await;
        let line = line!() + 2;
        let text = panic_of(async move {
            let work = async { db.read().await.unwrap() };
            let _open = Budget::new().no_leaks().enforce("a request", work).await;
        })
        .await;
        let expected = format!("- a session opened at {}:{line} is still open", file!());
        assert!(text.contains(&expected), "{expected} in {text}");
    }

    async fn a_budget_without_n_plus_one_is_broken_by_a_loop_over_ids(url: &str) {
        let db = with_notes(url).await;
        fill(&db).await;
        Budget::new().no_redundant().enforce("no redundant reads", children_one_by_one(&db)).await.unwrap();
        let text = panic_of(async move {
            let work = children_one_by_one(&db);
            Budget::new().no_n_plus_one().enforce("no loops", work).await.unwrap();
        })
        .await;
        assert!(text.contains("- N+1, confirmed: 10 runs at "), "{text}");
        assert!(text.contains("select title from notes where id = ?"), "{text}");
    }

    async fn a_budget_without_n_plus_one_is_broken_by_a_loop_that_is_suspected(url: &str) {
        let db = with_notes(url).await;
        fill(&db).await;
        let look_up = async |db: Database| {
            let mut session = db.read().await.unwrap();
            let titles = session.run(all::<(String,)>("SELECT title FROM notes LIMIT 5", params![])).await.unwrap();
            for (title,) in titles {
                session.run(all::<(i64,)>("SELECT id FROM notes WHERE title = $1", params![title])).await.unwrap();
            }
        };
        Budget::new().no_redundant().enforce("no redundant reads", look_up(db.clone())).await;
        let text = panic_of(async move {
            Budget::new().no_n_plus_one().enforce("no loops", look_up(db)).await;
        })
        .await;
        assert!(text.contains("- N+1, suspected: 5 runs at "), "{text}");
    }

    async fn a_budget_without_redundant_reads_is_broken_by_the_same_read_three_times(url: &str) {
        let db = with_notes(url).await;
        let read = async |db: &Database| {
            let mut session = db.read().await.unwrap();
            for _ in 0..3 {
                session.run(all::<(i64,)>("SELECT id FROM notes WHERE id = $1", params![7])).await.unwrap();
            }
        };
        Budget::new().no_n_plus_one().enforce("no loops", read(&db)).await;
        // A query after a pause counts as polling, and a busy machine may pause anywhere.
        for _ in 0..10 {
            let scope = Scope::new("no redundant reads");
            scope.run(read(&db)).await;
            if let Err(exceeded) = Budget::new().no_redundant().check(scope.name(), scope.summary()) {
                let text = exceeded.to_string();
                assert!(text.contains("- redundant: 3 runs with the same parameters at "), "{text}");
                return;
            }
        }
        panic!("the same read three times is redundant");
    }
}

logged_on_both_dialects! {
    async fn watching_warns_and_returns_the_value(url: &str, kept: &Kept) {
        let db = open(url).await;
        let work = async || {
            let mut session = db.read().await.unwrap();
            session.run(answer()).await.unwrap();
            session.run((answer(), answer())).await.unwrap().0
        };
        assert_eq!(Budget::new().statements(3).watch("GET /kept", work()).await, (42,));
        assert_eq!(kept.lines("tallybook::budget"), [""; 0]);
        assert_eq!(Budget::new().statements(2).watch("GET /broken", work()).await, (42,));
        let line = kept.line("tallybook::budget");
        assert!(line.contains("WARN") && line.contains("GET /broken exceeded its query budget"), "{line}");
        assert!(kept.text().contains("- 3 statements, at most 2 allowed"), "{}", kept.text());
    }
}

#[tokio::test]
async fn a_budget_of_nothing_is_kept_by_what_asks_nothing() {
    let budget = Budget::new().statements(0).round_trips(0).no_leaks();
    assert_eq!(budget.enforce("nothing", async { 7 }).await, 7);
}
