//! The SQL that the book sends, byte for byte, as `sent_sql/{sqlite,postgres}.sql` have it.
//!
//! A change of the book's statements is on purpose or a mistake, and may cost an index. `TALLYBOOK_ACCEPT_SQL=1` writes the files;
//! `git diff` then shows what a change does.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tallybook::book::*;
use tallybook::{CallSite, WriteSession, execute, params};
use tallybook_core::observe::{Observer, Opened, Outcome, Recorder};
use tallybook_core::{Database, Dialect, Query};

use crate::sample::{PORTFOLIO, SESSION, TRADE, parents};
use crate::support::{open, time};
use crate::template_books::EMPTY;

/// Keeps the text of every statement.
struct Texts {
    dialect: Dialect,
    texts: Arc<Mutex<Vec<String>>>,
}

struct SessionTexts(Dialect, Arc<Mutex<Vec<String>>>);

impl Observer for Texts {
    fn opened(&self, _: Opened) -> Option<Box<dyn Recorder>> {
        Some(Box::new(SessionTexts(self.dialect, Arc::clone(&self.texts))))
    }
}

impl Recorder for SessionTexts {
    fn sent(&mut self, queries: &mut [&mut dyn Query]) -> (Option<Instant>, tracing::Span) {
        let mut texts = self.1.lock().unwrap();
        texts.extend(queries.iter_mut().map(|query| query.request().statement.sql(self.0).to_owned()));
        (None, tracing::Span::none())
    }

    fn sent_text(&mut self, sql: &str, _: CallSite) {
        self.1.lock().unwrap().push(sql.to_owned());
    }

    fn answered(&mut self, _: &mut [&mut dyn Query], _: Option<&tallybook::Error>) {}
    fn answered_text(&mut self, _: Outcome<'_>) {}
    fn abandoned(&mut self) {}
    fn closed(self: Box<Self>, _: bool) {}
}

/// Opens a book whose statements are kept.
async fn observed(book: &tallybook::Database) -> (Database, Arc<Mutex<Vec<String>>>) {
    let texts = Arc::default();
    let observer = Texts { dialect: book.dialect(), texts: Arc::clone(&texts) };
    (Database::open_observed(book.settings().clone(), Arc::new(observer)).await.unwrap(), texts)
}

/// Calls methods of a repository, each in a session of its own, and writes down what they send.
macro_rules! sent {
    ($db:ident, $texts:ident, $into:ident, $open:ident, $repository:ident: $($call:ident($($argument:expr),*))*) => {$(
        // Boxed: the futures of all calls together would overflow the stack of an unoptimized build.
        Box::pin(async {
            let mut session = $db.$open().await.unwrap();
            $texts.lock().unwrap().clear();
            let _ = $repository::new(&mut session).$call($($argument),*).await.unwrap();
            $into.push_str(&section(
                concat!(stringify!($repository), "::", stringify!($call), "(", stringify!($($argument),*), ")"),
                &$texts.lock().unwrap(),
            ));
        })
        .await;
    )*};
}

fn section(call: &str, texts: &[String]) -> String {
    let call = call.split_whitespace().collect::<Vec<_>>().join(" ");
    let statements: String = texts.iter().map(|text| format!("{text};\n")).collect();
    format!("-- {call}\n{statements}\n")
}

const FIRST: LimitOffset = LimitOffset::first(2);
const SKIPPING: LimitOffset = LimitOffset::first(2).skip(1);

fn position<T: Table>(text: &str) -> Cursor<T> {
    text.parse().unwrap()
}

fn by_time<T: Table>(table: &str) -> Cursor<T> {
    position(&format!("{table}.{}.9", time(0).timestamp_micros()))
}

async fn reads(db: &Database, texts: &Mutex<Vec<String>>) -> String {
    let mut out = String::new();
    sent! { db, texts, out, read, Portfolios:
        get(PORTFOLIO) get_by_ids(&[PORTFOLIO]) get_many(FIRST) get_many(SKIPPING) get_page(None, 2)
        get_page(Some(&position("portfolios.9")), 2) scan(None, 2) scan(Some(1), 2) count() get_by_name("parent")
        get_with_positions(PORTFOLIO) get_many_with_positions(&[PORTFOLIO]) get_with_trades(PORTFOLIO)
        get_many_with_trades(&[PORTFOLIO]) get_with_all_relations(PORTFOLIO)
        get_many_with_all_relations(&[PORTFOLIO]) equity(PORTFOLIO, &[time(0)], |_, _| None)
    }
    sent! { db, texts, out, read, Positions:
        get(PositionId::from(1)) get_by_ids(&[PositionId::from(1)]) get_many(FIRST) get_page(None, 2)
        get_page(Some(&position("positions.9")), 2) scan(None, 2) count() get_by_portfolio(PORTFOLIO, SKIPPING)
        get_by_symbol(PORTFOLIO, "A") holdings_at(PORTFOLIO, time(0))
    }
    sent! { db, texts, out, read, Trades:
        get(TRADE) get_by_ids(&[TRADE]) get_many(FIRST) get_many(SKIPPING) get_page(None, 2)
        get_page(Some(&by_time("trades")), 2) scan(None, 2) scan(Some(1), 2) count() get_by_portfolio(PORTFOLIO, FIRST)
        get_by_portfolio(PORTFOLIO, SKIPPING) get_by_status(&TradeStatus::Pending, FIRST)
        get_by_portfolio_and_status(PORTFOLIO, &TradeStatus::Pending, SKIPPING) get_by_session(SESSION)
        get_by_session_with_executions(SESSION) get_many_by_session_with_executions(&[SESSION])
        get_with_executions(TRADE) get_many_with_executions(&[TRADE]) get_by_portfolio_with_executions(PORTFOLIO, 2)
        get_many_by_portfolio_with_executions(&[PORTFOLIO], 2) get_open(PORTFOLIO, FIRST)
        get_updated_since(time(0), 2) get_closed_since(time(0), 2)
    }
    sent! { db, texts, out, read, Executions:
        get(ExecutionId::from(1)) get_by_ids(&[ExecutionId::from(1)]) get_many(FIRST) get_page(None, 2)
        get_page(Some(&by_time("executions")), 2) scan(None, 2) count() get_by_trade(TRADE)
    }
    sent! { db, texts, out, read, TradingSessions:
        get(SESSION) get_by_ids(&[SESSION]) get_many(FIRST) get_page(None, 2)
        get_page(Some(&by_time("trading_sessions")), 2) scan(None, 2) count() get_by_portfolio(PORTFOLIO, FIRST)
        get_by_status(&SessionStatus::Active, FIRST) get_active(FIRST)
    }
    out
}

async fn writes(db: &Database, texts: &Mutex<Vec<String>>) -> String {
    let mut out = String::new();
    let order = || NewTrade::market(PORTFOLIO, Action::Buy, "A", 1.into());
    let fill = || NewExecution::new(TRADE, "A", 1.into(), 1.into());
    let holding = || NewPosition::new(PORTFOLIO, "A", 1.into(), 1.into());
    let run = || NewTradingSession::new(PORTFOLIO, SessionType::Paper);
    sent! { db, texts, out, begin, Portfolios:
        create(&NewPortfolio::new("second")) get_for_update(PORTFOLIO) add_current_capital(PORTFOLIO, 1)
        update(PORTFOLIO, PortfolioChanges::new()) update(PORTFOLIO, PortfolioChanges::new().name("new"))
        delete(PortfolioId::from(99)) bulk_load(None) sync_sequence()
    }
    sent! { db, texts, out, begin, Positions: create(&holding()) create_many(&[holding(), NewPosition { symbol: "B".into(), ..holding() }]) bulk_load(None) sync_sequence() }
    sent! { db, texts, out, begin, Trades:
        create(&order()) create_many(&[order(), order()]) get_for_update(TRADE) add_filled_quantity(TRADE, 1)
        update(TRADE, TradeChanges::new().status(TradeStatus::Filled).limit_price(None)) delete(TradeId::from(99)) bulk_load(None)
        sync_sequence()
    }
    sent! { db, texts, out, begin, Executions: create(&fill()) bulk_load(Some(&["trade_id", "price"])) }
    sent! { db, texts, out, begin, TradingSessions:
        create(&run()) add_current_capital(SESSION, 1) add_total_pnl(SESSION, 1) add_total_trades(SESSION, 1)
        update(SESSION, TradingSessionChanges::new().status(SessionStatus::Stopped))
    }
    let mut session = db.begin().await.unwrap();
    let stored = Trades::new(&mut session).get(TRADE).await.unwrap().unwrap().updated_at;
    texts.lock().unwrap().clear();
    let changes = TradeChanges::new().status(TradeStatus::Filled);
    let trade = Trades::new(&mut session).update(TRADE, changes).expecting(stored).await.unwrap();
    Trades::new(&mut session).delete(TRADE).expecting(trade.updated_at).await.unwrap();
    out.push_str(&section("Trades::update and delete, expecting a version", &texts.lock().unwrap()));
    session.roll_back().await.unwrap();
    let mut session = db.begin().await.unwrap();
    let mut executions = Executions::new(&mut session);
    let id = executions.create(&fill()).await.unwrap().id;
    texts.lock().unwrap().clear();
    executions.repair().update(id, ExecutionChanges::new().fees(1)).await.unwrap();
    executions.repair().delete(id).await.unwrap();
    out.push_str(&section("Executions::repair: update and delete", &texts.lock().unwrap()));
    out
}

/// On SQLite, the statements for times that other programs spelled differently.
async fn reads_of_other_spellings(db: &Database, texts: &Mutex<Vec<String>>) -> String {
    let mut out = String::new();
    let mut session: WriteSession = db.begin().await.unwrap();
    for (table, time) in
        [("trades", "created_at"), ("executions", "executed_at"), ("trading_sessions", "started_at")]
    {
        let sql = format!("UPDATE {table} SET {time} = replace({time}, ' ', 'T')");
        session.run(execute(sql, params![])).await.unwrap();
    }
    session.commit().await.unwrap();
    let position: Cursor<_> = by_time("trades");
    sent! { db, texts, out, read, Trades:
        get_many(FIRST) get_many(SKIPPING) get_page(None, 2) get_page(Some(&position), 2) get_by_portfolio(PORTFOLIO, FIRST)
        get_by_status(&TradeStatus::Pending, FIRST) get_by_portfolio_with_executions(PORTFOLIO, 2)
        get_many_by_portfolio_with_executions(&[PORTFOLIO], 2)
    }
    sent! { db, texts, out, read, TradingSessions: get_by_portfolio(PORTFOLIO, FIRST) get_active(FIRST) }
    out
}

/// Compares with the accepted text, or accepts it.
fn check(file: &str, sent: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sent_sql").join(file);
    if std::env::var_os("TALLYBOOK_ACCEPT_SQL").is_some() {
        std::fs::write(&path, sent).unwrap();
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (accepted, sent)) in accepted.lines().zip(sent.lines()).enumerate() {
        assert_eq!(sent, accepted, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(sent.lines().count(), accepted.lines().count(), "statements were added or removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_book_sends_the_accepted_statements_to_sqlite() {
    let file = EMPTY.on_sqlite("sent_sql").await;
    let book = open(&file.url()).await;
    parents(&book).await;
    let (db, texts) = observed(&book).await;
    let mut sent = reads(&db, &texts).await + &writes(&db, &texts).await;
    sent.push_str("-- With times that other programs spelled differently\n\n");
    sent.push_str(&reads_of_other_spellings(&db, &texts).await);
    check("sqlite.sql", &sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_book_sends_the_accepted_statements_to_postgres() {
    let database = EMPTY.on_postgres("sent_sql").await;
    let book = open(database.url()).await;
    parents(&book).await;
    let (db, texts) = observed(&book).await;
    check("postgres.sql", &(reads(&db, &texts).await + &writes(&db, &texts).await));
}
