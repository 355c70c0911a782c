//! Relations chosen at run time: a load returns what loops over all rows return, and sends the statements of the relations
//! that it includes.

use tallybook::tables::{Aggregate, Id, Include, Repository};
use tallybook::{Database, Session};
use tallybook_testkit::{SqliteFile, both_dialects};

use crate::generated::{World, first, found};
use crate::loads::{MISSING, holds};
use crate::schema::{Desk, Desks, Fill, Label, Order, OrderLabel, State, Transfer, Venue};
use crate::support::{create, desk, desks, fill, load, order, sql, time, write};

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct FillView {
    #[root]
    fill: Fill,
    #[parent]
    venue: Option<Option<Venue>>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct LabelView {
    #[root]
    label: Label,
    #[many(through = OrderLabel)]
    orders: Option<Vec<Order>>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct OrderView {
    #[root]
    order: Order,
    #[many]
    fills: Option<Vec<FillView>>,
    #[many]
    replaced_by: Vec<Order>,
    #[many(through = OrderLabel)]
    labels: Option<Vec<LabelView>>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct DeskWithLatest {
    #[root]
    desk: Desk,
    #[one]
    latest: Option<Option<Order>>,
}

/// An aggregate without a choice of its own, in which there is one.
#[derive(Clone, Debug, PartialEq, Aggregate)]
struct TransferView {
    #[root]
    transfer: Transfer,
    #[parent(by = from_desk_id)]
    from: DeskWithLatest,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct DeskView {
    #[root]
    desk: Desk,
    #[many(newest = 3)]
    orders: Option<Vec<OrderView>>,
    #[many(by = to_desk_id)]
    received: Vec<TransferView>,
    #[one(filter = "state = 'DONE'")]
    done: Option<Option<Order>>,
}

const PATHS: [&str; 7] = [
    "orders",
    "orders.fills",
    "orders.fills.venue",
    "orders.labels",
    "orders.labels.orders",
    "received.from.latest",
    "done",
];

/// Returns each include of a desk's relations, once.
fn all_includes() -> Vec<Include<DeskView>> {
    let mut includes = Vec::new();
    for chosen in 0..1 << PATHS.len() {
        let paths =
            PATHS.iter().enumerate().filter(|(place, _)| chosen >> place & 1 == 1).map(|(_, path)| *path);
        let include = Include::from_paths(paths).unwrap();
        if !includes.contains(&include) {
            includes.push(include);
        }
    }
    includes
}

/// Some relations, by their paths.
struct Chosen(Vec<String>);

impl Chosen {
    fn of(include: Include<DeskView>) -> Self {
        Self(include.to_string().split(',').map(str::to_owned).collect())
    }

    /// Returns the value of a relation, if it is one of them.
    fn then<T>(&self, path: &str, value: impl FnOnce() -> T) -> Option<T> {
        self.0.iter().any(|chosen| chosen == path).then(value)
    }
}

impl World {
    fn desk_view(&self, desk: &Desk, chosen: &Chosen) -> DeskView {
        let orders = self.orders_where(|order| order.desk_id == Some(desk.id));
        let received = self.transfers_where(|transfer| transfer.to_desk_id == Some(desk.id));
        DeskView {
            desk: desk.clone(),
            orders: chosen.then("orders", || {
                first(&orders, 3).iter().map(|order| self.order_view(order, chosen)).collect()
            }),
            received: received.iter().map(|transfer| self.transfer_view(transfer, chosen)).collect(),
            done: chosen.then("done", || orders.iter().find(|order| order.state == State::Done).cloned()),
        }
    }

    fn transfer_view(&self, transfer: &Transfer, chosen: &Chosen) -> TransferView {
        let from = self.desk(transfer.from_desk_id);
        let orders = self.orders_where(|order| order.desk_id == Some(from.id));
        let latest = chosen.then("received.from.latest", || orders.first().cloned());
        TransferView { transfer: transfer.clone(), from: DeskWithLatest { desk: from, latest } }
    }

    fn order_view(&self, order: &Order, chosen: &Chosen) -> OrderView {
        let fills = self.fills_where(|fill| fill.order_id == Some(order.id));
        let fill_view = |fill: &Fill| FillView {
            fill: fill.clone(),
            venue: chosen
                .then("orders.fills.venue", || fill.venue_id.map(|venue| found(&self.venues, venue))),
        };
        let label_view = |label: Label| LabelView {
            orders: chosen.then("orders.labels.orders", || self.label_with_orders(&label).orders),
            label,
        };
        OrderView {
            order: order.clone(),
            fills: chosen.then("orders.fills", || fills.iter().map(fill_view).collect()),
            replaced_by: self.orders_where(|other| other.replaces_id == Some(order.id)),
            labels: chosen
                .then("orders.labels", || self.labels_of(order).into_iter().map(label_view).collect()),
        }
    }
}

fn parse(paths: &str) -> Include<DeskView> {
    Include::parse(paths).unwrap()
}

/// Creates a desk with this many orders, each with a fill.
async fn desk_with_orders(db: &Database, count: i64) -> Id<Desk> {
    let desk: Desk = create(db, &desk(1)).await;
    let orders: Vec<_> = (1..=count)
        .map(|number| Order {
            id: Id::new(number),
            desk_id: Some(desk.id),
            replaces_id: None,
            state: State::Open,
            quantity: number,
            placed_at: time(number),
        })
        .collect();
    let fills: Vec<_> = orders
        .iter()
        .map(|order| Fill {
            id: Id::new(order.id.get()),
            order_id: Some(order.id),
            venue_id: None,
            cents: 1,
            filled_at: order.placed_at,
        })
        .collect();
    write(db, async |session| {
        load(session, &orders).await;
        load(session, &fills).await;
        Ok(())
    })
    .await;
    desk.id
}

both_dialects! {
    async fn every_combination_equals_loops_in_one_round_trip(url: &str) {
        let includes = all_includes();
        assert_eq!(includes.len(), 40);
        holds(&desks(url).await, async |session, world| {
            let ids: Vec<_> = world.desks.iter().map(|desk| desk.id).collect();
            for &include in &includes {
                let chosen = Chosen::of(include);
                let expected: Vec<_> = world.desks.iter().map(|desk| world.desk_view(desk, &chosen)).collect();
                let loaded = Desks::new(session).including(include).load_many(&ids).await.unwrap();
                assert_eq!(loaded, expected, "{include}");
            }
        });
    }
}
