//! `tallybook watch`.

mod web;

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Result;
use crossterm::event::Event;
use futures_util::StreamExt;
use tallybook::{Escaped, Report, ReportSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::args::Watch;
use crate::figures::{Order, RatedReport, Recorder, Span, choose_socket, print};
use crate::output;
use crate::watch::{Flow, Screen, View, draw};

pub(super) async fn run(args: Watch, as_json: bool) -> Result<()> {
    if args.web {
        return web::run(args, as_json).await;
    }
    let (source, first) = Source::open(&args).await?;
    if args.once || !(as_json || io::stdout().is_terminal()) {
        return print_one(first, args.sort, as_json);
    }
    let every = ticks(args.interval);
    if as_json {
        stream(source, first, every).await
    } else {
        interactive(source, first, every, args.sort).await
    }
}

/// A socket, and the file to which its reports are written.
struct Source {
    socket: ReportSocket,
    recorder: Option<Recorder>,
}

impl Source {
    /// Opens it and returns the first report. A program that cannot be watched leaves no file.
    async fn open(args: &Watch) -> Result<(Self, Report)> {
        let mut source = Self { socket: choose_socket(args.socket.clone())?, recorder: None };
        let first = source.report().await?;
        if let Some(path) = &args.record {
            let mut recorder = Recorder::open(path)?;
            recorder.append(&first)?;
            source.recorder = Some(recorder);
        }
        Ok((source, first))
    }

    async fn report(&mut self) -> Result<Report> {
        let report = self.socket.report().await?;
        if let Some(recorder) = &mut self.recorder {
            recorder.append(&report)?;
        }
        Ok(report)
    }
}

fn print_one(report: Report, order: Order, as_json: bool) -> Result<()> {
    if as_json {
        output::json_line(&report)?;
    } else {
        print(&RatedReport::whole(report, Span::Run), order)?;
    }
    Ok(())
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Prints reports as long as standard output is open.
async fn stream(mut source: Source, first: Report, mut ticks: Interval) -> Result<()> {
    output::json_line(&first)?;
    ticks.tick().await;
    let mut is_gone = false;
    loop {
        ticks.tick().await;
        let report = source.report().await;
        match &report {
            Ok(report) => output::json_line(report)?,
            Err(error) if !is_gone => {
                tracing::warn!("waiting for the program to return: {}", Escaped(&error.to_string()));
            }
            Err(_) => {}
        }
        is_gone = report.is_err();
    }
}

/// Shows reports on the terminal until a key or a signal ends it.
async fn interactive(mut source: Source, first: Report, mut ticks: Interval, order: Order) -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut screen = Screen::new()?;
    let mut events = screen.events();
    let mut view = View::new(first, order);
    ticks.tick().await;
    loop {
        screen.draw(|frame| draw(&mut view, frame))?;
        tokio::select! {
            _ = terminated.recv() => return Ok(()),
            _ = hung_up.recv() => return Ok(()),
            _ = ticks.tick() => match source.report().await {
                Ok(report) => view.receive(report),
                Err(error) => view.mark_unreachable(error.to_string()),
            },
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) if view.press(key) == Flow::Quit => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
        }
    }
}
