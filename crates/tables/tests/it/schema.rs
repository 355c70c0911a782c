//! A back end's own tables, and the revision that creates them.
//!
//! A desk places orders, which are filled at venues. An order may replace another and has labels. Desks transfer seats to
//! each other.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tallybook::TextEnum;
use tallybook::migrate::{Column, Revision, Step, Type};
use tallybook::tables::{Aggregate, Id, Table};
use uuid::Uuid;

/// A table without a time to order it, with every role of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Table)]
#[table(name = "desks", serde, new = NewDesk, changes = DeskChanges, repository = Desks)]
pub(crate) struct Desk {
    pub(crate) id: Id<Desk>,
    #[table(max = 8, fixed)]
    pub(crate) region: String,
    #[table(max = 8, fixed)]
    pub(crate) code: String,
    #[table(max = 40)]
    pub(crate) name: String,
    pub(crate) seats: i32,
    pub(crate) tickets: i64,
    #[table(numeric(28, 10))]
    pub(crate) capital: Decimal,
    pub(crate) note: Option<String>,
    #[table(generated)]
    pub(crate) grade: i32,
    #[table(touch)]
    pub(crate) updated_at: DateTime<Utc>,
}

/// The state of an order, as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TextEnum)]
#[text_enum(serde)]
pub(crate) enum State {
    #[text = "OPEN"]
    Open,
    #[text = "DONE"]
    Done,
}

/// A table ordered by time, which may belong to a desk, and may replace another of its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Table)]
#[table(name = "orders", noun = "desk order", order = placed_at, serde, new = NewOrder, changes = OrderChanges)]
pub(crate) struct Order {
    pub(crate) id: Id<Self>,
    pub(crate) desk_id: Option<Id<Desk>>,
    pub(crate) replaces_id: Option<Id<Self>>,
    #[table(max = 20)]
    pub(crate) state: State,
    pub(crate) quantity: i64,
    #[table(fixed)]
    pub(crate) placed_at: DateTime<Utc>,
}

/// A table ordered by time, whose foreign keys may both be NULL, and one of which is a UUID.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "fills", order = filled_at, new = NewFill)]
pub(crate) struct Fill {
    pub(crate) id: Id<Fill>,
    pub(crate) order_id: Option<Id<Order>>,
    pub(crate) venue_id: Option<Id<Venue, Uuid>>,
    pub(crate) cents: i64,
    pub(crate) filled_at: DateTime<Utc>,
}

/// A table whose keys the program generates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Table)]
#[table(name = "venues", serde, new = NewVenue, changes = VenueChanges)]
pub(crate) struct Venue {
    pub(crate) id: Id<Venue, Uuid>,
    #[table(max = 40)]
    pub(crate) name: String,
    pub(crate) lots: i64,
}

/// A table with two columns that refer to the same one.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "transfers", order = at, new = NewTransfer)]
pub(crate) struct Transfer {
    pub(crate) id: Id<Transfer>,
    pub(crate) from_desk_id: Id<Desk>,
    pub(crate) to_desk_id: Option<Id<Desk>>,
    pub(crate) seats: i32,
    #[table(name = "moved_at")]
    pub(crate) at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "labels", new = NewLabel)]
pub(crate) struct Label {
    pub(crate) id: Id<Label>,
    #[table(name = "label_text", max = 20)]
    pub(crate) text: String,
}

/// A table of links.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "order_labels", new = NewOrderLabel)]
pub(crate) struct OrderLabel {
    pub(crate) id: Id<OrderLabel>,
    pub(crate) order_id: Id<Order>,
    pub(crate) label_id: Id<Label>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct FillAtVenue {
    #[root]
    pub(crate) fill: Fill,
    #[parent]
    pub(crate) venue: Option<Venue>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct VenueWithFills {
    #[root]
    pub(crate) venue: Venue,
    #[many(newest = 2)]
    pub(crate) fills: Vec<Fill>,
    #[many(filter = "cents > 50 OR cents = 7")]
    pub(crate) dear: Vec<Fill>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct OrderBook {
    #[root]
    pub(crate) order: Order,
    #[parent]
    pub(crate) desk: Option<Desk>,
    #[parent]
    pub(crate) replaces: Option<Order>,
    #[many]
    pub(crate) replaced_by: Vec<Order>,
    #[many]
    pub(crate) fills: Vec<FillAtVenue>,
    #[many(newest = 2, filter = "cents > 50")]
    pub(crate) dear: Vec<Fill>,
    #[one]
    pub(crate) last: Option<FillAtVenue>,
    #[many(through = OrderLabel)]
    pub(crate) labels: Vec<Label>,
}

/// A parent with relations of its own.
#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct FillOfOrder {
    #[root]
    pub(crate) fill: Fill,
    #[parent]
    pub(crate) order: Option<OrderBook>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct LabelWithOrders {
    #[root]
    pub(crate) label: Label,
    #[many(through = OrderLabel)]
    pub(crate) orders: Vec<Order>,
}

/// Linked rows with relations of their own.
#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct OrderWithLabels {
    #[root]
    pub(crate) order: Order,
    #[many(through = OrderLabel)]
    pub(crate) labels: Vec<LabelWithOrders>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct TransferBetween {
    #[root]
    pub(crate) transfer: Transfer,
    #[parent(by = from_desk_id)]
    pub(crate) from: Desk,
    #[parent(by = to_desk_id)]
    pub(crate) to: Option<Desk>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
pub(crate) struct DeskBook {
    #[root]
    pub(crate) desk: Desk,
    #[many]
    pub(crate) orders: Vec<OrderBook>,
    #[many(newest = 3)]
    pub(crate) newest: Vec<OrderBook>,
    #[many(filter = "quantity > 5")]
    pub(crate) large: Vec<Order>,
    #[one(filter = "state = 'DONE'")]
    pub(crate) done: Option<OrderBook>,
    #[many(by = from_desk_id)]
    pub(crate) sent: Vec<TransferBetween>,
    #[many(by = to_desk_id, newest = 2)]
    pub(crate) received: Vec<TransferBetween>,
    #[one(by = to_desk_id)]
    pub(crate) last_received: Option<Transfer>,
}

pub(crate) const REVISIONS: &[Revision] = &[Revision::new(
    "0001",
    "desks, orders, fills, venues, transfers, labels",
    &[
        Step::table("desks", DESKS),
        Step::unique_index("ix_desks_name", "desks", &["name"]),
        Step::unique_index("ix_desks_region_code", "desks", &["region", "code"]),
        Step::table("orders", ORDERS),
        Step::index("ix_orders_desk", "orders", &["desk_id", "placed_at"]),
        Step::table("venues", VENUES),
        Step::unique_index("ix_venues_name", "venues", &["name"]),
        Step::table("fills", FILLS),
        Step::index("ix_fills_order", "fills", &["order_id", "filled_at"]),
        Step::table("transfers", TRANSFERS),
        Step::table("labels", LABELS),
        Step::table("order_labels", ORDER_LABELS),
    ],
)];

const DESKS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("region", Type::Varchar(8)),
    Column::new("code", Type::Varchar(8)),
    Column::new("name", Type::Varchar(40)),
    Column::new("seats", Type::Integer),
    Column::new("tickets", Type::BigInt),
    Column::new("capital", Type::Numeric(28, 10)),
    Column::new("note", Type::Text).null(),
    Column::new("grade", Type::Integer).default("3"),
    Column::new("updated_at", Type::Timestamp),
];

const ORDERS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("desk_id", Type::BigInt).null().references("desks"),
    Column::new("replaces_id", Type::BigInt).null().references("orders"),
    Column::new("state", Type::Varchar(20)),
    Column::new("quantity", Type::BigInt),
    Column::new("placed_at", Type::Timestamp),
];

const VENUES: &[Column] = &[
    Column::new("id", Type::Uuid).unique(),
    Column::new("name", Type::Varchar(40)),
    Column::new("lots", Type::BigInt),
];

const FILLS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("order_id", Type::BigInt).null().references("orders"),
    Column::new("venue_id", Type::Uuid).null().references("venues"),
    Column::new("cents", Type::BigInt),
    Column::new("filled_at", Type::Timestamp),
];

const TRANSFERS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("from_desk_id", Type::BigInt).references("desks"),
    Column::new("to_desk_id", Type::BigInt).null().references("desks"),
    Column::new("seats", Type::Integer),
    Column::new("moved_at", Type::Timestamp),
];

const LABELS: &[Column] = &[Column::new("id", Type::BigId), Column::new("label_text", Type::Varchar(20))];

const ORDER_LABELS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("order_id", Type::BigInt).references("orders"),
    Column::new("label_id", Type::BigInt).references("labels"),
];
