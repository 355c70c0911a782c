//! New rows, changesets and pages as JSON: what `#[table(serde)]` derives.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{from_str, json, to_value};
use tallybook::book::{NewTrade, Trade, TradeStatus};
use tallybook::now;
use tallybook::tables::{Cursor, Id, Page, Table};

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(serde, name = "notes", new = NewNote, changes = NoteChanges)]
struct Note {
    id: Id<Note>,
    r#type: String,
    #[serde(rename = "body")]
    text: String,
    #[table(name = "star_count", default)]
    stars: i64,
    #[serde(skip_deserializing, default)]
    checksum: Option<String>,
    #[table(fixed, default = "now")]
    created_at: DateTime<Utc>,
}

#[test]
fn a_new_row_has_defaults_where_json_leaves_fields_out() {
    let new: NewNote = from_str(r#"{"type": "a", "body": "b"}"#).unwrap();
    assert_eq!((new.r#type.as_str(), new.text.as_str(), new.stars), ("a", "b", 0));
    assert!((now() - new.created_at).num_seconds() < 600);
    let all = r#"{"type": "a", "body": "b", "stars": 3, "created_at": "2025-03-01T09:30:00Z"}"#;
    let new: NewNote = from_str(all).unwrap();
    assert_eq!((new.stars, new.created_at.timestamp()), (3, 1_740_821_400));

    let trade = json!({ "portfolio_id": 7, "symbol": "AAPL", "action": "BUY", "quantity": "1", "order_type": "MARKET" });
    let trade: NewTrade = serde_json::from_value(trade).unwrap();
    assert_eq!((trade.status, trade.filled_quantity), (TradeStatus::Pending, 0.into()));
}

#[test]
fn a_changeset_sets_the_columns_of_an_object_by_their_names_in_json() {
    let changes: NoteChanges = from_str(r#"{"body": "x", "type": "y", "stars": 1}"#).unwrap();
    let by_hand = NoteChanges::new().text("x").r#type("y").stars(1);
    assert_eq!(format!("{changes:?}"), format!("{by_hand:?}"));
    assert_eq!(format!("{:?}", from_str::<NoteChanges>("{}").unwrap()), format!("{:?}", NoteChanges::new()));
}

#[test]
fn a_changeset_refuses_what_it_does_not_set() {
    for (object, problem) in [
        (
            r#"{"text": "x"}"#,
            "unknown field `text`, expected one of `type`, `body`, `stars` at line 1 column 7",
        ),
        (r#"{"id": 1}"#, "unknown field `id`, expected one of `type`, `body`, `stars` at line 1 column 5"),
        (
            r#"{"checksum": "x"}"#,
            "unknown field `checksum`, expected one of `type`, `body`, `stars` at line 1 column 11",
        ),
        (r#"{"type": null}"#, "invalid type: null, expected a string at line 1 column 13"),
        (r#"{"stars": 1, "stars": 2}"#, "duplicate field `stars` at line 1 column 20"),
        ("[1]", "invalid type: sequence, expected an object of the columns to change at line 1 column 0"),
    ] {
        assert_eq!(from_str::<NoteChanges>(object).unwrap_err().to_string(), problem);
    }
}

#[test]
fn a_cursor_is_its_text_and_of_one_table() {
    let cursor: Cursor<Note> = from_str(r#""notes.7""#).unwrap();
    assert_eq!(to_value(cursor).unwrap(), "notes.7");
    let page = Page { rows: Vec::<Note>::new(), next: Some(cursor) };
    assert_eq!(to_value(page).unwrap(), json!({ "rows": [], "next": "notes.7" }));
    let foreign = from_str::<Cursor<Trade>>(r#""notes.7""#).unwrap_err();
    assert!(foreign.to_string().starts_with(r#""notes.7" is not a cursor of this list"#), "{foreign}");
}
