//! Mistakes of clients: each row of the table in docs/server.md, and that the table has no other.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use tallybook_server::ServiceSettings;
use tallybook_testkit::both_dialects;

use crate::support::{Answer, PREPARED, Service, new_key, order};

const DOCS: &str = include_str!("../../../../docs/server.md");

/// A mistake: its row in the documentation, and the answer that it got.
struct Mistake {
    docs: &'static str,
    answer: Answer,
}

/// Makes every mistake.
async fn mistakes(service: &Service) -> Vec<Mistake> {
    let portfolio = service.portfolio("pension").await;
    let trade = service.trade(portfolio).await;
    let text = |body: &str| {
        let body = body.to_owned();
        service.post("/v1/portfolios", &json!({})).bytes(body)
    };
    let new = |change: (&str, Value)| {
        let mut body = json!({ "name": "x", "initial_capital": "1", "currency": "USD" });
        body[change.0] = change.1;
        service.post("/v1/portfolios", &body)
    };
    let typed = |media_type: &str, body: &'static str| {
        let asked = service.ask(Method::POST, "/v1/portfolios").header("idempotency-key", &new_key());
        asked.header("content-type", media_type).bytes(body)
    };
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut half = order(portfolio);
    half["portfolio_id"] = json!(portfolio + 100);
    let mut missing = order(portfolio);
    missing.as_object_mut().unwrap().remove("symbol");
    vec![
        Mistake { docs: "a path that does not exist", answer: service.get("/v1/orders").await },
        Mistake { docs: "a row that does not exist", answer: service.get("/v1/trades/999").await },
        Mistake { docs: "an identifier that is no number", answer: service.get("/v1/trades/first").await },
        Mistake {
            docs: "a method that the path does not have",
            answer: service.ask(Method::PUT, "/v1/trades").await,
        },
        Mistake { docs: "an unknown parameter", answer: service.get("/v1/trades?colour=red").await },
        Mistake {
            docs: "a parameter that is given twice",
            answer: service.get("/v1/trades?limit=1&limit=2").await,
        },
        Mistake {
            docs: "a `limit` of 0, or above 1,000",
            answer: service.get("/v1/trades?limit=1001").await,
        },
        Mistake {
            docs: "a cursor of another list",
            answer: service.get("/v1/trades?after=positions.7").await,
        },
        Mistake {
            docs: "a relation that cannot be included",
            answer: service.get("/v1/trades?include=fills").await,
        },
        Mistake {
            docs: "a time without a zone",
            answer: service.get("/v1/trades?since=2026-11-30T09:30:00").await,
        },
        Mistake { docs: "a body that is not JSON", answer: text("{\"name\": ").await },
        Mistake { docs: "something after the JSON", answer: text("{} {}").await },
        Mistake { docs: "JSON that is nested 100,000 deep", answer: text(&deep).await },
        Mistake { docs: "a body of more than 1 MiB", answer: text(&" ".repeat(1024 * 1024 + 1)).await },
        Mistake { docs: "a body of another media type", answer: typed("text/plain", "{}").await },
        Mistake { docs: "a field that is missing", answer: service.post("/v1/trades", &missing).await },
        Mistake {
            docs: "a field that is unknown, or that follows from fills",
            answer: new(("current_capital", json!("1"))).await,
        },
        Mistake { docs: "a decimal as a JSON number", answer: new(("initial_capital", json!(1.1))).await },
        Mistake {
            docs: "a decimal of more digits than its column holds",
            answer: new(("initial_capital", json!("0.12345678901234567891"))).await,
        },
        Mistake { docs: "a text that is too long", answer: new(("currency", json!("EURO"))).await },
        Mistake { docs: "a name that is taken", answer: new(("name", json!("pension"))).await },
        Mistake { docs: "a parent that does not exist", answer: service.post("/v1/trades", &half).await },
        Mistake {
            docs: "a fill beyond the ordered quantity",
            answer: service.fill(trade, "X1", "11", "1").await,
        },
        Mistake {
            docs: "a creation without `Idempotency-Key`",
            answer: service.ask(Method::POST, "/v1/trades").json(&order(portfolio)).await,
        },
        Mistake {
            docs: "a token that is not valid",
            answer: service.get("/v1/trades").header("authorization", "Bearer x").await,
        },
    ]
}

/// Returns the rows of the table: mistake, status, kind.
fn documented() -> Vec<(&'static str, u16, &'static str)> {
    let table = DOCS.split("| mistake | status | problem |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    rows.map(|row| {
        let cells = cells(row);
        (cells[0], cells[1].parse().unwrap(), cells[2].trim_matches('`'))
    })
    .collect()
}

both_dialects! { of PREPARED:
    async fn every_mistake_is_answered_as_the_documentation_says(url: &str) {
        let service = Service::open(url).await;
        let made = mistakes(&service).await;
        let documented = documented();
        let names: Vec<_> = made.iter().map(|mistake| mistake.docs).collect();
        assert_eq!(names, documented.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
        for (mistake, (name, status, kind)) in made.iter().zip(documented) {
            let problem = mistake.answer.json();
            let found = (mistake.answer.status.as_u16(), problem["type"].as_str().unwrap_or(name));
            assert_eq!(found, (status, &*format!("urn:tallybook:problem:{kind}")), "{name}: {problem}");
        }
    }

    async fn every_mistake_of_a_body_is_named_with_its_place(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let mut wrong = order(portfolio);
        wrong["quantity"] = json!(10);
        wrong["colour"] = json!("red");
        let problem = service.post("/v1/trades/batch", &json!([order(portfolio), wrong])).await.problem(422, "invalid");
        let places: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        assert_eq!(places, ["/1/colour", "/1/quantity"]);
    }

    async fn values_that_no_order_has_are_refused(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        for (field, value) in [
            ("quantity", "0"), ("quantity", "-1"), ("symbol", " "), ("quantity", "1e3"), ("quantity", "+1"), ("quantity", "1."),
        ] {
            let mut wrong = order(portfolio);
            wrong[field] = json!(value);
            let problem = service.post("/v1/trades", &wrong).await.problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"), "{value}");
        }
        let mut as_float = order(portfolio);
        as_float["portfolio_id"] = json!(portfolio as f64);
        service.post("/v1/trades", &as_float).await.expect(201);
    }

    async fn a_body_that_ends_too_early_changes_nothing(url: &str) {
        let service = Service::open(url).await;
        let broken = futures_util::stream::iter([
            Ok("{\"name\": \"x\", \"initial_capital\": \"1\", "),
            Err(std::io::Error::other("the client went away")),
        ]);
        let asked = service.post("/v1/portfolios", &json!({})).bytes(Body::from_stream(broken));
        asked.await.problem(400, "bad-json");
        assert_eq!(service.get("/v1/portfolios").await.expect(200)["rows"], json!([]));
    }

    async fn a_body_that_is_not_declared_in_length_is_limited_too(url: &str) {
        let service = Service::with(url, ServiceSettings { max_body_bytes: 10, ..ServiceSettings::default() }).await;
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("          "));
        let asked = service.post("/v1/portfolios", &json!({})).bytes(Body::from_stream(endless));
        asked.await.problem(413, "body-too-large");
    }

    async fn a_body_that_never_arrives_is_not_waited_for(url: &str) {
        let settings = ServiceSettings {
            body_time_limit: std::time::Duration::from_millis(20),
            ..ServiceSettings::default()
        };
        let service = Service::with(url, settings).await;
        let silent = futures_util::stream::pending::<Result<&str, std::io::Error>>();
        let asked = service.post("/v1/portfolios", &json!({})).bytes(Body::from_stream(silent));
        asked.await.problem(408, "body-too-slow");
    }
}
