//! Generated rows of all tables, and what loads of them must return: loops over all rows, in plain Rust.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use tallybook::tables::{Id, Table};
use tallybook::{Dialect, Session, WriteSession, execute, params};

use crate::schema::{
    Desk, DeskBook, Fill, FillAtVenue, FillOfOrder, Label, LabelWithOrders, Order, OrderBook, OrderLabel,
    OrderWithLabels, State, Transfer, TransferBetween, Venue, VenueWithFills,
};
use crate::support::{load, time, venue_id};

/// All rows of all tables.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) desks: Vec<Desk>,
    pub(crate) orders: Vec<Order>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) venues: Vec<Venue>,
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) labels: Vec<Label>,
    pub(crate) links: Vec<OrderLabel>,
    /// The times of orders, fills and transfers as other programs write them.
    spelled: [Vec<String>; 3],
}

/// A time, and its text.
#[derive(Clone, Debug)]
struct Moment {
    time: DateTime<Utc>,
    text: String,
}

/// Few times, so that many are equal, most of them in the canonical form.
fn moment() -> impl Strategy<Value = Moment> {
    let second = select(vec![0_i64, 0, 0, 1, 60, 86_399, 86_400]);
    let micros = select(vec![0_i64, 0, 0, 1, 500_000]);
    let form = prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    (second, micros, form).prop_map(|(second, micros, form)| {
        let time = time(second) + TimeDelta::microseconds(micros);
        let text = match form {
            1 => time.format("%Y-%m-%dT%H:%M:%S%.6f"),
            2 => time.format("%Y-%m-%d %H:%M:%S%.f"),
            3 => time.format("%Y-%m-%d %H:%M:%S%.6fZ"),
            4 => time.format("%Y-%m-%dT%H:%M:%S%.fZ"),
            _ => time.format("%Y-%m-%d %H:%M:%S%.6f"),
        };
        Moment { time, text: text.to_string() }
    })
}

/// An index into rows that may be none.
fn pick<T: Table>(of: Option<Index>, rows: &[T]) -> Option<Id<T, T::Key>> {
    of.filter(|_| !rows.is_empty()).map(|index| index.get(rows).id())
}

fn id<T>(place: usize) -> Id<T> {
    // Neither consecutive nor in the order of times.
    Id::new(i64::try_from(place).unwrap() * 3 + 1)
}

pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let orders = vec((of(any::<Index>()), of(any::<Index>()), any::<bool>(), 0..10_i64, moment()), 0..14);
    let fills = vec((of(any::<Index>()), of(any::<Index>()), 0..100_i64, moment()), 0..24);
    let transfers = vec((any::<Index>(), of(any::<Index>()), moment()), 0..12);
    let links = vec((any::<Index>(), any::<Index>()), 0..16);
    let counts = (1..5_usize, 1..4_u128, 1..4_usize);
    (counts, orders, fills, transfers, links).prop_map(|(counts, orders, fills, transfers, links)| {
        let (desk_count, venue_count, label_count) = counts;
        let desks: Vec<_> = (0..desk_count).map(desk).collect();
        let venues: Vec<_> = (0..venue_count)
            .map(|number| Venue { id: venue_id(number), name: format!("venue {number}"), lots: 1 })
            .collect();
        let labels: Vec<_> =
            (0..label_count).map(|place| Label { id: id(place), text: format!("label {place}") }).collect();
        let mut spelled: [Vec<String>; 3] = Default::default();
        let mut placed: Vec<Order> = Vec::new();
        for (place, (desk, replaces, is_done, quantity, placed_at)) in orders.into_iter().enumerate() {
            spelled[0].push(placed_at.text);
            placed.push(Order {
                id: id(place),
                desk_id: pick(desk, &desks),
                replaces_id: pick(replaces, &placed),
                state: if is_done { State::Done } else { State::Open },
                quantity,
                placed_at: placed_at.time,
            });
        }
        let filled = fills.into_iter().enumerate().map(|(place, (order, venue, cents, filled_at))| {
            spelled[1].push(filled_at.text);
            Fill {
                id: id(place),
                order_id: pick(order, &placed),
                venue_id: pick(venue, &venues),
                cents,
                filled_at: filled_at.time,
            }
        });
        let fills = filled.collect();
        let moved = transfers.into_iter().enumerate().map(|(place, (from, to, moved_at))| {
            spelled[2].push(moved_at.text);
            let from_desk_id = from.get(&desks).id;
            Transfer {
                id: id(place),
                from_desk_id,
                to_desk_id: pick(to, &desks),
                seats: 1,
                at: moved_at.time,
            }
        });
        let transfers = moved.collect();
        let linked = links.into_iter().filter(|_| !placed.is_empty()).enumerate();
        let links = linked
            .map(|(place, (order, label))| OrderLabel {
                id: id(place),
                order_id: order.get(&placed).id,
                label_id: label.get(&labels).id,
            })
            .collect();
        World { desks, orders: placed, fills, venues, transfers, labels, links, spelled }
    })
}

fn desk(place: usize) -> Desk {
    Desk {
        id: id(place),
        region: "R".to_owned(),
        code: place.to_string(),
        name: format!("desk {place}"),
        seats: 0,
        tickets: 0,
        capital: 0.into(),
        note: None,
        grade: 3,
        updated_at: time(0),
    }
}

impl World {
    /// Writes the rows; on SQLite with the times as other programs write them.
    pub(crate) async fn write(&self, session: &mut WriteSession) {
        load(session, &self.desks).await;
        load(session, &self.orders).await;
        load(session, &self.venues).await;
        load(session, &self.fills).await;
        load(session, &self.transfers).await;
        load(session, &self.labels).await;
        load(session, &self.links).await;
        if session.dialect() == Dialect::Sqlite {
            let [orders, fills, transfers] = &self.spelled;
            spell(session, "orders", "placed_at", orders).await;
            spell(session, "fills", "filled_at", fills).await;
            spell(session, "transfers", "moved_at", transfers).await;
        }
    }

    pub(crate) fn desk_book(&self, desk: &Desk) -> DeskBook {
        let is_of = |order: &Order| order.desk_id == Some(desk.id);
        let orders = self.orders_where(is_of);
        let books: Vec<_> = orders.iter().map(|order| self.order_book(order)).collect();
        let large = self.orders_where(|order| is_of(order) && order.quantity > 5);
        let done = self.orders_where(|order| is_of(order) && order.state == State::Done);
        let received = self.transfers_where(|transfer| transfer.to_desk_id == Some(desk.id));
        DeskBook {
            desk: desk.clone(),
            newest: first(&books, 3),
            orders: books,
            large,
            done: done.first().map(|order| self.order_book(order)),
            sent: self.between(&self.transfers_where(|transfer| transfer.from_desk_id == desk.id)),
            received: self.between(&first(&received, 2)),
            last_received: received.first().cloned(),
        }
    }

    pub(crate) fn order_book(&self, order: &Order) -> OrderBook {
        let fills = self.fills_where(|fill| fill.order_id == Some(order.id));
        let at_venues: Vec<_> = fills.iter().map(|fill| self.fill_at_venue(fill)).collect();
        let dear: Vec<_> = fills.into_iter().filter(|fill| fill.cents > 50).collect();
        OrderBook {
            order: order.clone(),
            desk: order.desk_id.map(|id| self.desk(id)),
            replaces: order.replaces_id.map(|id| found(&self.orders, id)),
            replaced_by: self.orders_where(|other| other.replaces_id == Some(order.id)),
            last: at_venues.first().cloned(),
            fills: at_venues,
            dear: first(&dear, 2),
            labels: self.labels_of(order),
        }
    }

    pub(crate) fn fill_of_order(&self, fill: &Fill) -> FillOfOrder {
        let order = fill.order_id.map(|id| self.order_book(&found(&self.orders, id)));
        FillOfOrder { fill: fill.clone(), order }
    }

    pub(crate) fn label_with_orders(&self, label: &Label) -> LabelWithOrders {
        let links = self.links.iter().filter(|link| link.label_id == label.id);
        let orders: Vec<_> = links.map(|link| found(&self.orders, link.order_id)).collect();
        LabelWithOrders { label: label.clone(), orders: newest_first(&orders, |_| true) }
    }

    pub(crate) fn order_with_labels(&self, order: &Order) -> OrderWithLabels {
        let labels = self.labels_of(order);
        let labels = labels.iter().map(|label| self.label_with_orders(label)).collect();
        OrderWithLabels { order: order.clone(), labels }
    }

    /// Without a time, rows are ordered by their identifiers. A label is there once for each link.
    pub(crate) fn labels_of(&self, order: &Order) -> Vec<Label> {
        let mut labels: Vec<_> = self
            .links
            .iter()
            .filter(|link| link.order_id == order.id)
            .map(|link| found(&self.labels, link.label_id))
            .collect();
        labels.sort_by_key(|label| Reverse(label.id));
        labels
    }

    pub(crate) fn fill_at_venue(&self, fill: &Fill) -> FillAtVenue {
        FillAtVenue { fill: fill.clone(), venue: fill.venue_id.map(|id| found(&self.venues, id)) }
    }

    pub(crate) fn venue_with_fills(&self, venue: &Venue) -> VenueWithFills {
        let fills = self.fills_where(|fill| fill.venue_id == Some(venue.id));
        let is_dear = |fill: &&Fill| fill.cents > 50 || fill.cents == 7;
        VenueWithFills {
            venue: venue.clone(),
            fills: first(&fills, 2),
            dear: fills.iter().filter(is_dear).cloned().collect(),
        }
    }

    fn between(&self, transfers: &[Transfer]) -> Vec<TransferBetween> {
        transfers
            .iter()
            .map(|transfer| TransferBetween {
                transfer: transfer.clone(),
                from: self.desk(transfer.from_desk_id),
                to: transfer.to_desk_id.map(|id| self.desk(id)),
            })
            .collect()
    }

    pub(crate) fn desk(&self, id: Id<Desk>) -> Desk {
        found(&self.desks, id)
    }

    pub(crate) fn orders_where(&self, is_meant: impl Fn(&Order) -> bool) -> Vec<Order> {
        newest_first(&self.orders, is_meant)
    }

    pub(crate) fn fills_where(&self, is_meant: impl Fn(&Fill) -> bool) -> Vec<Fill> {
        newest_first(&self.fills, is_meant)
    }

    pub(crate) fn transfers_where(&self, is_meant: impl Fn(&Transfer) -> bool) -> Vec<Transfer> {
        newest_first(&self.transfers, is_meant)
    }
}

/// Replaces the times in a column by their texts.
async fn spell(session: &mut WriteSession, table: &str, column: &str, texts: &[String]) {
    let update = format!("UPDATE {table} SET {column} = $1 WHERE id = $2");
    for (place, text) in texts.iter().enumerate() {
        session.run(execute(update.clone(), params![text, id::<()>(place).get()])).await.unwrap();
    }
}

/// Returns the rows that are meant, newest first, and of equal times the one with the highest identifier first.
pub(crate) fn newest_first<T: Table>(rows: &[T], is_meant: impl Fn(&T) -> bool) -> Vec<T> {
    let mut meant: Vec<T> = rows.iter().filter(|row| is_meant(row)).cloned().collect();
    meant.sort_by_key(|row| Reverse((row.time(), row.id().get())));
    meant
}

pub(crate) fn first<T: Clone>(rows: &[T], count: usize) -> Vec<T> {
    rows.iter().take(count).cloned().collect()
}

pub(crate) fn found<T: Table>(rows: &[T], id: Id<T, T::Key>) -> T {
    rows.iter().find(|row| row.id() == id).cloned().unwrap()
}
