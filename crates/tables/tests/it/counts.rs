//! A load is one round trip with one statement for each table, however many rows there are.

use chrono::{DateTime, Utc};
use tallybook::book::{
    Action, Execution, NewExecution, NewPortfolio, NewTrade, Portfolio, PortfolioId, Trade, TradeId,
    TradeWithExecutions, upgrade,
};
use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::tables::{Aggregate, Id, Repository, Table};
use tallybook::{Database, WriteSession};
use tallybook_testkit::both_dialects;

use crate::support::{open, time, write};

/// A row of a user's own table that belongs to a portfolio of the book.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "marks", order = marked_at, new = NewMark)]
struct Mark {
    id: Id<Mark>,
    portfolio_id: Id<Portfolio>,
    cents: i64,
    marked_at: DateTime<Utc>,
}

const REVISIONS: &[Revision] = &[Revision::new(
    "0001",
    "marks of portfolios",
    &[
        Step::table(
            "marks",
            &[
                Column::new("id", Type::BigId),
                Column::new("portfolio_id", Type::Integer).references("portfolios"),
                Column::new("cents", Type::BigInt),
                Column::new("marked_at", Type::Timestamp),
            ],
        ),
        Step::index("ix_marks_portfolio_marked", "marks", &["portfolio_id", "marked_at"]),
    ],
)];

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct PortfolioWithFills {
    #[root]
    portfolio: Portfolio,
    #[many]
    trades: Vec<TradeWithExecutions>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct PortfolioWithMarks {
    #[root]
    portfolio: Portfolio,
    #[many(newest = 30)]
    marks: Vec<Mark>,
}

const PARENTS: i64 = 5_000;
/// Children of a kind that the first portfolio, and its first trade, have; all others have one.
const MANY: i64 = 100;

/// The number of the parent of each child.
fn parents() -> impl Iterator<Item = i64> {
    (1..MANY).map(|_| 1).chain(1..=PARENTS)
}

/// Creates rows with a repository; identifiers are given from 1 on.
async fn create<T: Table>(session: &mut WriteSession, new: impl Iterator<Item = T::New>) {
    let new: Vec<_> = new.collect();
    let created = Repository::<_, T>::new(session).create_many(&new).await.unwrap();
    assert_eq!(created.len(), new.len());
}

async fn book(url: &str) -> Database {
    let db = open(url).await;
    upgrade(&db).await.unwrap();
    Migrator::named(&db, "marks_history", REVISIONS).upgrade(&Target::Head).await.unwrap();
    write(&db, async |session| {
        let portfolio = |number| NewPortfolio::new(format!("portfolio {number}"));
        create::<Portfolio>(session, (1..=PARENTS).map(portfolio)).await;
        let mark = |(parent, number)| NewMark {
            portfolio_id: PortfolioId::new(parent),
            cents: number,
            marked_at: time(number),
        };
        create::<Mark>(session, parents().zip(0..).map(mark)).await;
        let trade = |(parent, number)| NewTrade {
            created_at: time(number),
            ..NewTrade::market(PortfolioId::new(parent), Action::Buy, "A", (number + 1).into())
        };
        create::<Trade>(session, parents().zip(0..).map(trade)).await;
        let execution = |(parent, number)| NewExecution {
            executed_at: time(number),
            ..NewExecution::new(TradeId::new(parent), "A", (number + 1).into(), 1.into())
        };
        create::<Execution>(session, parents().zip(0..).map(execution)).await;
        Ok(())
    })
    .await;
    db
}

/// Returns the result of a load, which has to be one round trip of so many statements.
async fn counted<T>(
    db: &Database,
    statements: u64,
    load: impl AsyncFnOnce(&mut tallybook::ReadSession) -> tallybook::tables::Result<T>,
) -> T {
    let mut session = db.read().await.unwrap();
    let loaded = load(&mut session).await.unwrap();
    assert_eq!((session.counts().statements, session.counts().round_trips), (statements, 1));
    loaded
}

fn first(count: i64) -> Vec<PortfolioId> {
    (1..=count).map(PortfolioId::new).collect()
}

both_dialects! {
    async fn loads_are_one_round_trip_however_many_parents_there_are(url: &str) {
        let db = book(url).await;
        let first_portfolio = PortfolioId::new(1);
        let one = counted(&db, 3, async |session| {
            Repository::<_, Portfolio>::new(session).load::<PortfolioWithFills>(first_portfolio).await
        });
        let one = one.await.unwrap();
        assert_eq!(one.trades.len() as i64, MANY);
        // Trade 1 is the oldest.
        assert_eq!(one.trades[MANY as usize - 2].executions.len(), 1);
        assert_eq!(one.trades[MANY as usize - 1].executions.len() as i64, MANY);
        let one = counted(&db, 2, async |session| {
            Repository::<_, Portfolio>::new(session).load::<PortfolioWithMarks>(first_portfolio).await
        });
        let cents: Vec<_> = one.await.unwrap().marks.iter().map(|mark| mark.cents).collect();
        assert_eq!(cents, (MANY - 30..MANY).rev().collect::<Vec<_>>());

        for count in [1, 100, PARENTS] {
            let ids = first(count);
            let loaded = counted(&db, 3, async |session| {
                Repository::<_, Portfolio>::new(session).load_many::<PortfolioWithFills>(&ids).await
            });
            let loaded = loaded.await;
            assert_eq!(loaded.len() as i64, count);
            let trades: usize = loaded.iter().map(|portfolio| portfolio.trades.len()).sum();
            assert_eq!(trades as i64, MANY - 1 + count);
            let executions = loaded.iter().flat_map(|portfolio| &portfolio.trades);
            // The first portfolio has the first trades, and the first of these has many executions.
            let executions: usize = executions.map(|trade| trade.executions.len()).sum();
            assert_eq!(executions as i64, MANY - 1 + (MANY - 1 + count).min(PARENTS));

            let loaded = counted(&db, 2, async |session| {
                Repository::<_, Portfolio>::new(session).load_many::<PortfolioWithMarks>(&ids).await
            });
            let marks: usize = loaded.await.iter().map(|portfolio| portfolio.marks.len()).sum();
            assert_eq!(marks as i64, 30 - 1 + count);

            let loaded = counted(&db, 2, async |session| {
                let mut trades = Repository::<_, Trade>::new(session);
                trades.load_newest_of_many::<TradeWithExecutions, Portfolio>(&ids, 3).await
            });
            assert_eq!(loaded.await.len() as i64, 3 - 1 + count);
        }
    }
}
