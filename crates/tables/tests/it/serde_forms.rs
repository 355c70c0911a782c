//! Rows, new rows, aggregates, identifiers and enums as JSON, there and back.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{from_value, json, to_value};
use tallybook::tables::{Aggregate, Id, Include, Repository};
use tallybook_testkit::both_dialects;
use uuid::Uuid;

use crate::schema::{Desk, Desks, NewDesk, NewOrder, Order, State, Venue};
use crate::support::{create, desk, desks, order, venue, venue_id};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Aggregate)]
struct OrderOfDesk {
    #[root]
    order: Order,
    #[parent]
    desk: Option<Desk>,
    #[many]
    replaced_by: Vec<Order>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Aggregate)]
struct DeskView {
    #[root]
    desk: Desk,
    #[many]
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<Vec<Order>>,
}

#[track_caller]
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: serde_json::Value) {
    assert_eq!(to_value(value).unwrap(), json);
    assert_eq!(from_value::<T>(json).unwrap(), *value);
    // As a text too, which keeps every digit.
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value);
}

both_dialects! {
    async fn stored_rows_and_aggregates_go_through_json_unchanged(url: &str) {
        let db = desks(url).await;
        let stored: Desk = create(&db, &desk(2)).await;
        let desk_json = json!({
            "id": 1, "region": "R0", "code": "C2", "name": "desk 2", "seats": 2, "tickets": 2_000_000_000_000_i64,
            "capital": "12.5000000001", "note": "even", "grade": 3, "updated_at": "2024-01-01T00:00:00Z",
        });
        round_trips(&stored, desk_json.clone());
        let first: Order = create(&db, &NewOrder { desk_id: Some(stored.id), ..order(7) }).await;
        create::<Order>(&db, &NewOrder { replaces_id: Some(first.id), state: State::Done, ..order(8) }).await;
        let mut session = db.read().await.unwrap();
        let loaded = Repository::<_, Order>::new(&mut session).load::<OrderOfDesk>(first.id).await.unwrap();
        round_trips(&loaded.unwrap(), json!({
            "order": {
                "id": 1, "desk_id": 1, "replaces_id": null, "state": "OPEN", "quantity": 7,
                "placed_at": "2024-01-01T00:00:07Z",
            },
            "desk": desk_json,
            "replaced_by": [{
                "id": 2, "desk_id": null, "replaces_id": 1, "state": "DONE", "quantity": 8,
                "placed_at": "2024-01-01T00:00:08Z",
            }],
        }));
        let stored: Venue = create(&db, &venue(3)).await;
        round_trips(&stored, json!({ "id": venue_id(3).to_string(), "name": "venue 3", "lots": 1 }));
    }

    async fn a_relation_that_was_not_included_is_left_out_of_json(url: &str) {
        let db = desks(url).await;
        let stored: Desk = create(&db, &desk(2)).await;
        let mut session = db.read().await.unwrap();
        let mut desks = Desks::new(&mut session);
        let without: DeskView = desks.load(stored.id).await.unwrap().unwrap();
        round_trips(&without, json!({ "desk": &stored }));
        let with = desks.including(Include::<DeskView>::all()).load(stored.id).await.unwrap().unwrap();
        round_trips(&with, json!({ "desk": &stored, "orders": [] }));
    }

    async fn a_row_that_arrives_as_json_is_stored(url: &str) {
        let db = desks(url).await;
        let arrived = json!({
            "region": "EU", "code": "FX", "name": "forex", "seats": 4, "tickets": 0, "capital": "0.0000000001",
            "note": null, "updated_at": "2024-01-01T00:00:00.000001Z",
        });
        let new: NewDesk = from_value(arrived.clone()).unwrap();
        round_trips(&new, arrived);
        let stored: Desk = create(&db, &new).await;
        let read = Desks::new(&mut db.read().await.unwrap()).get(stored.id).await.unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.capital.to_string().as_str()), ("forex", "0.0000000001"));
    }
}

#[test]
fn identifiers_are_their_keys() {
    round_trips(&Id::<Desk>::new(i64::MAX), json!(i64::MAX));
    let text = "9e3779b9-7f4a-7c15-f39c-c0605cedc835";
    round_trips(&Id::<Venue, Uuid>::new(text.parse().unwrap()), json!(text));
    assert!(from_value::<Id<Desk>>(json!("7")).is_err());
}

#[test]
fn an_enum_is_its_text_and_another_text_is_refused() {
    round_trips(&State::Open, json!("OPEN"));
    round_trips(&State::Done, json!("DONE"));
    let error = from_value::<State>(json!("GONE")).unwrap_err();
    assert!(error.to_string().contains("State"), "{error}");
}
