//! Work that belongs to a scope.

use futures_util::future::join_all;
use tallybook::{Database, MonitorMode, One, Scope, ScopeSummary, all, one, params};

use crate::support::{open, open_with, read, with_notes};

fn answer() -> One<(i64,)> {
    one("SELECT 42", params![])
}

async fn ask(db: &Database) -> i64 {
    db.read().await.unwrap().run(answer()).await.unwrap().0
}

fn counts(scope: &Scope) -> (u64, u64) {
    let ScopeSummary { statements, round_trips, .. } = scope.summary();
    (statements, round_trips)
}

tallybook_testkit::both_dialects! {
    async fn a_scope_follows_the_task_over_awaits_and_joins(url: &str) {
        let db = open(url).await;
        let scope = Scope::new("GET /answers");
        let answers = scope.run(async {
            tokio::task::yield_now().await;
            ask(&db).await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await; // the task may move to another thread
            join_all((0..5).map(|_| ask(&db))).await
        });
        assert_eq!(answers.await, [42; 5]);
        assert_eq!(counts(&scope), (6, 6));
        ask(&db).await;
        assert_eq!(counts(&scope), (6, 6), "work after it is not in it");
    }

    async fn a_batch_is_one_round_trip_of_several_statements(url: &str) {
        let db = open(url).await;
        let scope = Scope::new("a batch");
        scope.run(async { db.read().await?.run((answer(), answer(), answer())).await }).await.unwrap();
        assert_eq!(counts(&scope), (3, 1));
    }

    async fn a_spawned_task_is_in_the_scope_only_if_it_is_taken_along(url: &str) {
        let db = open(url).await;
        let scope = Scope::new("a request");
        let work = |db: Database| async move { ask(&db).await };
        scope
            .run(async {
                tokio::spawn(work(db.clone())).await.unwrap();
            })
            .await;
        assert_eq!(counts(&scope), (0, 0));
        scope
            .run(async {
                let (taken, work) = (Scope::current().unwrap(), work(db.clone()));
                tokio::spawn(async move { taken.run(work).await }).await.unwrap();
            })
            .await;
        assert_eq!(counts(&scope), (1, 1));
        assert!(Scope::current().is_none());
    }

    async fn what_runs_in_an_inner_scope_counts_for_the_outer_one_too(url: &str) {
        let db = open(url).await;
        let outer = Scope::new("a request");
        let inner = outer
            .run(async {
                ask(&db).await;
                let inner = Scope::new("a part of it");
                inner.run(async { ask(&db).await + ask(&db).await }).await;
                inner
            })
            .await;
        assert_eq!((counts(&outer), counts(&inner)), ((3, 3), (2, 2)));
        assert_eq!((outer.name(), inner.name()), ("a request", "a part of it"));
    }

    async fn scopes_side_by_side_have_each_their_own(url: &str) {
        let db = open(url).await;
        let (one, two) = (Scope::new("one"), Scope::new("two"));
        let twice = async { ask(&db).await + ask(&db).await };
        tokio::join!(one.run(ask(&db)), two.run(twice));
        assert_eq!((counts(&one), counts(&two)), ((1, 1), (2, 2)));
    }

    async fn a_session_counts_where_it_runs_and_not_where_it_was_opened(url: &str) {
        let db = open(url).await;
        let (one, two) = (Scope::new("opens"), Scope::new("runs"));
        let mut session = one.run(db.read()).await.unwrap();
        two.run(session.run(answer())).await.unwrap();
        assert_eq!((counts(&one), counts(&two)), ((0, 0), (1, 1)));
    }

    async fn a_scope_works_where_the_monitor_is_off(url: &str) {
        let db = open_with(url, |settings| settings.monitor.mode = MonitorMode::Off).await;
        let scope = Scope::new("a test");
        scope.run(ask(&db)).await;
        ask(&db).await;
        assert_eq!(counts(&scope), (1, 1));
    }

    async fn an_account_lists_what_ran_and_from_where(url: &str) {
        let db = with_notes(url).await;
        let scope = Scope::new("a request");
        let lines = scope
            .run(async {
                let mut session = db.read().await.unwrap();
                for id in 0..2 {
                    let query = all::<(i64,)>("SELECT id FROM notes WHERE parent = $1", params![id]);
                    session.run(query).await.unwrap();
                }
                let first = line!() - 3;
                session.run(all::<(i64,)>("SELECT id FROM notes WHERE parent = $1", params![3])).await.unwrap();
                (first, line!() - 1)
            })
            .await;
        let account = scope.summary();
        let ran: Vec<_> = account.ran.iter().map(|ran| (ran.runs, ran.summary.as_str(), ran.at.line)).collect();
        assert_eq!(ran, [(2, "SELECT notes", lines.0), (1, "SELECT notes", lines.1)]);
        assert!(account.ran.iter().all(|ran| ran.at.file == file!()));
        let text = account.to_string();
        assert!(text.starts_with("3 statements in 3 round trips:\n      2 x SELECT notes at "), "{text}");
    }

    async fn open_sessions_are_listed_with_their_lines_and_vanish(url: &str) {
        let db = open(url).await;
        let scope = Scope::new("a request");
        let open_lines = || scope.summary().open_sessions.into_iter().map(|at| at.line).collect::<Vec<_>>();
        let line = line!() + 1;
        let (read, snapshot) = scope.run(async { (db.read().await.unwrap(), db.snapshot().await.unwrap()) }).await;
        assert_eq!(open_lines(), [line, line]);
        drop(read);
        assert_eq!(open_lines(), [line]);
        let begin = scope.run(db.begin()).await.unwrap();
        assert_eq!(open_lines(), [line, line!() - 1]);
        drop((snapshot, begin));
        assert_eq!(open_lines(), [0; 0]);
    }

    async fn a_failed_statement_ran_too(url: &str) {
        let db = open(url).await;
        let scope = Scope::new("a request");
        let query = all::<(i64,)>("SELECT id FROM absent", params![]);
        scope.run(async { db.read().await?.run(query).await }).await.unwrap_err();
        assert_eq!(counts(&scope), (1, 1));
    }

    async fn a_scope_may_outlive_the_database(url: &str) {
        let db = open(url).await;
        let scope = Scope::new("a job");
        scope.run(async { read::<(i64,)>(&db, "SELECT 1").await }).await;
        db.close().await;
        drop(db);
        assert_eq!(counts(&scope), (1, 1));
    }
}
