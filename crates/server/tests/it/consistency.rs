//! Read your writes.

use serde_json::json;
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service};

both_dialects! { of PREPARED:
    async fn the_token_of_a_write_opens_a_read_that_sees_it(url: &str) {
        let service = Service::open(url).await;
        let body = json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
        let created = service.post("/v1/portfolios", &body).await;
        let token = created.header("x-tallybook-token").to_owned();
        assert_ne!(token, "");
        let read = service.get(created.header("location")).header("x-tallybook-token", &token).await;
        assert_eq!(read.expect(200), created.expect(201));
    }

    async fn a_text_that_is_no_token_is_refused(url: &str) {
        let service = Service::open(url).await;
        let asked = service.get("/v1/portfolios").header("x-tallybook-token", "yesterday");
        asked.await.problem(400, "bad-parameter");
    }
}
