//! What it costs to choose a server, beside going to the same server directly.

mod options;
mod trial;

use anyhow::{Context, Result};
use tallybook::{CommitToken, Database, Settings, execute, params};
use tallybook_testkit::Cluster;

use crate::goal::{self, Goal};
use crate::json;
use crate::machine::Machine;
use crate::runtime::runtime;
use crate::table::{quartiles, table, time};
use crate::tally::Tally;

pub use options::Options;
use trial::{Trial, Way};

/// The most that a routed read may cost more, in nanoseconds.
const MOST: f64 = 1_000.0;

/// One kind of read by every way.
#[derive(serde::Serialize)]
struct Outcome {
    trial: Trial,
    direct: Tally,
    routed: Tally,
    after: Tally,
    routed_more: Tally,
    after_more: Tally,
}

#[derive(serde::Serialize)]
struct Report {
    machine: Machine,
    outcomes: Vec<Outcome>,
    goals: Vec<Goal>,
}

/// Starts a primary and two replicas, measures every way in turns, and prints what came out.
///
/// # Errors
/// When no server could be started or a read failed.
pub fn run(options: &Options) -> Result<()> {
    let primary = Cluster::start()?;
    let replicas = [primary.standby()?, primary.standby()?];
    let urls = replicas.each_ref().map(|replica| replica.url("postgres"));
    let machine = Machine::look(&primary.url("postgres"), &["tallybook", "tokio", "tokio-postgres"])?;
    let outcomes = runtime()?.block_on(async {
        let one_of_two = routed(&primary.url("postgres"), &urls.join(",")).await?;
        let the_same = routed(&primary.url("postgres"), &urls[0]).await?;
        let token = write(&one_of_two).await?;
        let direct = Database::open(Settings::new(&urls[0])?).await?;
        let mut outcomes = Vec::new();
        for (trial, routed) in
            [(Trial::Session, &one_of_two), (Trial::Row, &the_same), (Trial::RowOfTwo, &one_of_two)]
        {
            outcomes.push(measure(trial, options, &direct, routed, token).await?);
        }
        anyhow::Ok(outcomes)
    })?;
    let cost = |promise, what: &dyn Fn(&Outcome) -> Tally| {
        let more = what(&outcomes[0]);
        Goal { promise, measured: quartiles(&more, time), kept: more.median <= MOST }
    };
    let goals = vec![
        cost("choosing a replica costs at most 1 µs", &|outcome| outcome.routed_more),
        cost("so does choosing one by a token", &|outcome| outcome.after_more),
    ];
    let rows = outcomes.iter().map(|outcome| {
        let Outcome { trial, direct, routed, after, routed_more, after_more } = outcome;
        let figures = [direct, routed, routed_more, after, after_more].map(|tally| quartiles(tally, time));
        let [direct, routed, routed_more, after, after_more] = figures;
        [trial.name().to_owned(), direct, routed, routed_more, after, after_more]
    });
    let head = ["one task", "one server", "replica chosen", "more", "chosen by token", "more"];
    println!("{machine}\n{}", table(head, rows));
    goal::print(&goals);
    json::write(&Report { machine, outcomes, goals }, options.json.as_deref())
}

async fn routed(primary: &str, replicas: &str) -> Result<Database> {
    let settings = Settings::from_lookup(|name| match name {
        "DATABASE_URL" => Some(primary.to_owned()),
        "DB_READ_REPLICA_URL" => Some(replicas.to_owned()),
        "DB_ENABLE_READ_REPLICA" => Some("true".to_owned()),
        _ => None,
    })?;
    Ok(Database::open(settings).await?)
}

/// A commit that all replicas have by the time this returns.
async fn write(db: &Database) -> Result<CommitToken> {
    let table = "CREATE TABLE notes (id integer)";
    let committed = db.write(async |session| session.run(execute(table, params![])).await).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    Ok(committed.token())
}

async fn measure(
    trial: Trial,
    options: &Options,
    direct: &Database,
    routed: &Database,
    token: CommitToken,
) -> Result<Outcome> {
    let ways = [Way::Read(direct), Way::Read(routed), Way::After(routed, token)];
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for way in &ways {
        trial.run(way, options.reads).await?;
    }
    for _ in 0..options.rounds {
        for (way, series) in ways.iter().zip(&mut rounds) {
            series.push(trial.run(way, options.reads).await.with_context(|| trial.name())?);
        }
    }
    let [direct, routed, after] = rounds;
    Ok(Outcome {
        trial,
        routed_more: Tally::of_difference(&routed, &direct),
        after_more: Tally::of_difference(&after, &direct),
        direct: Tally::of(direct),
        routed: Tally::of(routed),
        after: Tally::of(after),
    })
}
