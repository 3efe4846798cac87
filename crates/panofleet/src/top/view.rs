//! The screen: a function of what is known, and of where somebody stands in it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, TableState, Tabs};

use super::app::{App, Tab};
use super::tables::{Shown, overview, table_of};
use crate::terminal::duration;

/// The widest that a column is made for its words; the last takes what is left.
const COLUMN_MAX: usize = 40;

const QUIET: Style = Style::new().fg(Color::DarkGray);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App) {
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(title(app)), head);
    let place = Tab::ALL.iter().position(|tab| *tab == app.tab);
    let titles = Tab::ALL.iter().zip(1..).map(|(tab, key)| format!("{key} {}", tab.title()));
    let titles =
        Tabs::new(titles).select(place).highlight_style(STRONG.add_modifier(Modifier::REVERSED));
    frame.render_widget(titles, tabs);
    draw_body(frame, app, body);
    frame.render_widget(Paragraph::new(footer(app)), foot);
}

/// Where this is, how old it is, and why.
fn title(app: &App) -> Line<'static> {
    let mut line = vec![Span::styled("panofleet ", STRONG), Span::raw(app.url.clone())];
    match (&app.last, &app.trouble) {
        (None, None) => line.push(Span::styled("  asks for the first time", QUIET)),
        (None, Some(why)) => line.push(Span::styled(format!("  {why}"), BAD)),
        (Some(_), None) => line.push(Span::styled(format!("  {} ago", duration(app.age)), QUIET)),
        (Some(_), Some(why)) => {
            line.push(Span::styled(format!("  {} old: {why}", duration(app.age)), BAD));
        }
    }
    Line::from(line)
}

/// What is asked, what was said, or what keys there are.
fn footer(app: &App) -> Line<'static> {
    if let Some(action) = &app.asked {
        return Line::styled(format!("{} y: yes, any other key: no", action.question()), BAD);
    }
    if let Some(said) = &app.said {
        return Line::raw(said.clone());
    }
    let keys = match app.tab {
        Tab::Overview => "  p pause, or send jobs again",
        Tab::Running => "  c cancel  e release",
        Tab::Retries => "  r run now  c cancel",
        Tab::Failures => "  r start anew",
        Tab::Workers => "  d drain, or take jobs again",
    };
    Line::styled(format!("q quit  tab 1-5 part  j k row{keys}"), QUIET)
}

fn draw_body(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(snapshot) = &app.last else { return };
    let area = if app.tab == Tab::Overview {
        let lines = overview(app);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let [above, below] =
            Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(area);
        let lines: Vec<Line<'_>> = lines.into_iter().map(Line::raw).collect();
        frame.render_widget(Paragraph::new(lines), above);
        below
    } else {
        area
    };
    let Shown { header, rows, empty } = table_of(app.tab, snapshot);
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(Line::styled(empty, QUIET)), area);
        return;
    }
    let widths = widths(&header, &rows);
    let mut state = TableState::default().with_selected(Some(app.row()));
    let table = Table::new(rows.into_iter().map(Row::new), widths)
        .header(Row::new(header).style(QUIET))
        .column_spacing(2)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut state);
}

/// As wide as what is in it; the last column takes what is left.
fn widths(header: &[&str], rows: &[Vec<String>]) -> Vec<Constraint> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let head = header.get(column).map_or(0, |head| head.chars().count());
        let most = cells.fold(head, usize::max).min(COLUMN_MAX);
        Constraint::Length(u16::try_from(most).unwrap_or(u16::MAX))
    };
    let mut widths: Vec<Constraint> = (0..header.len()).map(width).collect();
    if let Some(last) = widths.last_mut() {
        *last = Constraint::Fill(1);
    }
    widths
}
