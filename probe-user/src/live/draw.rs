//! The screen.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize as _},
    text::{Line, Span, Text},
    widgets::{Block, Cell, Clear, Paragraph, Row as Cells, Table, TableState, Wrap},
};

use super::{
    model::{Focus, Model, Row},
    said::{Finding, Key, Verdict},
};
use crate::report::words::grouped;

/// Losses that are named.
const LOSSES_SHOWN: usize = 4;

/// Draws what is known. Returns how many lines a page has: those of the half that has the keys.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, title: &str) -> usize {
    let heights =
        [Constraint::Length(2), Constraint::Fill(1), Constraint::Fill(1), Constraint::Length(2)];
    let [top, upper, lower, bottom] = Layout::vertical(heights).areas(frame.area());
    frame.render_widget(head(model, title), top);
    destinations(frame, model, upper);
    findings(frame, model, lower);
    frame.render_widget(foot(model), bottom);
    if model.focus == Focus::Evidence
        && let Some(finding) = model.looked_at()
    {
        let area = frame.area().inner(ratatui::layout::Margin::new(2, 1));
        frame.render_widget(Clear, area);
        let block = pane(" Evidence ".into(), true);
        let text = Paragraph::new(evidence(finding)).wrap(Wrap { trim: false });
        frame.render_widget(text.block(block).scroll((model.scrolled, 0)), area);
    }
    usize::from(if model.focus == Focus::Destinations { upper } else { lower }.height.max(5)) - 4
}

fn head(model: &Model, title: &str) -> Paragraph<'static> {
    let progress = &model.progress;
    let time = progress.time.as_deref().and_then(|time| time.get(..19)).unwrap_or("starting");
    let lost: Vec<String> = progress
        .lost
        .iter()
        .take(LOSSES_SHOWN)
        .map(|(name, count)| format!("{name} {}", grouped(*count)))
        .collect();
    let more = progress.lost.len().saturating_sub(LOSSES_SHOWN);
    let lost = match (lost.is_empty(), more) {
        _ if model.over && !model.summed_up => {
            Span::from("no summary: cut short, and what was lost is not known").yellow()
        }
        (true, _) => Span::from("nothing lost").dim(),
        (false, 0) => Span::from(format!("lost: {}", lost.join(", "))).yellow(),
        (false, more) => {
            Span::from(format!("lost: {} and {more} others", lost.join(", "))).yellow()
        }
    };
    Paragraph::new(vec![
        Line::from(vec![
            Span::from("Forgewatch ").bold(),
            Span::from(format!("{title}  {} UTC", time.replace('T', " "))),
        ]),
        Line::from(vec![
            Span::from(format!(
                "{} packets, {} flows, {} finding{}; ",
                grouped(progress.packets),
                grouped(progress.flows),
                grouped(progress.findings),
                if progress.findings == 1 { "" } else { "s" }
            )),
            lost,
        ]),
    ])
}

fn pane(title: String, has_keys: bool) -> Block<'static> {
    let style = if has_keys { Style::new().fg(Color::Cyan) } else { Style::new().dim() };
    Block::bordered().title(title).border_style(style)
}

const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

fn destinations(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let rows = model.destinations();
    let all = Cells::new(vec![format!("all {}", rows.len())]);
    let cells = std::iter::once(all).chain(rows.iter().map(|(key, row)| destination(key, row)));
    let widths = [
        Constraint::Length(18),
        Constraint::Length(8),
        Constraint::Fill(2),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Fill(3),
    ];
    let words = ["service", "over", "network"].map(Cell::from);
    let counts = ["served", "reset", "silent", "page", "false", "other", "accused"].map(right);
    let names = words.into_iter().chain(counts).chain([Cell::from("as a whole")]);
    let table = Table::new(cells, widths)
        .header(Cells::new(names).style(Style::new().bold()))
        .row_highlight_style(CHOSEN)
        .block(pane(
            " Destinations: what connections met, half a minute later ".into(),
            model.focus == Focus::Destinations,
        ));
    let mut state = TableState::new().with_selected(model.chosen());
    frame.render_stateful_widget(table, area, &mut state);
}

fn right<'a>(text: impl Into<Text<'a>>) -> Cell<'a> {
    Cell::from(text.into().right_aligned())
}

fn destination(key: &Key, row: &Row) -> Cells<'static> {
    let met = &row.met;
    let service = if key.service.is_empty() { "not watched" } else { &key.service };
    let style = match (row.accused() > 0, row.role.as_str()) {
        (true, _) => Style::new().fg(Color::Red),
        (false, "control") => Style::new().dim(),
        _ => Style::new(),
    };
    let number = |count: u64| right(if row.is_counted() { grouped(count) } else { String::new() });
    let verdict = row.verdict.as_ref().map(Verdict::words).unwrap_or_default();
    Cells::new([
        Cell::from(service.to_owned()),
        Cell::from(key.protocol.clone()),
        Cell::from(key.network.clone()),
        number(met.served),
        number(met.reset),
        number(met.silent),
        number(met.block_page),
        number(met.false_answer),
        number(met.error + met.icmp + met.abandoned),
        right(grouped(row.accused())),
        Cell::from(verdict),
    ])
    .style(style)
}

fn findings(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let count = model.shown().count();
    let at = model.chosen_key().map_or_else(String::new, |key| format!(" at {}", key.network));
    let gone = match model.gone {
        0 => String::new(),
        gone => format!("; {} older ones are in the ledger only", grouped(gone)),
    };
    let title = format!(" Findings{at}: {}, the latest first{gone} ", grouped(count as u64));
    let has_keys = model.focus == Focus::Findings;
    let widths = [
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(2),
        Constraint::Length(4),
        Constraint::Fill(2),
        Constraint::Fill(2),
        Constraint::Fill(5),
    ];
    let names = ["time", "verdict", "", "over", "name", "server", "evidence"];
    let table = Table::new(model.shown().map(finding), widths)
        .header(Cells::new(names).style(Style::new().bold()))
        .row_highlight_style(CHOSEN)
        .block(pane(title, has_keys));
    let mut state = TableState::new().with_selected(has_keys.then_some(model.finding));
    frame.render_stateful_widget(table, area, &mut state);
}

fn finding(one: &Finding) -> Cells<'static> {
    let ids: Vec<&str> = one.signatures.iter().map(|signature| signature.id.as_str()).collect();
    Cells::new(vec![
        one.time.get(11..23).unwrap_or_default().to_owned(),
        one.verdict.clone(),
        one.confidence.clone(),
        one.protocol.clone(),
        one.name.clone().unwrap_or_default(),
        one.server.clone(),
        ids.join(" "),
    ])
    .style(verdict_style(&one.verdict))
}

fn verdict_style(verdict: &str) -> Style {
    Style::new().fg(if verdict == "suspect" { Color::Yellow } else { Color::Red })
}

/// All that is known of a finding.
fn evidence(finding: &Finding) -> Vec<Line<'static>> {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let mut lines = vec![
        Line::from(vec![
            Span::styled(
                format!("{} {}", finding.verdict.to_uppercase(), finding.confidence),
                verdict_style(&finding.verdict).bold(),
            ),
            Span::from(format!("  {}  {}", finding.protocol, finding.time)),
        ]),
        Line::from(format!("name     {}", known(&finding.name))),
        Line::from(format!("service  {}", finding.service.as_deref().unwrap_or("not watched"))),
        Line::from(format!("from     {}", finding.client)),
        Line::from(format!("to       {}", finding.server)),
        Line::from(format!("stage    {}", known(&finding.stage))),
        Line::from(format!("device   {}", place(finding))),
    ];
    for fingerprint in &finding.fingerprints {
        lines.push(Line::from(format!("looks    {}", fingerprint.id)));
        for label in &fingerprint.labels {
            lines.push(Line::from(format!("  like   {} ({})", label.title, label.source)));
        }
    }
    for signature in &finding.signatures {
        lines.push(Line::default());
        lines.push(Line::from(vec![
            Span::from(signature.id.clone()).bold(),
            Span::from(format!("  {}, class {}", signature.confidence, signature.class)),
        ]));
        lines.push(Line::from(format!("  {}", signature.words)));
        let measured: Vec<String> =
            signature.measured.iter().map(|(name, value)| format!("{name} {value}")).collect();
        if !measured.is_empty() {
            lines.push(Line::from(format!("  {}", measured.join(", "))).dim());
        }
    }
    lines
}

/// Where the device stands.
fn place(finding: &Finding) -> String {
    let mut place = match finding.position.as_str() {
        "upstream" => "between here and the server".to_owned(),
        "downstream" => "between here and the client".to_owned(),
        _ => "somewhere".to_owned(),
    };
    match finding.injector_hops_range {
        Some((least, most)) if least == most => place += &format!(", {least} hops away"),
        Some((least, most)) => place += &format!(", {least} to {most} hops away"),
        None => {}
    }
    if let Some(hops) = finding.server_hops {
        place += &format!("; the server is {hops} hops away");
    }
    place
}

fn foot(model: &Model) -> Paragraph<'static> {
    let words = match model.words() {
        Some((true, words)) => Line::from(words.to_owned()).yellow(),
        Some((false, words)) => Line::from(words.to_owned()).dim(),
        None => Line::default(),
    };
    let keys = match model.focus {
        Focus::Destinations => "up/down choose   Enter its findings   q end",
        Focus::Findings => "up/down choose   Enter its evidence   Esc back   q end",
        Focus::Evidence => "up/down scroll   Esc back   q end",
    };
    Paragraph::new(vec![words, Line::from(keys).dim()])
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::{
        super::model::{
            Model, Press,
            tests::{PROGRESS, finding},
        },
        draw,
    };

    fn screen(model: &Model, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        let mut page = 0;
        terminal.draw(|frame| page = draw(frame, model, "eth0")).expect("it is drawn");
        assert!(page > 0);
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| line(y) + "\n").collect()
    }

    fn model() -> Model {
        let mut model = Model::default();
        model.take(&PROGRESS.replace('\n', " "));
        model.take(&finding(1, r#""linkedin""#, "injected"));
        model
    }

    fn assert_shows(screen: &str, words: &[&str]) {
        for word in words {
            assert!(screen.contains(word), "no `{word}` in\n{screen}");
        }
    }

    #[test]
    fn what_was_met_and_what_was_found_is_on_one_screen() {
        let screen = screen(&model(), 140, 30);
        let words = [
            "1,234,567 packets",
            "dns_evicted 7",
            "linkedin",
            "108.174.10.0/24",
            "office",
            "injected",
            "www.linkedin.com",
            "DATA_AFTER_RST",
        ];
        assert_shows(&screen, &words);
    }

    #[test]
    fn what_was_cut_short_is_not_said_to_have_lost_nothing() {
        for mut model in [Model::default(), model()] {
            assert!(!screen(&model, 140, 30).contains("no summary"));
            model.over = true;
            let cut = screen(&model, 140, 30);
            assert_shows(&cut, &["no summary: cut short"]);
            assert!(!cut.contains("nothing lost"), "{cut}");
            model.take(r#"{"record":"summary","packets":7,"findings":{"total":3},"lost":{"a":0}}"#);
            assert_shows(&screen(&model, 140, 30), &["7 packets", "nothing lost"]);
        }
    }

    #[test]
    fn evidence_is_two_keys_away() {
        let mut model = model();
        model.press(Press::In, 10);
        model.press(Press::In, 10);
        let screen = screen(&model, 120, 30);
        let words = [
            "INJECTED C3",
            "the server went on after its reset",
            "after_ms 20.5",
            "3 to 5 hops",
            "client-1",
            "a device (a paper)",
        ];
        assert_shows(&screen, &words);
    }

    #[test]
    fn a_small_screen_is_no_reason_to_fail() {
        let mut model = model();
        for (width, height) in [(1, 1), (10, 3), (40, 8)] {
            screen(&model, width, height);
        }
        model.press(Press::In, 10);
        model.press(Press::In, 10);
        screen(&model, 3, 2);
        screen(&Model::default(), 80, 24);
    }
}
