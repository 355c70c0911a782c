//! Many writers that record at once, programs that are killed, and servers that crash: every acknowledged execution is there
//! once, and the book balances to the last digit.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rust_decimal::Decimal;
use tallybook::book::bookkeeping::{Holding, HoldingFill, OrderFill, currency_scale};
use tallybook::book::{
    Action, Execution, Fill, NewPortfolio, NewTrade, NewTradingSession, Portfolio, PortfolioId, Portfolios,
    Position, RecordError, SessionType, Trade, TradeId, TradeStatus, Trades, TradingSession, TradingSessions,
};
use tallybook::tables::Table;
use tallybook::{Database, Settings};
use tallybook_testkit::{Cluster, both_dialects};

use crate::support::{book, rows, write};

const PORTFOLIOS: usize = 3;
const TRADES: usize = 20;
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "XAU"];
const TASKS: usize = 64;

/// Creates three portfolios with trading sessions, and 20 orders that are never completely filled.
async fn market(url: &str) -> Database {
    let db = book(url).await;
    write(&db, async |session| {
        let mut desks = Vec::new();
        for number in 0..PORTFOLIOS {
            let currency = ["USD", "JPY", "BTC"][number].to_owned();
            let new = NewPortfolio { currency, ..NewPortfolio::new(format!("desk {number}")) };
            let portfolio = Portfolios::new(session).create(&new).await?.id;
            let new = NewTradingSession::new(portfolio, SessionType::Paper);
            desks.push((portfolio, TradingSessions::new(session).create(&new).await?.id));
        }
        for number in 0..TRADES {
            let (portfolio, trading_session) = desks[number % PORTFOLIOS];
            let action = if number % 2 == 0 { Action::Buy } else { Action::Sell };
            let symbol = SYMBOLS[number / 2 % SYMBOLS.len()];
            let new = NewTrade::market(portfolio, action, symbol, 1_000_000_000.into());
            let session_id = (number % 5 != 0).then_some(trading_session);
            Trades::new(session).create(&NewTrade { session_id, ..new }).await?;
        }
        Ok(())
    })
    .await;
    db
}

/// Returns the fill of this number: always the same.
fn fill(number: usize) -> Fill {
    // SplitMix64.
    let mut mixed = (number as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let mut part = |range: u64| {
        let part = mixed % range;
        mixed /= range;
        part as i64
    };
    let trade = TradeId::from(part(TRADES as u64) + 1);
    let (quantity, price) = (Decimal::new(part(9_999) + 1, 2), Decimal::new(part(1_000_000) + 1, 4));
    Fill::new(trade, format!("venue:{number}"), quantity, price)
        .commission(Decimal::new(part(300), 2))
        .fees(Decimal::new(part(90) - 30, 3))
}

/// Records a fill, again and again until the database says what became of it.
async fn record(db: &Database, fill: &Fill) -> bool {
    loop {
        match db.write(async |session| Trades::new(session).record(fill).await).await {
            Ok(recorded) => return recorded.into_value().is_repeat,
            Err(error) if is_passing(&error) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Returns whether a failure says nothing about the fill: a server that restarts, or an unknown commit.
fn is_passing(error: &RecordError) -> bool {
    error
        .database()
        .is_some_and(|error| error.is_retryable() || error.is_commit_unknown() || error.is_connect())
}

/// Records the fills in many tasks, every tenth of them twice, and calls back for each that is acknowledged. Returns the number of
/// answers that were repeats.
async fn record_all(
    db: &Database,
    fills: usize,
    acknowledged: impl Fn(usize) + Send + Sync + 'static,
) -> usize {
    let (next, repeats, acknowledged) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(acknowledged));
    let tasks = (0..TASKS).map(|_| {
        let (db, next, repeats, acknowledged) =
            (db.clone(), Arc::clone(&next), Arc::clone(&repeats), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                // The last tenth repeats fills, some of which other tasks are recording.
                let number = if turn < fills { turn } else { (turn - fills) * 10 };
                if number >= fills {
                    return;
                }
                if record(&db, &fill(number)).await {
                    repeats.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged(number);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    repeats.load(Ordering::Relaxed)
}

async fn all<T: Table>(session: &mut tallybook::ReadSession) -> Vec<T> {
    rows(session, format!("SELECT {} FROM {} ORDER BY id", T::COLUMN_LIST, T::NAME)).await
}

/// Folds all executions again in recorded order, and finds every stored figure equal.
async fn assert_balanced(db: &Database) -> Vec<Execution> {
    let mut session = db.snapshot().await.unwrap();
    let executions: Vec<Execution> = all(&mut session).await;
    let mut trades: BTreeMap<_, _> = all::<Trade>(&mut session)
        .await
        .into_iter()
        .map(|trade| (trade.id, (unfilled(&trade), trade)))
        .collect();
    let mut portfolios: BTreeMap<PortfolioId, (Decimal, Portfolio)> = all::<Portfolio>(&mut session)
        .await
        .into_iter()
        .map(|row| (row.id, (row.initial_capital, row)))
        .collect();
    let mut sessions: BTreeMap<_, _> = all::<TradingSession>(&mut session)
        .await
        .into_iter()
        .map(|row| (row.id, (row.starting_capital, Decimal::ZERO, row)))
        .collect();
    let mut holdings: BTreeMap<(PortfolioId, String), Holding> = BTreeMap::new();
    for execution in &executions {
        let (folded, trade) = trades.get_mut(&execution.trade_id).unwrap();
        let (cash, portfolio) = portfolios.get_mut(&trade.portfolio_id).unwrap();
        let scale = currency_scale(&portfolio.currency);
        let quantity = if trade.action == Action::Buy { execution.quantity } else { -execution.quantity };
        let Execution { price, commission, fees, executed_at, .. } = *execution;
        let holding = holdings.entry((trade.portfolio_id, trade.symbol.clone())).or_default();
        let (next, moved) = holding.after(&HoldingFill { quantity, price, commission, fees }, scale).unwrap();
        *holding = next;
        *cash += moved.cash;
        assert_eq!(execution.realized_pnl, Some(moved.realized_pnl));
        let fill =
            OrderFill { quantity: execution.quantity, price, realized_pnl: moved.realized_pnl, executed_at };
        let step = fill.applied_to(folded, scale).unwrap();
        (folded.filled_quantity, folded.average_fill_price) = (step.filled_quantity, step.average_fill_price);
        (folded.realized_pnl, folded.status, folded.filled_at) =
            (Some(step.realized_pnl), step.status, step.filled_at);
        if let Some(id) = trade.session_id {
            let (capital, total, _) = sessions.get_mut(&id).unwrap();
            *capital += moved.cash;
            *total += moved.realized_pnl;
        }
    }
    for (folded, trade) in trades.values() {
        assert_eq!(&Trade { updated_at: trade.updated_at, ..folded.clone() }, trade);
    }
    for (cash, portfolio) in portfolios.values() {
        assert_eq!(portfolio.current_capital, *cash);
    }
    for (id, (capital, total, row)) in &sessions {
        let of_session =
            || trades.values().map(|(_, trade)| trade).filter(|trade| trade.session_id == Some(*id));
        let count = |of: fn(&Trade) -> bool| of_session().filter(|trade| of(trade)).count() as i64;
        assert_eq!((row.current_capital, row.total_pnl), (*capital, *total));
        assert_eq!(row.total_trades, count(|trade| !trade.filled_quantity.is_zero()));
        assert_eq!(row.winning_trades, count(|trade| trade.realized_pnl > Some(Decimal::ZERO)));
        assert_eq!(
            row.losing_trades,
            count(|trade| trade.realized_pnl.is_some_and(|profit| profit < Decimal::ZERO))
        );
    }
    let positions: Vec<Position> = all(&mut session).await;
    assert_eq!(positions.len(), holdings.len(), "one position a symbol");
    for position in positions {
        let Position { quantity, average_cost, realized_pnl, .. } = position;
        assert_eq!(
            Holding { quantity, average_cost, realized_pnl },
            holdings[&(position.portfolio_id, position.symbol)]
        );
    }
    executions
}

/// Returns an order as it was before its first fill.
fn unfilled(trade: &Trade) -> Trade {
    Trade {
        filled_quantity: Decimal::ZERO,
        average_fill_price: None,
        realized_pnl: None,
        status: TradeStatus::Pending,
        filled_at: None,
        ..trade.clone()
    }
}

/// Returns the numbers of the recorded fills; asserts that each is there once.
fn numbers(executions: &[Execution]) -> HashSet<usize> {
    let numbers = executions.iter().map(|execution| {
        let id = execution.execution_id.as_deref().unwrap();
        id.strip_prefix("venue:").unwrap().parse().unwrap()
    });
    let numbers: HashSet<usize> = numbers.collect();
    assert_eq!(numbers.len(), executions.len());
    numbers
}

async fn many_writers(url: &str, fills: usize) {
    let db = market(url).await;
    let repeats = record_all(&db, fills, |_| ()).await;
    assert_eq!(repeats, fills.div_ceil(10));
    assert_eq!(numbers(&assert_balanced(&db).await), (0..fills).collect());
}

const PROGRAM: &str = "record_writers::a_program_that_records_and_says_what_is_acknowledged";

#[ignore = "a program that other tests run"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_records_and_says_what_is_acknowledged() {
    let variable = |name| std::env::var(name).unwrap();
    let db = Database::open(Settings::new(&variable("URL")).unwrap()).await.unwrap();
    let say = |number: usize| writeln!(std::io::stdout(), "\nrecorded {number}").unwrap();
    record_all(&db, variable("FILLS").parse().unwrap(), say).await;
    writeln!(std::io::stdout(), "\nfinished").unwrap();
}

/// Runs the program until it has acknowledged this many, then kills it. Calls `half_way` after half of them. Returns
/// what it acknowledged, and whether it finished.
fn run(url: &str, fills: usize, until: usize, half_way: impl FnOnce()) -> (BTreeSet<usize>, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([PROGRAM, "--exact", "--ignored", "--nocapture"])
        .envs([("URL", url), ("FILLS", &fills.to_string())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut acknowledged, mut finished, mut half_way) = (BTreeSet::new(), false, Some(half_way));
    let mut answers = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
        if let Some(number) = line.strip_prefix("recorded ") {
            acknowledged.insert(number.parse().unwrap());
            answers += 1;
        }
        finished |= line == "finished";
        if answers == until / 2
            && let Some(half_way) = half_way.take()
        {
            half_way();
        }
        if answers == until {
            break;
        }
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(finished || answers == until, "the program failed after {answers} answers");
    (acknowledged, finished)
}

/// Kills the program five times, and crashes the server in two of its runs.
async fn crashes(url: &str, fills: usize, crash: impl Fn()) {
    let db = market(url).await;
    drop(db);
    let mut acknowledged = BTreeSet::new();
    for round in 0..5 {
        let crash = || {
            if round % 2 == 1 {
                crash();
            }
        };
        let (recorded, finished) =
            tokio::task::block_in_place(|| run(url, fills, (round + 1) * fills / 8, crash));
        assert!(!finished);
        acknowledged.extend(recorded);
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let recorded = numbers(&assert_balanced(&db).await);
        let lost: Vec<_> = acknowledged.iter().filter(|number| !recorded.contains(number)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
    let (_, finished) = tokio::task::block_in_place(|| run(url, fills, usize::MAX, || ()));
    assert!(finished);
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    assert_eq!(numbers(&assert_balanced(&db).await), (0..fills).collect());
}

both_dialects! {
    async fn executions_of_64_tasks_are_all_recorded_once_and_the_book_balances(url: &str) {
        many_writers(url, 1_000).await;
    }

    async fn first_fills_at_the_same_time_open_one_position(url: &str) {
        let db = market(url).await;
        let fills: Vec<_> = (0..16).map(|n| Fill::new(1.into(), format!("first:{n}"), 1.into(), 1.into())).collect();
        let barrier = Arc::new(tokio::sync::Barrier::new(fills.len()));
        let tasks: Vec<_> = fills
            .into_iter()
            .map(|fill| {
                let (db, barrier) = (db.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    record(&db, &fill).await
                })
            })
            .collect();
        for task in tasks {
            assert!(!task.await.unwrap());
        }
        let positions: Vec<Position> = all(&mut db.snapshot().await.unwrap()).await;
        assert_eq!(positions.len(), 1);
        assert_eq!(positions[0].quantity, Decimal::from(16));
    }

    async fn one_execution_sent_by_many_tasks_at_once_is_recorded_once(url: &str) {
        let db = market(url).await;
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { record(&db, &fill(7)).await })
            })
            .collect();
        let mut first = 0;
        for task in tasks {
            first += usize::from(!task.await.unwrap());
        }
        assert_eq!(first, 1);
        assert_eq!(assert_balanced(&db).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_killed_loses_no_acknowledged_execution_on_sqlite() {
    let file = tallybook_testkit::SqliteFile::new("killed_recorder");
    crashes(&file.url(), 400, || ()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_killed_program_nor_a_crashed_server_loses_an_acknowledged_execution_on_postgres() {
    let cluster = tokio::task::block_in_place(Cluster::start).unwrap();
    crashes(&cluster.url("postgres"), 400, || cluster.restart_immediately().unwrap()).await;
}

/// What `./scripts/test --long` runs besides.
mod long {
    use std::time::Duration;

    use tallybook_testkit::{Cluster, SqliteFile, postgres, takes_at_most};

    use super::{crashes, many_writers};

    const FILLS: usize = 20_000;
    const LIMIT: Duration = Duration::from_secs(3600);

    #[ignore = "takes minutes: ./scripts/test --long"]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_of_20_000_executions_are_recorded_once_on_sqlite() {
        takes_at_most(LIMIT);
        many_writers(&SqliteFile::new("many_writers").url(), FILLS).await;
    }

    #[ignore = "takes minutes: ./scripts/test --long"]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_of_20_000_executions_are_recorded_once_on_postgres() {
        takes_at_most(LIMIT);
        many_writers(postgres().await.database("many_writers").await.url(), FILLS).await;
    }

    #[ignore = "takes minutes: ./scripts/test --long"]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn five_kills_lose_none_of_20_000_executions_on_sqlite() {
        takes_at_most(LIMIT);
        crashes(&SqliteFile::new("killed_recorder").url(), FILLS, || ()).await;
    }

    #[ignore = "takes minutes: ./scripts/test --long"]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn five_kills_and_two_crashes_lose_none_of_20_000_executions_on_postgres() {
        takes_at_most(LIMIT);
        let cluster = tokio::task::block_in_place(Cluster::start).unwrap();
        crashes(&cluster.url("postgres"), FILLS, || cluster.restart_immediately().unwrap()).await;
    }
}
