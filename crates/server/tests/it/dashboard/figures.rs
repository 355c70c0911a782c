//! The figures of the dashboard are those of the database.

use serde_json::json;
use tallybook::{all, execute, one, params};
use tallybook_testkit::both_dialects;

use super::{Viewer, statement, verdict};
use crate::support::{PREPARED, Service};

async fn read(service: &Service, times: usize) {
    for time in 0..times {
        let query = one::<(i64, String)>("SELECT $1 + 1, 'dashboard'", params![time as i64]);
        service.db.read().await.unwrap().run(query).await.unwrap();
    }
}

async fn fail(service: &Service) {
    let query = one::<(i64,)>("SELECT no_such_column FROM portfolios", params![]);
    service.db.read().await.unwrap().run(query).await.unwrap_err();
}

/// Returns the fingerprint of the statement of `read`, when a tick shows it with so many calls.
async fn shown(viewer: &mut Viewer, calls: u64) -> String {
    let seen = viewer.tick(|tick| {
        let statement = statement(tick, "+ ?")?;
        assert!(statement["calls"].as_u64().unwrap() <= calls, "{statement}");
        (statement["calls"] == calls).then_some(statement)
    });
    seen.await["fingerprint"].as_str().unwrap().to_owned()
}

both_dialects! { of PREPARED:
    async fn a_tick_counts_each_run_once_with_its_rows_and_its_line_of_code(url: &str) {
        let service = Service::open(url).await;
        let mut viewer = Viewer::open(&service.routes).await;
        viewer.event("hello").await;
        viewer.event("tick").await;
        read(&service, 7).await;
        shown(&mut viewer, 7).await;
        read(&service, 5).await;
        let (tick, seen) = viewer.tick(|tick| {
            let seen = statement(tick, "+ ?").filter(|seen| seen["calls"] == 12)?;
            Some((tick.clone(), seen))
        }).await;
        assert_eq!((&seen["rows"], &seen["errors"]), (&12.into(), &0.into()));
        assert!(seen["at"].as_str().unwrap().contains("dashboard/figures.rs:"), "{seen}");
        let spark: f64 = seen["spark"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap()).sum();
        assert!(spark > 0.0 && seen["spark"].as_array().unwrap().len() == 30, "{seen}");
        assert!(seen["p50"].as_f64().unwrap() <= seen["p99"].as_f64().unwrap());
        assert!((0.0..=1.0).contains(&seen["share"].as_f64().unwrap()));
        assert!(tick["statements_total"].as_u64().unwrap() >= 1);
    }

    async fn a_failed_statement_is_an_event_and_an_error_of_its_second(url: &str) {
        let service = Service::open(url).await;
        let mut viewer = Viewer::open(&service.routes).await;
        viewer.event("tick").await;
        fail(&service).await;
        let tick = viewer.tick(|tick| (tick["sample"]["errors"].as_f64().unwrap() > 0.0).then(|| tick.clone())).await;
        let events = tick["events"].as_array().unwrap();
        assert!(events[0]["failure"].is_string(), "{events:?}");
        assert!(events[0]["text"].as_str().unwrap().contains("no_such_column"), "{events:?}");
        let (level, text) = verdict(&tick, "errors");
        assert!(level == "bad" || level == "warn", "{text}");
        assert!(text.starts_with("1 of "), "{text}");
    }

    async fn who_comes_later_is_told_what_happened_before(url: &str) {
        let service = Service::open(url).await;
        let mut first = Viewer::open(&service.routes).await;
        let hello = first.event("hello").await;
        assert_eq!((&hello["source"]["has_database"], &hello["source"]["process"]), (&true.into(), &std::process::id().into()));
        for _ in 0..3 {
            first.event("tick").await;
        }
        let mut second = Viewer::open(&service.routes).await;
        let earlier = second.event("hello").await["history"]["fine"].as_array().unwrap().clone();
        assert!(earlier.len() >= 2);
        let newest = second.event("tick").await["sample"]["t"].as_f64().unwrap();
        let times: Vec<_> = earlier.iter().map(|sample| sample["t"].as_f64().unwrap()).collect();
        assert!(times.is_sorted() && times.iter().all(|time| *time < newest), "{times:?} {newest}");
    }

    async fn a_statement_has_a_page_with_all_that_is_known_of_it(url: &str) {
        let service = Service::open(url).await;
        let mut viewer = Viewer::open(&service.routes).await;
        read(&service, 3).await;
        let fingerprint = shown(&mut viewer, 3).await;
        let page = service.get(&format!("/live/statements/{fingerprint}")).await.expect(200);
        assert_eq!((&page["calls"], &page["rows"], &page["cut"]), (&3.into(), &3.into(), &false.into()));
        assert_eq!(page["window"]["calls"], 3);
        assert_eq!((page["text"].as_str().unwrap(), &page["plan"]), ("select ? + ?, ?", &serde_json::Value::Null));
        assert!(page["max"].as_f64().unwrap() > 0.0 && page["failures"].as_array().unwrap().is_empty());
        service.get("/live/statements/0000000000000000").await.problem(404, "no-such-statement");
        service.get("/live/statements/%3Cscript%3E").await.problem(404, "no-such-statement");
    }

    async fn the_database_is_asked_for_a_plan_of_what_reads(url: &str) {
        let service = Service::open(url).await;
        let mut session = service.db.read().await.unwrap();
        session.run(one::<(i64,)>("SELECT count(*) FROM trades WHERE status = 'FILLED'", params![])).await.unwrap();
        drop(session);
        service.db.write(async |session| -> tallybook::Result<_> {
            session.run(execute("DELETE FROM executions WHERE id = $1", params![1])).await
        }).await.unwrap();
        let report = service.db.report();
        let fingerprint = |part: &str| {
            let statement = report.statements.iter().find(|statement| statement.statement.contains(part)).unwrap();
            statement.fingerprint.clone()
        };
        let answer = service.get(&format!("/live/statements/{}/plan", fingerprint("count(*)"))).await.expect(200);
        assert_eq!(answer["plan_source"], "explained now");
        let nodes = answer["plan"]["nodes"].as_array().unwrap();
        assert!(nodes.iter().any(|node| node["text"].as_str().unwrap().contains("trades")), "{nodes:?}");
        let refused = service.get(&format!("/live/statements/{}/plan", fingerprint("delete"))).await;
        assert_eq!(refused.problem(409, "no-plan")["detail"], "only statements that read are explained");
    }

    async fn a_statement_with_parameters_is_explained_with_those_of_a_call(url: &str) {
        let service = Service::open(url).await;
        let query = all::<(String,)>("SELECT symbol FROM trades WHERE id = $1", params![1]);
        service.db.read().await.unwrap().run(query).await.unwrap();
        let report = service.db.report();
        let statement = report.statements.iter().find(|it| it.statement == "select symbol from trades where id = ?");
        let path = format!("/live/statements/{}/plan", statement.unwrap().fingerprint);
        let answer = service.get(&path).await.expect(200);
        assert_eq!(answer["plan_source"], "explained now, with the parameters of one of its calls");
        assert!(answer["plan"]["text"].as_str().unwrap().contains("trades"), "{answer}");
    }

    async fn what_was_looked_at_on_demand_is_judged_from_then_on(url: &str) {
        let service = Service::open(url).await;
        let mut viewer = Viewer::open(&service.routes).await;
        let before = viewer.event("tick").await;
        assert_eq!(verdict(&before, "schema"), ("unknown".to_owned(), "not looked at yet; open Revisions".to_owned()));
        assert_eq!(verdict(&before, "indexes").0, "unknown");
        let revisions = service.get("/live/revisions").await.expect(200);
        assert_eq!(revisions["histories"][0]["applied"].as_array().unwrap().len(), 3);
        let examined = service.get("/live/doctor").await.expect(200);
        assert!(examined["passed"].as_array().unwrap().len() > 2, "{examined}");
        let schema = viewer.tick(|tick| Some(verdict(tick, "schema")).filter(|(level, _)| level != "unknown")).await;
        assert_eq!(schema, ("ok".to_owned(), "4 revisions applied".to_owned()));
    }

    async fn an_index_that_is_missing_is_advised_with_its_gain(url: &str) {
        let service = Service::open(url).await;
        let table = execute("CREATE TABLE ticks (id integer primary key, symbol text)", params![]);
        let rows = execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
             INSERT INTO ticks SELECT i, 'S' || (i % 500) FROM n",
            params![],
        );
        let analyze = execute("ANALYZE ticks", params![]);
        service.db.write(async |session| session.run((table, rows, analyze)).await).await.unwrap();
        let read = all::<(i64,)>("SELECT id FROM ticks WHERE symbol = $1", params!["S7"]);
        assert_eq!(service.db.read().await.unwrap().run(read).await.unwrap().len(), 4);
        let advice = service.get("/live/advice").await.expect(200);
        let addition = &advice["add"][0];
        assert_eq!((&addition["table"], &addition["columns"]), (&json!("ticks"), &json!(["symbol"])), "{advice}");
        assert!(addition["sql"].as_str().unwrap().ends_with("ix_ticks_symbol ON ticks (symbol)"), "{advice}");
        assert!(addition["gains"][0]["saving"].as_f64().unwrap() > 0.5, "{advice}");
        assert!(advice["rust"].as_str().unwrap().contains("Step::index(\"ix_ticks_symbol\""), "{advice}");
    }

    async fn hostile_names_arrive_cut_and_as_text(url: &str) {
        let service = Service::open(url).await;
        let mut viewer = Viewer::open(&service.routes).await;
        viewer.event("tick").await;
        let name = "<script>alert(1)</script>\u{202e}\u{1b}[2J\u{2028}";
        let sql = format!("SELECT 1 AS \"{name}\", '{}' AS long, {} 2", "x".repeat(1 << 20), "1 AS a, ".repeat(2_000));
        // PostgreSQL allows no more than 1,664 columns; the failed statement is shown as well.
        let _ = service.db.read().await.unwrap().run(one::<(i64,)>(sql, params![])).await;
        let seen = viewer.tick(|tick| {
            let failed = tick["events"].as_array().unwrap().iter().find(|event| event["text"].as_str().unwrap().contains("<script>"));
            statement(tick, "<script>").or(failed.cloned())
        }).await;
        let text = seen["text"].as_str().unwrap();
        assert_eq!(text.chars().count(), 300);
        assert!(text.contains("\u{202e}") && text.contains("\u{1b}[2J"), "{text:?}");
    }
}
