//! Draws the view.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};
use tallybook::Escaped;

use super::view::View;
use crate::figures::{Fitted, Grid, Panel, costs, headline, nodes, pools, uptime};

const KEYS: &str = "q quit  tab panel  ↑↓ select  enter open  s order";
const DETAIL_KEYS: &str = "esc back  ↑↓ scroll  ctrl-c quit";
/// Space between columns.
const GAP: u16 = 1;

pub(crate) fn draw(view: &mut View, frame: &mut Frame<'_>) {
    let (nodes, pools) = (nodes(&view.rated), pools(&view.rated));
    let rows = |grid: &Grid| u16::try_from(grid.len() + 1).unwrap_or(u16::MAX).min(frame.area().height / 4);
    let [head, node_area, pool_area, _, tabs, main, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(nodes.as_ref().map_or(0, rows)),
        Constraint::Length(rows(&pools)),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(view, frame, head);
    if let Some(nodes) = &nodes {
        draw_table(nodes, None, frame, node_area);
    }
    draw_table(&pools, None, frame, pool_area);
    draw_tabs(view, frame, tabs);
    view.page = usize::from(main.height).saturating_sub(1).max(1);
    if let Some(detail) = &mut view.detail {
        let lines = detail.lines(main.width.into(), main.height.into());
        frame.render_widget(Paragraph::new(lines.into_iter().map(Line::from).collect::<Vec<_>>()), main);
    } else {
        draw_panel(view, frame, main);
    }
    draw_foot(view, frame, foot);
}

fn draw_head(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let up = format!(" up {}", uptime(view.rated.time()));
    let [left, right] =
        Layout::horizontal([Constraint::Min(1), Constraint::Length(up.chars().count() as u16)]).areas(first);
    frame.render_widget(Line::from(headline(&view.rated)).bold(), left);
    frame.render_widget(Line::from(up).alignment(Alignment::Right), right);
    let status = match &view.unreachable {
        None => Line::from(costs(&view.rated)),
        Some(lost) => {
            let since = uptime(lost.since.elapsed());
            let why = Escaped(lost.why.lines().next().unwrap_or_default());
            Line::from(format!("gone for {since}, waiting for it to return: {why}")).fg(Color::Red).bold()
        }
    };
    frame.render_widget(status, second);
}

fn draw_tabs(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let mut spans = Vec::new();
    for panel in Panel::ALL {
        let title = format!(" {} {} ", panel.title(), panel.len(&view.rated));
        spans.push(if panel == view.panel { Span::from(title).reversed() } else { Span::from(title) });
        spans.push(Span::from(" "));
    }
    frame.render_widget(Line::from(spans), area);
}

fn draw_panel(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let grid = view.panel.grid(&view.rated, view.order);
    if grid.len() == 0 {
        frame.render_widget(Line::from(view.panel.nothing()).dim(), area);
    } else {
        draw_table(&grid, Some(view.selection().index()), frame, area);
    }
}

fn draw_table(grid: &Grid, selected: Option<usize>, frame: &mut Frame<'_>, area: Rect) {
    let fitted = grid.fit(area.width.into(), GAP.into());
    let rows: Vec<_> = fitted.rows.iter().map(|row| cells(row.iter().map(String::as_str), &fitted)).collect();
    let widths = fitted.widths.iter().map(|&width| Constraint::Length(width as u16));
    let table = Table::new(rows, widths)
        .header(cells(fitted.titles.iter().copied(), &fitted).style(Style::new().bold().underlined()))
        .column_spacing(GAP)
        .row_highlight_style(Style::new().reversed());
    let mut state = TableState::default().with_selected(selected);
    frame.render_stateful_widget(table, area, &mut state);
}

fn cells<'a>(texts: impl Iterator<Item = &'a str>, fitted: &Fitted) -> Row<'a> {
    let aligned = |(text, &is_number): (&'a str, &bool)| {
        let line = Line::from(text);
        Cell::from(if is_number { line.right_aligned() } else { line })
    };
    Row::new(texts.zip(&fitted.is_number).map(aligned))
}

fn draw_foot(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let keys = if view.detail.is_some() { DETAIL_KEYS } else { KEYS };
    let at = view.rated.report.at.format("%T UTC");
    let state = match view.panel {
        Panel::Statements => format!(" by {}, {at}", view.order.as_str()),
        _ => format!(" {at}"),
    };
    let [left, right] =
        Layout::horizontal([Constraint::Min(1), Constraint::Length(state.chars().count() as u16)])
            .areas(area);
    frame.render_widget(Line::from(keys).dim(), left);
    frame.render_widget(Line::from(state).dim().alignment(Alignment::Right), right);
}
