//! `tallybook bench load`.

mod page;

use anyhow::{Result, bail};
use serde_json::json;
use tallybook::OpenMode;
use tallybook::book::upgrade;
use tallybook::{Database, Settings};

use crate::args::{Load as LoadArgs, Pace};
use crate::atomic_file::write_text;
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::interrupt::Interrupt;
use crate::load::{Figures, Load, Mix, Outcome, OwnPortfolio, run as run_load};
use crate::output::{self, micros, thousands};
use crate::temp_database::TempDatabase;
use crate::{progress, samples, seed};

/// Time limit for opening the book, in seconds.
const OPENING: u64 = 60;

pub(super) async fn run(target: Endpoint, args: &LoadArgs, as_json: bool) -> Result<()> {
    let mut interrupt = Interrupt::new()?;
    if target.named().is_some() {
        let db = target.open_book(OpenMode::Existing, &Deadline::new(OPENING, as_json)).await?;
        let measured = on(&db, args, &mut interrupt).await;
        db.close().await;
        return report(&db, args, &measured?, as_json);
    }
    let scratch = TempDatabase::create(None, &Settings::from_env()?).await?;
    let db = scratch.db().clone();
    let measured = scratch.run(&mut interrupt, async |db| on_scratch(db, args).await).await?;
    report(&db, args, &measured, as_json)
}

/// The figures of an operation. All columns but the first are numbers.
const HEADER: [&str; 11] = [
    "operation",
    "count",
    "errors",
    "per second",
    "p50",
    "p95",
    "p99",
    "p99.9",
    "max",
    "statements",
    "round trips",
];

/// A load at one pace.
struct Measured {
    pace: Pace,
    outcome: Outcome,
}

/// Runs the load on a temporary book, which needs no clean-up.
async fn on_scratch(db: &Database, args: &LoadArgs) -> Result<Vec<Measured>> {
    upgrade(db).await?;
    let bar = progress::items("seeding", args.size.trades.into());
    seed::load(db, args.size, &bar).await?;
    bar.finish_and_clear();
    let own = if args.writes > 0 { Some(OwnPortfolio::make(db).await?) } else { None };
    measure(db, args, own.as_ref()).await
}

/// Runs the load on an existing book, and removes what it wrote even after a failure.
async fn on(db: &Database, args: &LoadArgs, interrupt: &mut Interrupt) -> Result<Vec<Measured>> {
    if args.writes == 0 {
        return interrupt.unless(measure(db, args, None)).await;
    }
    let own = OwnPortfolio::make(db).await?;
    let measured = interrupt.unless(measure(db, args, Some(&own))).await;
    let removed = own.remove(db).await;
    let measured = measured?;
    removed.map(|()| measured)
}

async fn measure(db: &Database, args: &LoadArgs, own: Option<&OwnPortfolio>) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for pace in args.paces() {
        let mix = Mix { samples: samples::take(db).await?, writes: args.writes, own: own.map(|own| own.id) };
        let load = Load { tasks: args.tasks, pace, lasts: args.duration(), seed: args.size.seed };
        let bar = progress::time(args.duration());
        let outcome = run_load(db, mix, load, &bar).await;
        bar.finish_and_clear();
        measured.push(Measured { pace, outcome: outcome? });
    }
    Ok(measured)
}

/// Prints the figures. Failed operations make the command fail.
fn report(db: &Database, args: &LoadArgs, measured: &[Measured], as_json: bool) -> Result<()> {
    for Measured { pace, outcome } in measured {
        let figures = outcome.tally.figures(outcome.lasted);
        if as_json {
            print_json(db, args, *pace, outcome, &figures)?;
        } else {
            print(db, args, *pace, outcome, &figures)?;
        }
    }
    if let Some(path) = &args.html {
        write_text(path, &page::page(db, args, measured))?;
    }
    for Measured { outcome, .. } in measured {
        let failed = outcome.tally.errors();
        if failed > 0 {
            let first = outcome.tally.first_error.as_deref().unwrap_or_default();
            bail!(
                "{} of {} operations failed; one of them: {first}",
                thousands(failed),
                thousands(outcome.tally.operations())
            );
        }
    }
    Ok(())
}

fn print_json(
    db: &Database,
    args: &LoadArgs,
    pace: Pace,
    outcome: &Outcome,
    figures: &[Figures],
) -> Result<()> {
    let rate = match pace {
        Pace::Open(rate) => Some(rate.get()),
        Pace::Closed => None,
    };
    output::json(&json!({
        "dialect": db.dialect().to_string(),
        "loop": if rate.is_some() { "open" } else { "closed" },
        "rate": rate,
        "tasks": args.tasks,
        "writes_percent": args.writes,
        "seconds": outcome.lasted.as_secs_f64(),
        "operations": outcome.tally.operations(),
        "errors": outcome.tally.errors(),
        "not_begun": outcome.not_begun,
        "kinds": figures,
    }))?;
    Ok(())
}

fn print(db: &Database, args: &LoadArgs, pace: Pace, outcome: &Outcome, figures: &[Figures]) -> Result<()> {
    let seconds = outcome.lasted.as_secs_f64();
    output::line(format!(
        "{}, {} % writes, {seconds:.1} s: {}",
        db.dialect(),
        args.writes,
        loop_of(args, pace)
    ))?;
    output::table(&HEADER, figures.iter().map(row).collect(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])?;
    let operations = outcome.tally.operations();
    let rate = operations as f64 / seconds;
    output::line(format!(
        "{} operations, {} per second",
        thousands(operations),
        thousands(rate.round() as u64)
    ))?;
    if let Some(not_begun @ 1..) = outcome.not_begun {
        output::line(format!(
            "{} operations were due and not begun: the database did not keep up, and the percentiles are too low",
            thousands(not_begun)
        ))?;
    }
    Ok(())
}

/// Describes the loop, and so the meaning of the latencies.
fn loop_of(args: &LoadArgs, pace: Pace) -> String {
    match pace {
        Pace::Open(rate) => format!(
            "open loop, {rate} operations a second due, {} tasks; latencies count from when an operation was due",
            args.tasks
        ),
        Pace::Closed => format!(
            "closed loop, {} tasks; latencies hide stalls, because no task asks during one (use --rate)",
            args.tasks
        ),
    }
}

fn row(figures: &Figures) -> Vec<String> {
    let time = |us: f64| micros(us.round() as u64);
    vec![
        figures.kind.to_owned(),
        thousands(figures.count),
        thousands(figures.errors),
        thousands(figures.per_second.round() as u64),
        time(figures.p50_us),
        time(figures.p95_us),
        time(figures.p99_us),
        time(figures.p999_us),
        time(figures.max_us),
        thousands(figures.statements),
        thousands(figures.round_trips),
    ]
}
