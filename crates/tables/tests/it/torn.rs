//! A writer keeps rows of three tables consistent; a reader that loads them together sees them consistent.

use std::collections::HashSet;

use tallybook::tables::{Id, Repository, Result};
use tallybook::{Database, ReadSession, WriteSession, execute, params};
use tallybook_testkit::both_dialects;
use tokio::task::JoinHandle;

use crate::schema::{Desk, DeskBook, DeskChanges, Desks, Fill, Order, OrderBook};
use crate::support::{create, desk, desks, fill, order, write};

const DESK: Id<Desk> = Id::new(1);

/// Steps before the writer begins again without orders, so that a load of all orders stays short.
const STEPS: i64 = 20;

/// Places an order with a fill; the desk has as many seats as orders. The first step removes earlier orders.
async fn step(session: &mut WriteSession, number: i64) -> Result<()> {
    if number == 1 {
        session
            .run((execute("DELETE FROM fills", params![]), execute("DELETE FROM orders", params![])))
            .await?;
    }
    let seats = i32::try_from(number).unwrap();
    Desks::new(session).update(DESK, DeskChanges::new().seats(seats)).await?;
    let new = crate::schema::NewOrder { desk_id: Some(DESK), ..order(number) };
    let placed = Repository::<_, Order>::new(session).create(&new).await?;
    Repository::<_, Fill>::new(session).create(&fill(Some(placed.id), number)).await?;
    Ok(())
}

/// Writes one step after another until it is dropped.
struct Writer(JoinHandle<()>);

impl Writer {
    async fn start(db: &Database) -> Self {
        let created: Desk = create(db, &desk(0)).await;
        assert_eq!((created.id, created.seats), (DESK, 0));
        let db = db.clone();
        Self(tokio::spawn(async move {
            for number in (1..=STEPS).cycle() {
                write(&db, async |session| step(session, number).await).await;
            }
        }))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Loads some hundred times, and on until some loads fell between steps; `load` returns the numbers of steps that it sees,
/// which must be equal.
async fn is_never_torn(db: &Database, load: impl AsyncFn(&mut ReadSession) -> Result<Vec<usize>>) {
    let writer = Writer::start(db).await;
    let mut seen = HashSet::new();
    let mut loads = 0;
    while loads < 150 || seen.len() < 10 {
        let steps = load(&mut db.read().await.unwrap()).await.unwrap();
        assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?} after {loads} loads");
        seen.insert(steps[0]);
        loads += 1;
        assert!(!writer.0.is_finished(), "the writer failed");
    }
}

fn steps(book: &DeskBook) -> Vec<usize> {
    let fills = book.orders.iter().map(|order| order.fills.len()).sum();
    // The newest order has the number of the step as its quantity.
    let newest = book.newest.first().map_or(0, |newest| newest.order.quantity);
    vec![
        usize::try_from(book.desk.seats).unwrap(),
        book.orders.len(),
        fills,
        usize::try_from(newest).unwrap(),
    ]
}

both_dialects! {
    async fn an_aggregate_of_three_levels_is_of_one_moment(url: &str) {
        is_never_torn(&desks(url).await, async |session| {
            Ok(steps(&Desks::new(session).load::<DeskBook>(DESK).await?.unwrap()))
        })
        .await;
    }

    async fn many_aggregates_are_of_one_moment(url: &str) {
        is_never_torn(&desks(url).await, async |session| {
            Ok(steps(&Desks::new(session).load_many::<DeskBook>(&[DESK]).await?[0]))
        })
        .await;
    }

    async fn the_newest_rows_and_their_parent_are_of_one_moment(url: &str) {
        is_never_torn(&desks(url).await, async |session| {
            let mut orders = Repository::<_, Order>::new(session);
            let newest = orders.load_newest_of::<OrderBook, Desk>(DESK, 1).await?;
            let Some(book) = newest.first() else { return Ok(vec![0]) };
            let seats = book.desk.as_ref().unwrap().seats;
            let number = usize::try_from(book.order.quantity).unwrap();
            assert_eq!(book.fills.len(), 1);
            Ok(vec![usize::try_from(seats).unwrap(), number])
        })
        .await;
    }
}
