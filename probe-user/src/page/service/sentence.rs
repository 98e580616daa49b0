//! How a service fares, in a sentence, and what that rests on.

use crate::attribute::{Method, Verdict, verdict::Standing};

use super::super::{
    numbers::{between, count, grouped, listed, lowered, period, plural, power, share_of, within},
    report::{Report, Service},
    words,
};
use super::unit::{unit_title, vantage};

/// How a service fares, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Somebody interferes, now.
    Blocked,
    /// Somebody interfered, and it has ended.
    WasBlocked,
    /// It fares as the controls do.
    Reachable,
    /// It does not, and for nobody's decision.
    Outage,
    /// Not enough to say.
    Unsaid,
    /// There is something that may not be shown.
    Withheld,
    /// Nothing was seen of it.
    Unseen,
}

impl State {
    /// As a mark beside the name: told apart by shape and text, besides by colour.
    pub(super) const fn mark(self) -> (&'static str, &'static str) {
        match self {
            Self::Blocked => ("blocked", "\u{25a0} Blocked"),
            Self::WasBlocked => ("was", "\u{25a3} Was blocked"),
            Self::Reachable => ("reachable", "\u{25cb} Reachable"),
            Self::Outage => ("outage", "\u{25b3} Outage"),
            Self::Unsaid => ("unsaid", "? Cannot be said"),
            Self::Withheld => ("unsaid", "\u{2013} Withheld"),
            Self::Unseen => ("unsaid", "\u{2013} Not seen"),
        }
    }
}

pub(super) fn state(
    report: &Report,
    service: &Service,
    verdicts: &[&Verdict],
    all: usize,
) -> State {
    let Some(first) = verdicts.first() else {
        let seen = report.cells.iter().any(|cell| cell.unit.service == service.id)
            || report.findings.iter().any(|count| count.service.as_ref() == Some(&service.id));
        return match (all > 0, seen) {
            (true, _) => State::Withheld,
            (false, true) => State::Unsaid,
            (false, false) => State::Unseen,
        };
    };
    match first.method {
        method if method.accuses() && first.end.is_none() => State::Blocked,
        method if method.accuses() => State::WasBlocked,
        Method::None => State::Reachable,
        Method::Outage => State::Outage,
        _ => State::Unsaid,
    }
}

/// Everything before and after the title.
pub(super) fn sentence(report: &Report, state: State, verdicts: &[&Verdict]) -> (String, String) {
    let place = match &report.vantages[..] {
        [] | [_] => "on this network".to_owned(),
        many => place_of(report, verdicts, many.len()),
    };
    let lasting = |verdict: &&&Verdict| (state == State::Blocked) == words::lasts(verdict);
    let accusing = || verdicts.iter().filter(|one| one.method.accuses()).filter(lasting);
    let mut methods: Vec<Method> = accusing().map(|verdict| verdict.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let by: Vec<String> = methods.iter().map(|&method| words::by(method).into()).collect();
    let verb = if methods == [Method::Throttle] { "slowed down" } else { "blocked" };
    let earliest = accusing().filter_map(|one| one.onset).min_by_key(|onset| match onset {
        crate::attribute::verdict::Onset::Between(interval) => interval.likely,
        crate::attribute::verdict::Onset::Before(_) => 0,
    });
    let since = words::since(earliest);
    match state {
        State::Blocked => {
            (String::new(), format!(" is {verb} {place} {since}, by {}.", by.join(", and by ")))
        }
        State::WasBlocked => {
            let end = accusing().filter_map(|one| one.end).max_by_key(|end| end.likely);
            let until = end.map_or_else(String::new, |end| format!(" until {}", within(end)));
            let was = format!(" was {verb} {place} {since}{until}, by {}.", by.join(", and by "));
            (String::new(), was)
        }
        State::Reachable => (String::new(), format!(" is reachable {place} as the controls are.")),
        State::Outage => {
            let why = verdicts
                .first()
                .and_then(|one| one.rivals.iter().find(|rival| rival.standing == Standing::Won));
            let why = why.map_or_else(String::new, |rival| {
                format!(" ({})", lowered(words::explanation(rival.name)))
            });
            (String::new(), format!(" fails {place}, and an outage explains it{why}: no blocking."))
        }
        State::Unsaid => ("Whether ".into(), format!(" is blocked {place} cannot be said.")),
        State::Withheld => {
            let least = plural(report.k, "network");
            let why = "are too few to be published";
            (
                "What was seen of ".into(),
                format!(" is withheld: clients of fewer than {least} {why}."),
            )
        }
        State::Unseen => ("Nothing was seen of ".into(), ": nobody asked for it here.".into()),
    }
}

/// At which of several observers.
fn place_of(report: &Report, verdicts: &[&Verdict], all: usize) -> String {
    let first = verdicts.first().map(|one| one.method);
    let mut numbers: Vec<u16> = verdicts
        .iter()
        .filter(|one| Some(one.method) == first || one.method.accuses())
        .map(|one| one.unit.vantage)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let names: Vec<String> = numbers.iter().map(|&number| vantage(report, number)).collect();
    format!("at {} of {all} observers ({})", names.len(), listed(&names))
}

/// What the sentence rests on: the strongest verdict's figures, and how many there are.
pub(super) fn support(
    report: &Report,
    service: &Service,
    state: State,
    verdicts: &[&Verdict],
) -> Vec<String> {
    let Some(first) = verdicts.first() else {
        return single(report, service).into_iter().collect();
    };
    let mut lines = Vec::new();
    let accused = matches!(state, State::Blocked | State::WasBlocked);
    let failed = if accused { "failed in this way" } else { "failed" };
    let where_ = unit_title(report, first);
    let controls = first.controls;
    let control_share = if accused { controls.share } else { controls.failing };
    lines.push(format!(
        "{where_}, {}: {} client-windows {failed}, beside {} of controls in the same time; {}, of them \
         {} affected.",
        period(first.period),
        share_of(first.target.share, first.target.n),
        share_of(control_share, controls.n),
        count_between(first.target.clients, "client"),
        between(first.target.affected),
    ));
    if accused {
        let near = match first.evidence.against_near {
            Some(log) if controls.near_n > 0 => format!(
                "; against the nearest controls alone ({} client-windows of them failed so) {}",
                share_of(controls.near_share, controls.near_n),
                power(log)
            ),
            _ => "; there are no nearer controls".into(),
        };
        lines.push(format!(
            "Evidence against \u{201c}it fails no more often than controls do\u{201d}: {}{near}. 10⁵ \
             is an error rate of 1 in 100,000.",
            power(first.evidence.against_controls)
        ));
        lines.push(if first.method.leaves_no_packet() {
            "What is dropped leaves no packet that could prove it: this rests on the comparison.".into()
        } else {
            format!(
                "In {} of {} client-windows ({}), packets prove that somebody else than the two ends \
                 had a hand in it.",
                grouped(first.evidence.proven),
                grouped(first.target.n),
                count_between(first.evidence.proven_clients, "client"),
            )
        });
    } else if state == State::Reachable {
        lines.push(format!(
            "Evidence for \u{201c}it fails no more often than controls do\u{201d}: {}. 10⁵ is an \
             error rate of 1 in 100,000.",
            power(first.evidence.for_health)
        ));
    }
    if verdicts.len() > 1 {
        lines.push(tally(verdicts));
    }
    lines
}

/// What was found in single connections, where nothing is said of the service.
fn single(report: &Report, service: &Service) -> Option<String> {
    let counts = report.findings.iter().filter(|count| count.service.as_ref() == Some(&service.id));
    let kinds: Vec<String> = counts
        .filter(|count| count.count > 0)
        .map(|count| {
            let (verdict, confidence) = (count.verdict.as_str(), count.confidence.as_str());
            format!("{} {verdict} {confidence} ({})", grouped(count.count), count.protocol.as_str())
        })
        .collect();
    (!kinds.is_empty()).then(|| {
        format!(
            "There is no verdict on the service: too few clients or controls, or too short a time. Of single \
             connections and questions there are findings: {}.",
            listed(&kinds)
        )
    })
}

fn count_between(range: crate::attribute::sketch::Range, word: &str) -> String {
    let plural = if range.least == 1 && range.most <= 1 { "" } else { "s" };
    format!("{} {word}{plural}", between(range))
}

/// How many of its parts fare how: a verdict of one is not one of all.
fn tally(verdicts: &[&Verdict]) -> String {
    let of =
        |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|one| wanted(one)).count() as u64;
    let parts = [
        (of(words::lasts), "interfered with"),
        (of(|one| one.method.accuses() && one.end.is_some()), "no longer interfered with"),
        (of(|one| one.method == Method::None), "reachable"),
        (of(|one| one.method == Method::Outage), "down"),
        (of(|one| one.method == Method::Inconclusive), "undecided"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    format!(
        "Of {} (network, protocol and observer): {}.",
        count(verdicts.len() as u64, "measured part", "measured parts"),
        listed(&parts)
    )
}
