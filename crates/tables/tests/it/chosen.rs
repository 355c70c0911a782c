//! Relations chosen at run time: a load returns what loops over all rows return, and sends the statements of the relations
//! that it includes.

use tallybook::Database;
use tallybook::tables::{Aggregate, Error, Id, Include, Load, Repository};
use tallybook_testkit::{SqliteFile, both_dialects};

use crate::generated::{World, first, found, newest_first};
use crate::loads::{MISSING, holds};
use crate::schema::{Desk, Desks, Fill, Label, Order, OrderLabel, State, Transfer, Venue};
use crate::support::{create, desk, desks, load, sql, time, write};

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
    /// Those of an include, under their paths from the desk.
    fn of<A: Load>(include: Include<A>, prefix: &str) -> Self {
        Self(include.to_string().split(',').map(|path| format!("{prefix}{path}")).collect())
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
    let created: Desk = create(db, &desk(count)).await;
    let mut orders = Vec::new();
    let mut fills = Vec::new();
    for number in 1..=count {
        let placed = Order {
            id: Id::new(created.id.get() * 10_000 + number),
            desk_id: Some(created.id),
            replaces_id: None,
            state: State::Open,
            quantity: number,
            placed_at: time(number),
        };
        fills.push(Fill {
            id: Id::new(placed.id.get()),
            order_id: Some(placed.id),
            venue_id: None,
            cents: 1,
            filled_at: placed.placed_at,
        });
        orders.push(placed);
    }
    write(db, async |session| {
        load(session, &orders).await;
        load(session, &fills).await;
        Ok(())
    })
    .await;
    created.id
}

/// The name of one relation begins with that of another.
#[derive(Clone, Debug, PartialEq, Aggregate)]
struct OrderWithNewestFills {
    #[root]
    order: Order,
    #[many]
    fills: Option<Vec<Fill>>,
    #[many(newest = 2)]
    fills_newest: Option<Vec<Fill>>,
}

/// A desk with all orders and their fills.
#[derive(Clone, Debug, PartialEq, Aggregate)]
struct AllOrders {
    #[root]
    desk: Desk,
    #[many]
    orders: Option<Vec<OrderView>>,
}

both_dialects! {
    async fn every_combination_equals_loops(url: &str) {
        let includes = all_includes();
        assert_eq!(includes.len(), 40);
        holds(&desks(url).await, async |session, world| {
            let ids: Vec<_> = world.desks.iter().map(|desk| desk.id).collect();
            for &include in &includes {
                let chosen = Chosen::of(include, "");
                let expected: Vec<_> = world.desks.iter().map(|desk| world.desk_view(desk, &chosen)).collect();
                let mut repository = Desks::new(session);
                assert_eq!(repository.including(include).load_many(&ids).await.unwrap(), expected, "{include}");
                let loaded = repository.including(include).load(ids[0]).await.unwrap();
                assert_eq!(loaded.as_ref(), expected.first(), "{include}");
            }
        });
    }

    async fn rows_of_parents_with_chosen_relations_equal_loops(url: &str) {
        let includes = ["", "fills", "labels.orders", "fills.venue,labels"]
            .map(|paths| Include::<OrderView>::parse(paths).unwrap());
        holds(&desks(url).await, async |session, world| {
            let parents: Vec<_> = world.desks.iter().map(|desk| desk.id).collect();
            for include in includes {
                let chosen = Chosen::of(include, "orders.");
                let views = |orders: Vec<Order>| -> Vec<OrderView> {
                    orders.iter().map(|order| world.order_view(order, &chosen)).collect()
                };
                let of = |desk| world.orders_where(|order| order.desk_id == Some(desk));
                let mut orders = Repository::<_, Order>::new(session);
                let loaded = orders.including(include).load_of(parents[0]).await.unwrap();
                assert_eq!(loaded, views(of(parents[0])), "{include}");
                let loaded = orders.including(include).load_newest_of(parents[0], 2).await.unwrap();
                assert_eq!(loaded, views(first(&of(parents[0]), 2)), "{include}");
                let loaded = orders.including(include).load_of_many(&parents).await.unwrap();
                assert_eq!(loaded, views(world.orders_where(|order| order.desk_id.is_some())), "{include}");
                let loaded = orders.including(include).load_newest_of_many(&parents, 2).await.unwrap();
                let newest: Vec<_> = parents.iter().flat_map(|desk| first(&of(*desk), 2)).collect();
                assert_eq!(loaded, views(newest_first(&newest, |_| true)), "{include}");
            }
        });
    }

    async fn a_load_without_an_include_leaves_all_of_them_out(url: &str) {
        let db = desks(url).await;
        let id = desk_with_orders(&db, 1).await;
        let loaded = Desks::new(&mut db.read().await.unwrap()).load::<DeskView>(id).await.unwrap().unwrap();
        assert_eq!((loaded.orders, loaded.received, loaded.done), (None, Vec::new(), None));
    }

    async fn an_included_relation_without_rows_is_there_and_empty(url: &str) {
        let db = desks(url).await;
        let created: Desk = create(&db, &desk(1)).await;
        let mut session = db.read().await.unwrap();
        let loaded = Desks::new(&mut session).including(parse("orders,done")).load(created.id).await.unwrap().unwrap();
        assert_eq!((loaded.orders, loaded.done), (Some(Vec::new()), Some(None)));
    }

    async fn an_include_of_a_row_that_does_not_exist_loads_nothing(url: &str) {
        let db = desks(url).await;
        let mut session = db.read().await.unwrap();
        assert_eq!(Desks::new(&mut session).including(Include::<DeskView>::all()).load(MISSING.into()).await.unwrap(), None);
    }

    async fn each_included_relation_is_its_statements_more_in_one_round_trip(url: &str) {
        let db = desks(url).await;
        let id = desk_with_orders(&db, 1).await;
        // The desk, its transfers and their desks are always loaded, and with orders those that replace them. A table of
        // links is a statement of its own.
        let expected = [
            ("", 3),
            ("done", 4),
            ("received.from.latest", 4),
            ("orders", 5),
            ("orders.fills", 6),
            ("orders.fills.venue", 7),
            ("orders.labels", 7),
            ("orders.labels.orders", 9),
            ("done,orders.fills.venue,orders.labels.orders,received.from.latest", 13),
        ];
        for (paths, statements) in expected {
            let mut session = db.read().await.unwrap();
            Desks::new(&mut session).including(parse(paths)).load(id).await.unwrap().unwrap();
            assert_eq!((session.counts().statements, session.counts().round_trips), (statements, 1), "{paths}");
        }
    }

    async fn the_statements_of_an_include_do_not_depend_on_the_number_of_rows(url: &str) {
        let db = desks(url).await;
        let include = Include::<AllOrders>::parse("orders.fills").unwrap();
        for count in [1, 100, 5_000] {
            let id = desk_with_orders(&db, count).await;
            let mut session = db.read().await.unwrap();
            let loaded = Desks::new(&mut session).including(include).load(id).await.unwrap().unwrap();
            assert_eq!((session.counts().statements, session.counts().round_trips), (4, 1), "{count}");
            let orders = loaded.orders.unwrap();
            let newest_first: Vec<_> = orders.iter().map(|view| view.order.quantity).collect();
            assert_eq!(newest_first, (1..=count).rev().collect::<Vec<_>>());
            assert!(orders.iter().all(|view| view.fills.as_ref().unwrap().len() == 1 && view.labels.is_none()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_read_again_because_of_foreign_times_includes_the_same() {
    let file = SqliteFile::new("chosen_foreign_times");
    let db = desks(&file.url()).await;
    let id = desk_with_orders(&db, 5).await;
    // The oldest order becomes the newest, in a form that SQLite sorts before all others of its day.
    sql(&db, "UPDATE orders SET placed_at = '2024-01-01 00:00:09Z' WHERE quantity = 1").await;
    let mut session = db.read().await.unwrap();
    let loaded = Desks::new(&mut session).including(parse("orders.fills")).load(id).await.unwrap().unwrap();
    assert_eq!((session.counts().statements, session.counts().round_trips), (12, 2));
    let orders = loaded.orders.unwrap();
    assert_eq!(orders.iter().map(|view| view.order.quantity).collect::<Vec<_>>(), [1, 5, 4]);
    let fills =
        |view: &OrderView| view.fills.as_ref().unwrap().iter().map(|view| view.fill.id).collect::<Vec<_>>();
    assert!(orders.iter().all(|view| fills(view) == [Id::new(view.order.id.get())] && view.labels.is_none()));
    assert_eq!(loaded.done, None);
}

#[test]
fn the_paths_of_an_aggregate_are_listed_depth_first() {
    assert_eq!(Include::<DeskView>::paths(), PATHS);
    assert_eq!(Include::<Desk>::paths(), [""; 0]);
}

#[test]
fn a_path_includes_the_relations_that_it_leads_through() {
    assert_eq!(parse("orders.fills.venue").to_string(), "orders,orders.fills,orders.fills.venue");
    assert_eq!(parse("orders.fills.venue"), parse("orders.fills.venue,orders,orders"));
    // The relations in between are always loaded.
    assert_eq!(parse("received.from.latest").to_string(), "received.from.latest");
}

#[test]
fn a_path_does_not_include_a_relation_whose_name_it_begins_with() {
    let include = Include::<OrderWithNewestFills>::parse("fills_newest").unwrap();
    assert_eq!(include.to_string(), "fills_newest");
}

#[test]
fn an_empty_text_includes_none_and_all_includes_every_path() {
    assert_eq!(parse(""), Include::none());
    assert!(parse("").is_none());
    assert_eq!(parse(&PATHS.join(",")), Include::all());
    assert!(!parse("done").is_none());
    assert_eq!(format!("{:?}", parse("done,orders")), "Include(orders,done)");
}

#[test]
fn an_unknown_path_is_named_with_those_that_can_be_included() {
    let unknown = Include::<OrderView>::parse("fills,labels.colour").unwrap_err();
    assert_eq!(unknown.path(), "labels.colour");
    assert_eq!(unknown.known(), ["fills", "fills.venue", "labels", "labels.orders"]);
    let text = "\"labels.colour\" cannot be included; these can: fills, fills.venue, labels, labels.orders";
    assert_eq!(unknown.to_string(), text);
    let error = Error::from(unknown.clone());
    assert_eq!((error.to_string(), error.unknown_relation()), (text.to_owned(), Some(&unknown)));
    // A relation that is always loaded, an empty path and one with spaces are none of them.
    for paths in ["received", "done,", ",", " done", "orders.", "order", "DONE"] {
        assert_eq!(Include::<DeskView>::parse(paths).unwrap_err().known(), PATHS, "{paths:?}");
    }
    let none = "x".parse::<Include<Desk>>().unwrap_err();
    assert_eq!(none.to_string(), "\"x\" cannot be included; no relation can");
}

#[test]
fn an_unknown_path_of_any_length_is_quoted_in_one_short_line() {
    let unknown = Include::<DeskView>::parse(&"\n".repeat(100_000)).unwrap_err();
    assert_eq!(unknown.path(), "\n".repeat(100));
    assert!(unknown.to_string().starts_with(&format!("\"{}\" cannot", "\\n".repeat(100))));
}
