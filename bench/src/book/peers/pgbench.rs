//! The limit on PostgreSQL: `pgbench -M prepared` with the same statements, which decodes nothing. One after
//! another, or all of a question in a pipeline.

use std::fmt::Write as _;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::task::spawn_blocking;

use crate::book::checksum::Checksum;
use crate::book::contestant::{Contestant, Trial, Turn};
use crate::book::questions::Questions;
use crate::book::server::Server;
use crate::book::sql;
use crate::book::work::{NEWEST, PAGE, Question, Work};
use crate::connections::CONNECTIONS;
use crate::processor_time;

pub(super) struct Pgbench {
    server: Arc<Server>,
    is_pipelined: bool,
    questions: Arc<Questions>,
    /// The speed of the last slice, in thousandths: it measures transactions, not time.
    speed: Arc<AtomicU64>,
}

impl Pgbench {
    pub(super) fn shared(
        server: &Arc<Server>,
        is_pipelined: bool,
        questions: &Arc<Questions>,
    ) -> Arc<dyn Contestant> {
        let (server, questions) = (Arc::clone(server), Arc::clone(questions));
        Arc::new(Self { server, is_pipelined, questions, speed: Arc::default() })
    }
}

impl Contestant for Pgbench {
    fn name(&self) -> &'static str {
        if self.is_pipelined { "pgbench, pipelined" } else { "pgbench" }
    }

    fn does(&self, work: Work) -> bool {
        let has_several = matches!(work, Work::Relations | Work::Executions | Work::Portfolios);
        work.is_read() && work != Work::Distant && (has_several || !self.is_pipelined)
    }

    fn check(&self, _: Work) -> Trial<Option<Checksum>> {
        Box::pin(async { Ok(None) })
    }

    fn slice(&self, work: Work, tasks: usize, time: Duration) -> Trial<Turn> {
        let clients = tasks.min(CONNECTIONS);
        let (server, speed) = (Arc::clone(&self.server), Arc::clone(&self.speed));
        let script = script(self.questions.of(work), self.is_pipelined);
        Box::pin(async move {
            spawn_blocking(move || {
                // The first slice finds out how many transactions fill the time.
                let known = speed.load(Ordering::Relaxed) as f64 / 1e3;
                let own = known / clients as f64 * time.as_secs_f64();
                let turn = run(&server, &script?, clients, own.ceil().max(100.0) as u64)?;
                speed.store((turn.speed() * 1e3) as u64, Ordering::Relaxed);
                Ok(turn)
            })
            .await?
        })
    }
}

/// The processor time of the script's backend: after its first transaction began, and before its last ends.
const BEGAN: &str = "backend began at ";
const ENDED: &str = "backend ended at ";

/// So many transactions of each client, without what it costs to start and to connect.
fn run(server: &Server, script: &str, clients: usize, transactions: u64) -> Result<Turn> {
    let idle = processor_time_of(|| execute(server, "\\set idle 1\n", clients, 1))?.1;
    let script = format!("\\set count :count + 1\n{}{script}{}", report("1", BEGAN), report(":last", ENDED));
    let (output, client) = processor_time_of(|| execute(server, &script, clients, transactions))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let speed = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let speed = speed.and_then(|rest| rest.split_whitespace().next()).context("pgbench named no speed")?;
    let operations = (transactions * clients as u64) as f64;
    let time = Duration::try_from_secs_f64(operations / speed.parse::<f64>()?)?;
    let told = String::from_utf8_lossy(&output.stderr);
    let server = backends(&told, ENDED, clients)?.checked_sub(backends(&told, BEGAN, clients)?);
    Ok(Turn { operations, time, client: Some(client.saturating_sub(idle)), server })
}

/// The processor time of a child that runs to its end.
fn processor_time_of<T>(child: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let before = processor_time::of_children()?;
    let result = child()?;
    Ok((result, processor_time::of_children()? - before))
}

fn execute(server: &Server, script: &str, clients: usize, transactions: u64) -> Result<Output> {
    let file = std::env::temp_dir().join(format!("tallybook-bench-{}.sql", std::process::id()));
    std::fs::write(&file, script)?;
    let output = server
        .command("pgbench")
        .args(["--no-vacuum", "--protocol=prepared"])
        .args(["--jobs", if clients > 1 { "2" } else { "1" }, "--client", &clients.to_string()])
        .args(["--transactions", &transactions.to_string()])
        .args(["--define", "count=0", "--define", &format!("last={transactions}")])
        .arg("--file")
        .arg(&file)
        .arg("postgres")
        .output();
    std::fs::remove_file(&file)?;
    let output = output.context("cannot run pgbench")?;
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

/// Lets a backend say its processor time in one transaction of each client: it is gone when pgbench has ended.
fn report(transaction: &str, text: &str) -> String {
    format!(
        "\\if :count = {transaction}\n\
         DO $$BEGIN RAISE WARNING '{text}%', pg_read_file('/proc/self/schedstat'); END$$;\n\\endif\n"
    )
}

/// The sum of what the backends of all clients said.
fn backends(told: &str, text: &str, clients: usize) -> Result<Duration> {
    let times = told.lines().filter_map(|line| line.split_once(text)).map(|(_, rest)| rest);
    let times: Vec<Duration> = times.filter_map(processor_time::from_schedstat).collect();
    ensure!(times.len() == clients, "{} of {clients} backends told their processor time", times.len());
    Ok(times.iter().sum())
}

/// Draws a question and asks it.
fn script(questions: &[Question], is_pipelined: bool) -> Result<String> {
    let mut text = format!("\\set place random(1, {})\n", questions.len());
    let ids = questions.iter().map(|question| match question {
        Question::Relations(id)
        | Question::Executions(id)
        | Question::Position(id, _)
        | Question::Session(id)
        | Question::Page(_, id) => *id,
        Question::Portfolios(_) | Question::Write(_) | Question::Record(_) => 0,
    });
    let cases: String = ids
        .enumerate()
        .fold(String::new(), |all, (place, id)| all + &format!(" when :place = {} then {id}", place + 1));
    writeln!(text, "\\set id case{cases} end\n\\set newest {NEWEST}")?;
    if is_pipelined {
        text.push_str("\\startpipeline\n");
    }
    let statements: Vec<String> = match &questions[0] {
        Question::Relations(_) => {
            let of_id = [
                of_id(sql::PORTFOLIO),
                of_id(sql::POSITIONS),
                of_hidden_id(sql::TRADES),
                of_id(sql::SESSIONS),
            ];
            of_id.into()
        }
        Question::Executions(_) => [sql::NEWEST_TRADES, sql::EXECUTIONS_OF_NEWEST_BY_ARRAY]
            .map(|sql| of_id(sql).replace("$2", ":newest"))
            .into(),
        // A variable of pgbench is no text, so the statement itself turns the place into a symbol.
        Question::Position(..) => vec![of_id(sql::BY_SYMBOL).replace("$2", &symbol(questions)?)],
        Question::Session(_) => vec![of_hidden_id(sql::BY_SESSION)],
        Question::Portfolios(ids) => {
            let ids =
                format!("'{{{}}}'::integer[]", ids.iter().map(i32::to_string).collect::<Vec<_>>().join(","));
            [sql::array::PORTFOLIOS, sql::array::POSITIONS].map(|sql| sql.replace("$1", &ids)).into()
        }
        Question::Page(time, _) => {
            let time = format!("timestamp '{time}'");
            vec![sql::PAGE.replace("$1", &time).replace("$2", ":id").replace("$3", &PAGE.to_string())]
        }
        Question::Write(_) | Question::Record(_) => bail!("a write is no read"),
    };
    for statement in statements {
        writeln!(text, "{statement};")?;
    }
    if is_pipelined {
        text.push_str("\\endpipeline\n");
    }
    Ok(text)
}

fn of_id(sql: &str) -> String {
    sql.replace("$1", ":id")
}

/// As Tallybook hides an identifier from the planner, so that its plan is kept.
fn of_hidden_id(sql: &str) -> String {
    sql.replace("$1", "(SELECT :id::bigint)")
}

/// The symbol of the drawn question.
fn symbol(questions: &[Question]) -> Result<String> {
    let mut text = "(CASE :place::integer".to_owned();
    for (place, question) in questions.iter().enumerate() {
        if let Question::Position(_, symbol) = question {
            write!(text, " WHEN {} THEN '{symbol}'", place + 1)?;
        }
    }
    Ok(text + " END)")
}
