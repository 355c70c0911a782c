//! A table of your own beside the book's: [the guide](../../../docs/own-tables.md) explains it.
//!
//! `cargo run -p tallybook --example own_tables`

#![allow(clippy::print_stdout)] // what an example is for

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook::book::{self, NewPortfolio, Portfolio, Portfolios};
use tallybook::migrate::{Column, DEFAULT_HISTORY, Migrator, Revision, Step, Target, Type};
use tallybook::tables::{Aggregate, Filter, Id, Result, Table};
use tallybook::{Database, Settings, now, params};

/// A price at which somebody wants to know.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "alerts", order = created_at, new = NewAlert, changes = AlertChanges, repository = Alerts)]
struct Alert {
    id: Id<Alert>,
    #[table(fixed)]
    portfolio_id: Id<Portfolio>,
    #[table(max = 20)]
    symbol: String,
    #[table(numeric(20, 8))]
    price: Decimal,
    note: Option<String>,
    #[table(fixed)]
    created_at: DateTime<Utc>,
    #[table(touch)]
    updated_at: DateTime<Utc>,
}

const ALERTS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("portfolio_id", Type::Integer).references("portfolios"),
    Column::new("symbol", Type::Varchar(20)),
    Column::new("price", Type::Numeric(20, 8)),
    Column::new("note", Type::Text).null(),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
];

const DESK: &[Revision] = &[Revision::new(
    "0001",
    "alerts",
    &[
        Step::table("alerts", ALERTS),
        Step::index("ix_alerts_portfolio_created", "alerts", &["portfolio_id", "created_at"]),
        Step::index("ix_alerts_created_at", "alerts", &["created_at"]),
    ],
)
.needs(&[(DEFAULT_HISTORY, "0001")])];

/// A portfolio with its newest alerts.
#[derive(Clone, Debug, PartialEq, Aggregate)]
struct PortfolioWithAlerts {
    #[root]
    portfolio: Portfolio,
    #[many(newest = 10)]
    alerts: Vec<Alert>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    book::upgrade(&db).await?;
    Migrator::named(&db, "desk", DESK).upgrade(&Target::Head).await?;

    // One transaction: Ok commits, Err or a panic rolls back.
    let portfolio = db
        .write(async |session| -> Result<_> {
            let portfolio = Portfolios::new(session).create(&NewPortfolio::new("Pension")).await?;
            let at = |symbol: &str, price| NewAlert {
                portfolio_id: portfolio.id,
                symbol: symbol.to_owned(),
                price,
                note: None,
                created_at: now(),
                updated_at: now(),
            };
            let mut alerts = Alerts::new(session);
            // Several rows, one round trip.
            let created = alerts.create_many(&[at("AAPL", 187.into()), at("MSFT", 420.into())]).await?;
            alerts.update(created[0].id, AlertChanges::new().note("sell".to_owned())).await?;
            Ok(portfolio.id)
        })
        .await?
        .into_value();

    let mut session = db.read().await?;
    let mut alerts = Alerts::new(&mut session);
    let page = alerts.get_page_where(Filter::new("symbol = $1", params!["AAPL"]), None, 20).await?;
    for Alert { symbol, price, note, .. } in &page.rows {
        println!("{symbol} at {price}: {note:?}");
    }
    // Two statements, one round trip, one snapshot.
    let loaded = Portfolios::new(&mut session).load::<PortfolioWithAlerts>(portfolio).await?;
    println!("{loaded:#?}\n{:?}", session.counts());
    Ok(())
}
