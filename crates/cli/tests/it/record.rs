//! `tallybook record`.

use std::process::Stdio;

use rust_decimal::Decimal;
use tallybook::book::{
    Action, Executions, LimitOffset, NewPortfolio, NewTrade, Portfolios, Positions, TradeId, TradeStatus,
    Trades,
};
use tallybook::{Database, Settings, one, params};
use tallybook_testkit::{Cluster, both_dialects};

use crate::support::Program;

const HEADER: &str = "trade_id,execution_id,quantity,price";

/// A book with two orders of one portfolio: to buy 100 `AAPL` and to sell 60.
pub(crate) struct Desk {
    pub(crate) db: Database,
    pub(crate) program: Program,
    pub(crate) url: String,
    pub(crate) buy: TradeId,
    pub(crate) sell: TradeId,
}

impl Desk {
    pub(crate) async fn open(url: &str) -> Self {
        let program = Program::new();
        program.run(&format!("migrate upgrade --database {url}")).ok();
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let orders = db.write(async |session| -> tallybook::book::Result<_> {
            let portfolio = Portfolios::new(session).create(&NewPortfolio::new("desk")).await?.id;
            let mut trades = Trades::new(session);
            let buy = trades.create(&NewTrade::market(portfolio, Action::Buy, "AAPL", 100.into())).await?.id;
            let sell = trades.create(&NewTrade::market(portfolio, Action::Sell, "AAPL", 60.into())).await?.id;
            Ok((buy, sell))
        });
        let (buy, sell) = orders.await.unwrap().into_value();
        Self { db, program, url: url.to_owned(), buy, sell }
    }

    /// Runs a command on the book, with standard input.
    pub(crate) fn run(&self, words: &str, input: &str) -> crate::support::Run {
        self.program.run_with(&format!("{words} --database {}", self.url), &[], input)
    }

    async fn filled(&self, id: TradeId) -> (Decimal, TradeStatus) {
        let trade = Trades::new(&mut self.db.read().await.unwrap()).get(id).await.unwrap().unwrap();
        (trade.filled_quantity, trade.status)
    }

    async fn held(&self) -> Vec<(Decimal, Decimal, Decimal)> {
        let mut session = self.db.read().await.unwrap();
        let held = Positions::new(&mut session).get_many(LimitOffset::first(9)).await.unwrap();
        held.into_iter().map(|held| (held.quantity, held.average_cost, held.realized_pnl)).collect()
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

both_dialects! {
    async fn the_fills_of_a_file_are_recorded_once(url: &str) {
        let desk = Desk::open(url).await;
        let Desk { buy, sell, .. } = desk;
        desk.program.write("fills.csv", &format!(
            "execution_id,trade_id,price,quantity,commission,fees,exchange,executed_at,metadata_json,accept_over_fill\n\
             V:1,{buy},10,40,1.25,0.5,NASDAQ,2025-01-02 03:04:05.000006,\"{{\"\"a\"\": 1}}\",\n\
             V:2,{buy},20,60,,,,,,false\n\
             V:3,{sell},18,61,,,,,,true\n"
        ));

        let first = desk.run("record fills.csv --json", "").json();

        let told = serde_json::json!({"batches": 1, "lines": 3, "new": 3, "repeated": 0, "reversed": 0, "marked": 1});
        assert_eq!(first, told);
        assert_eq!(desk.filled(buy).await, (100.into(), TradeStatus::Filled));
        assert_eq!(desk.filled(sell).await, (61.into(), TradeStatus::Filled));
        assert_eq!(desk.held().await, [(39.into(), 16.into(), 122.into())]);
        let again = desk.run("record fills.csv --json", "").json();
        assert_eq!(again, serde_json::json!({"batches": 1, "lines": 3, "new": 0, "repeated": 3, "reversed": 0, "marked": 0}));
        assert_eq!(desk.held().await, [(39.into(), 16.into(), 122.into())]);
        let exported = desk.run("export executions", "").ok();
        assert!(exported.contains("NASDAQ,V:1,2025-01-02 03:04:05.000006,\"{\"\"a\"\": 1}\""), "{exported}");
        assert_eq!(desk.run("check book", "").ok().lines().last(), Some("the book balances: every figure is what its executions say"));
    }

    async fn a_line_takes_an_execution_back(url: &str) {
        let desk = Desk::open(url).await;
        let buy = desk.buy;
        let lines = format!("{HEADER},reverses\n{buy},1,10,5,\n,1-busted,,,1\n{buy},1-corrected,10,6,\n");

        let told = desk.run("record -", &lines).ok();

        assert!(told.contains("recorded 3 executions, 1 of them reversals; 0 were recorded before"), "{told}");
        assert_eq!(desk.held().await, [(10.into(), 6.into(), 0.into())]);
        assert!(desk.run("record -", &lines).ok().contains("recorded 0 executions, 0 of them reversals; 3 were"));
        desk.run("check book", "").ok();
    }

    async fn a_bad_line_ends_the_command_and_the_batches_before_it_stay(url: &str) {
        let desk = Desk::open(url).await;
        let Desk { buy, sell, .. } = desk;
        let lines = |fourth: &str| format!("{HEADER}\n{buy},1,10,5\n{buy},2,10,5\n{buy},3,10,5\n{fourth}\n{buy},5,10,5\n");
        let cases = [
            (format!("{buy},4,ten,5"), "line 5, column quantity: \"ten\": expected a decimal"),
            (format!("{buy},4,10,1_000"), "line 5, column price: \"1_000\": expected a decimal"),
            (format!("{buy},4,10,"), "line 5, column price: it can't be empty, unless the line reverses an execution"),
            (format!("{buy},,10,5"), "line 5, column execution_id: it can't be empty"),
            (format!("{buy},4,0,5"), "line 5, column quantity"),
            (format!("{buy},4,-10,5"), "must be more than zero"),
            (format!("{buy},4,10,0.12345678901234567"), "line 5, column price"),
            ("4711,4,10,5".to_owned(), "line 5, column trade_id"),
            (format!("{sell},4,100,5"), "line 5, column quantity"),
            (format!("{buy},1,10,5.01"), "line 5, column price"),
            (format!("{buy},3,11,5"), "line 5, column quantity"),
        ];
        for (fourth, expected) in cases {
            let error = desk.run("record - --batch 2", &lines(&fourth)).fails(1);
            assert!(error.contains(expected), "{fourth}: {error}");
            assert!(error.contains("2 fills in 1 batches are, and nothing of the batch after them"), "{error}");
            assert_eq!(desk.filled(buy).await.0, decimal("20"), "{fourth}");
        }

        let told = desk.run("record - --batch 2 --json", &lines(&format!("{buy},4,10,5"))).json();

        assert_eq!((&told["new"], &told["repeated"], &told["batches"]), (&3.into(), &2.into(), &3.into()));
        assert_eq!(desk.filled(buy).await.0, decimal("50"));
    }

    async fn a_reversal_of_nothing_is_named(url: &str) {
        let desk = Desk::open(url).await;
        let buy = desk.buy;
        let header = format!("{HEADER},commission,reverses");
        for (line, expected) in [
            (",r,,,,none", "line 2, column reverses"),
            (&*format!("{buy},r,,,,v"), "line 2, column trade_id: it must be empty on a line that reverses an execution"),
            (",r,,,1.5,v", "line 2, column commission: it must be empty"),
        ] {
            let error = desk.run("record -", &format!("{header}\n{line}\n")).fails(1);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    async fn a_file_is_recorded_once_although_the_program_is_killed(url: &str) {
        let desk = Desk::open(url).await;
        let Desk { buy, sell, .. } = desk;
        let mut lines = format!("{HEADER}\n");
        for number in 0..300 {
            lines += &format!("{buy},b{number},0.25,{number}.5\n{sell},s{number},0.2,{number}.75\n");
        }
        desk.program.write("fills.csv", &lines);
        let recorded = async || Executions::new(&mut desk.db.read().await.unwrap()).count().await.unwrap();
        let words = format!("record fills.csv --batch 10 --database {url}");
        for _ in 0..5 {
            let before = recorded().await;
            let mut child = desk.program.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // At the first batch that it records, if there is one left.
            while recorded().await == before && child.try_wait().unwrap().is_none() {}
            child.kill().unwrap();
            child.wait().unwrap();
            let now = recorded().await;
            assert!(now % 10 == 0, "a batch is recorded as a whole: {now}");
        }
        let before = recorded().await;
        assert!((50..=600).contains(&before), "{before}");

        let told = desk.run("record fills.csv --batch 10 --json", "").json();

        assert_eq!((&told["repeated"], &told["new"]), (&before.into(), &(600 - before).into()));
        assert_eq!(desk.filled(buy).await, (75.into(), TradeStatus::PartiallyFilled));
        assert_eq!(desk.filled(sell).await, (60.into(), TradeStatus::Filled));
        desk.run("check book", "").ok();
    }

    async fn a_file_of_many_batches_leaves_a_book_that_balances(url: &str) {
        let desk = Desk::open(url).await;
        let Desk { buy, sell, .. } = desk;
        let mut lines = format!("{HEADER},commission\n");
        for number in 0..100 {
            let price = 100 + number % 7;
            lines += &format!("{buy},b{number},0.9,{price}.{number:02},0.01\n");
            if number % 2 == 0 {
                lines += &format!("{sell},s{number},1.1,{price}.5,0\n");
            }
        }
        let told = desk.run("record - --batch 7 --json", &lines).json();
        assert_eq!((&told["new"], &told["batches"]), (&150.into(), &22.into()));
        assert_eq!(desk.filled(buy).await, (90.into(), TradeStatus::PartiallyFilled));
        assert_eq!(desk.run("check book --json", "").json()["balanced"], true);
    }
}

/// The server commits and its answer gets lost: it waits for a standby that does not exist, and the session is ended then.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_answer_recorded_is_not_counted_as_recorded_before() {
    let server = Cluster::start().unwrap();
    let desk = Desk::open(&server.url("postgres")).await;
    let buy = desk.buy;
    desk.run("record -", &format!("{HEADER}\n{buy},1,10,5\n")).ok();
    desk.program
        .write("fills.csv", &format!("{HEADER}\n{buy},1,10,5\n{buy},2,10,5\n{buy},2,10,5\n{buy},3,10,5\n"));
    server.configure(&[("synchronous_standby_names", "nobody")]).unwrap();
    let words = format!("record fills.csv --json --database {}", desk.url);
    let child = desk.program.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end =
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while desk.db.read().await.unwrap().run(one::<(i64,)>(end, params![])).await.unwrap() == (0,) {}
    server.configure(&[("synchronous_standby_names", "")]).unwrap();

    let run: crate::support::Run = tokio::task::block_in_place(|| child.wait_with_output()).unwrap().into();

    let told = run.json();
    assert_eq!(
        (&told["new"], &told["repeated"]),
        (&2.into(), &2.into()),
        "the first line, and the third one"
    );
    assert_eq!(desk.filled(buy).await.0, decimal("30"));
}

#[test]
fn a_header_that_does_not_fit_is_explained() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    for (header, expected) in [
        ("trade_id,execution_id,quantity,prize", "a file of fills has no column \"prize\""),
        ("execution_id,execution_id", "occurs twice"),
        ("trade_id,quantity,price", "execution_id are missing"),
        ("execution_id,quantity", "the columns trade_id, price are missing"),
    ] {
        let error = program.run_with("record -", &[], &format!("{header}\n")).fails(1);
        assert!(
            error.contains(expected) && error.contains("standard input is not completely recorded"),
            "{error}"
        );
    }
}

#[test]
fn a_hostile_file_reaches_no_terminal() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let error = program
        .run_with("record -", &[], "trade_id,execution_id,quantity,price\n7,\u{1b}[2Jx\u{202e},1,1\n")
        .fails(1);
    assert!(!error.contains('\u{1b}') && !error.contains('\u{202e}'), "{error}");
    let quote = format!("trade_id,execution_id,quantity,price\n7,\"{}", "x".repeat(17 << 20));
    let error = program.run_with("record -", &[], &quote).fails(1);
    assert!(error.contains("a row of more than 16 MiB"), "{error}");
}

#[test]
fn nothing_to_record_is_no_error() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let told = program.run_with("record -", &[], "trade_id,execution_id,quantity,price\n").ok();
    assert!(told.contains("recorded 0 executions"), "{told}");
}
