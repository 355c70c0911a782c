//! The view, drawn on a screen in memory.

use chrono::TimeDelta;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Flow, View, draw};
use crate::figures::{Order, sample};

fn view() -> View {
    View::new(sample::report(), Order::default())
}

fn screen(view: &mut View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(width.into()).map(|line| {
        let text: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn press(view: &mut View, key: KeyCode) -> Flow {
    view.press(KeyEvent::new(key, KeyModifiers::NONE))
}

#[test]
fn a_small_screen_shows_what_matters_most() {
    assert_eq!(screen(&mut view(), 80, 24), include_str!("golden/80x24.txt"));
}

#[test]
fn a_large_screen_shows_all_columns() {
    assert_eq!(screen(&mut view(), 140, 40), include_str!("golden/140x40.txt"));
}

#[test]
fn any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 5), (300, 90)] {
        let mut view = view();
        screen(&mut view, width, height);
        press(&mut view, KeyCode::Enter);
        screen(&mut view, width, height);
    }
}

#[test]
fn rates_are_those_since_the_report_before() {
    let mut view = view();
    let mut report = sample::report();
    report.at += TimeDelta::seconds(2);
    report.statements[2].calls += 300;
    report.statements[2].times.count += 300;
    view.receive(report);
    let text = screen(&mut view, 140, 40);
    assert!(text.contains("150 statements/s"), "{text}");
    let line = text.lines().find(|line| line.contains("insert into executions")).unwrap();
    assert_eq!(line.split_whitespace().nth(1), Some("150"), "{line}");
}

#[test]
fn s_changes_the_order() {
    let mut view = view();
    let mut firsts = Vec::new();
    for _ in 0..4 {
        let text = screen(&mut view, 140, 40);
        firsts.push(text.lines().nth(7).unwrap().split_whitespace().next().unwrap().to_owned());
        press(&mut view, KeyCode::Char('s'));
    }
    assert_eq!(firsts, ["1.23M", "1.23M", "1.23M", "987"], "the last order is by errors");
    assert!(screen(&mut view, 140, 40).contains("by total time"));
}

#[test]
fn enter_shows_a_statement_whole_with_its_plan_and_escape_goes_back() {
    let mut view = view();
    press(&mut view, KeyCode::Enter);
    let text = screen(&mut view, 80, 24);
    for part in
        ["select id, symbol, quantity from trades where portfolio_id = ?", "trades.rs:101", "Index Scan"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(press(&mut view, KeyCode::Char('q')), Flow::Continue, "q goes back as well");
    assert!(!screen(&mut view, 80, 24).contains("Index Scan"));
}

#[test]
fn what_is_selected_stays_so_when_others_overtake_it() {
    let mut view = view();
    press(&mut view, KeyCode::Down);
    let mut report = sample::report();
    report.statements.swap(1, 2);
    report.statements[1].times.total = report.statements[0].times.total / 2;
    view.receive(report);
    press(&mut view, KeyCode::Enter);
    assert!(screen(&mut view, 80, 24).contains("SELECT portfolios"));
}

#[test]
fn tab_goes_round_the_panels() {
    let mut view = view();
    let mut seen = Vec::new();
    for _ in 0..4 {
        press(&mut view, KeyCode::Tab);
        seen.push(screen(&mut view, 140, 40));
    }
    assert!(seen[0].contains("250ms"), "{}", seen[0]);
    assert!(seen[1].contains("23503"), "{}", seen[1]);
    assert!(seen[2].contains("get_many_with_trades"), "{}", seen[2]);
    assert!(seen[3].contains("calls/s"), "{}", seen[3]);
}

#[test]
fn a_program_that_went_away_is_said_to_be_gone_until_it_returns() {
    let mut view = view();
    view.mark_unreachable("no program serves /run/figures.sock\nnext: start it".to_owned());
    let text = screen(&mut view, 80, 24);
    assert!(text.contains("waiting for it to return: no program serves /run"), "{text}");
    assert!(text.contains("SELECT") || text.contains("select id"), "the last figures stay: {text}");
    view.receive(sample::report());
    assert!(!screen(&mut view, 80, 24).contains("waiting for it"));
}

#[test]
fn q_and_ctrl_c_quit() {
    assert_eq!(press(&mut view(), KeyCode::Char('q')), Flow::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut view = view();
    press(&mut view, KeyCode::Enter);
    assert_eq!(view.press(interrupt), Flow::Quit);
}
