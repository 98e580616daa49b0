//! What is said of one service: the sentence, the figures, and why.

use crate::{
    attribute::{
        Method, Verdict,
        outcome::Protocol,
        verdict::{Distance, Residual, Standing},
    },
    targets::Role,
};

use super::{
    device::{self, Scale},
    ladder::{Ladder, ladder},
    numbers::{
        between, count, grouped, listed, lowered, percent, period, plural, power, share_of,
        visible, within,
    },
    report::{Report, Service},
    series::{Ask, Chart, chart},
    words,
};

/// Findings shown packet by packet of one service: typical ones, not all.
const LADDERS_MAX: usize = 12;

/// Verdicts of one service shown in full; the table has all.
const UNITS_MAX: usize = 24;

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

/// A service's part of the page.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    /// What comes before and after the title in the sentence.
    pub(super) before: String,
    pub(super) after: String,
    /// What it rests on.
    pub(super) support: Vec<String>,
    /// For the table at the top.
    pub(super) glance: Glance,
    pub(super) how: Vec<(&'static str, &'static str)>,
    pub(super) charts: Vec<Chart>,
    pub(super) rows: Vec<UnitRow>,
    pub(super) more_rows: Option<String>,
    /// The strongest verdict first.
    pub(super) units: Vec<Unit>,
    pub(super) ladders: Vec<Ladder>,
    pub(super) more_ladders: Option<String>,
}

/// A line of the table at the top.
#[derive(Debug, Default)]
pub(super) struct Glance {
    pub(super) how: String,
    pub(super) since: String,
    pub(super) failed: String,
    pub(super) controls: String,
    pub(super) evidence: String,
}

/// A verdict as a line.
#[derive(Debug)]
pub(super) struct UnitRow {
    pub(super) network: String,
    pub(super) protocol: &'static str,
    pub(super) vantage: String,
    pub(super) verdict: &'static str,
    pub(super) when: String,
    pub(super) failed: String,
    pub(super) controls: String,
    pub(super) near: String,
    pub(super) clients: String,
    pub(super) evidence: String,
    pub(super) proven: String,
}

/// A verdict in full.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) title: String,
    pub(super) pattern: Option<String>,
    pub(super) place: Option<String>,
    pub(super) scale: Option<Scale>,
    pub(super) residual: Option<String>,
    pub(super) names: Vec<(String, String)>,
    pub(super) rivals: Vec<RivalRow>,
}

/// Another explanation.
#[derive(Debug)]
pub(super) struct RivalRow {
    pub(super) class: &'static str,
    pub(super) standing: &'static str,
    pub(super) name: &'static str,
    pub(super) why: String,
}

/// The part of `service`, the `number`th.
pub(super) fn section(report: &Report, service: &Service, number: usize) -> Section {
    let all: Vec<&Verdict> =
        report.verdicts.iter().filter(|one| one.unit.service == service.id).collect();
    let mut verdicts: Vec<&Verdict> =
        all.iter().copied().filter(|verdict| verdict.is_publishable(report.k)).collect();
    verdicts.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
    let state = state(report, service, &verdicts, all.len());
    let (class, mark) = state.mark();
    let (before, after) = sentence(report, state, &verdicts);
    let charts: Vec<Chart> = [Protocol::TcpTls, Protocol::TcpHttp, Protocol::Quic, Protocol::Dns]
        .into_iter()
        .filter_map(|protocol| {
            chart(&Ask {
                id: format!("s{number}-{}", words::protocol(protocol).to_lowercase()),
                service: &service.id,
                protocol,
                period: report.period,
                cells: &report.cells,
                verdicts: &verdicts,
                absent: &report.limits.absent,
                k: report.k,
            })
        })
        .collect();
    let mut how: Vec<Method> =
        verdicts.iter().map(|one| one.method).filter(|method| method.accuses()).collect();
    how.sort_unstable();
    how.dedup();
    // A flow is somebody's: it is shown only if flows like it are enough others'.
    let evidence = || {
        let of_this = |one: &&crate::evidence::Evidence| one.service.as_ref() == Some(&service.id);
        report.evidence.iter().filter(of_this).filter(|one| one.crowd >= report.k)
    };
    let more = evidence().count().saturating_sub(LADDERS_MAX) as u64;
    let withheld = (all.len() - verdicts.len()) as u64;
    Section {
        id: format!("s{number}"),
        title: visible(&service.title),
        class,
        mark,
        before,
        after,
        support: support(report, service, state, &verdicts),
        glance: glance(&verdicts, &how),
        how: how.iter().map(|&method| (words::label(method), words::how(method))).collect(),
        charts,
        rows: verdicts.iter().map(|verdict| row(report, verdict)).collect(),
        more_rows: (withheld > 0).then(|| {
            format!(
                "{} withheld: clients of fewer than {} stand behind them.",
                plural(withheld, "verdict"),
                plural(report.k, "network")
            )
        }),
        units: verdicts
            .iter()
            .take(UNITS_MAX)
            .filter_map(|verdict| unit(report, verdict))
            .collect(),
        ladders: evidence()
            .take(LADDERS_MAX)
            .enumerate()
            .map(|(index, one)| ladder(format!("s{number}-e{index}"), one))
            .collect(),
        more_ladders: (more > 0).then(|| {
            format!("{} more, in the file of evidence.", count(more, "finding is", "findings are"))
        }),
    }
}

/// Accusations first, lasting ones before those that have ended, then by evidence or by size.
fn rank(verdict: &Verdict) -> f64 {
    let class = match (verdict.method.accuses(), verdict.end) {
        (true, None) => 2e9,
        (true, Some(_)) => 1e9,
        (false, _) => return (verdict.target.n as f64).min(9e8),
    };
    class + verdict.evidence.against_controls.clamp(0.0, 1e6)
}

fn state(report: &Report, service: &Service, verdicts: &[&Verdict], all: usize) -> State {
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
fn sentence(report: &Report, state: State, verdicts: &[&Verdict]) -> (String, String) {
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

fn vantage(report: &Report, number: u16) -> String {
    let known = report.vantages.iter().find(|vantage| vantage.number == number);
    known.map_or_else(|| format!("observer {number}"), |vantage| visible(&vantage.name))
}

/// What the sentence rests on: the strongest verdict's figures, and how many there are.
fn support(report: &Report, service: &Service, state: State, verdicts: &[&Verdict]) -> Vec<String> {
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

fn glance(verdicts: &[&Verdict], how: &[Method]) -> Glance {
    let Some(first) = verdicts.first() else {
        let none = || "\u{2013}".to_owned();
        return Glance {
            how: none(),
            since: none(),
            failed: none(),
            controls: none(),
            evidence: none(),
        };
    };
    let accuses = first.method.accuses();
    let labels: Vec<String> = how.iter().map(|&method| words::label(method).into()).collect();
    Glance {
        how: if accuses { listed(&labels) } else { "\u{2013}".into() },
        since: if accuses { words::onset(first.onset) } else { "\u{2013}".into() },
        failed: share_of(first.target.share, first.target.n),
        controls: share_of(
            if accuses { first.controls.share } else { first.controls.failing },
            first.controls.n,
        ),
        evidence: evidence(first),
    }
}

fn evidence(verdict: &Verdict) -> String {
    match verdict.method {
        Method::None => format!("{} for health", power(verdict.evidence.for_health)),
        method if method.accuses() => {
            format!("{} against chance", power(verdict.evidence.against_controls))
        }
        _ => format!(
            "{} for failing, {} for health",
            power(verdict.evidence.against_controls),
            power(verdict.evidence.for_health)
        ),
    }
}

fn unit_title(report: &Report, verdict: &Verdict) -> String {
    let unit = &verdict.unit;
    let asn = unit.asn.map(|asn| format!(" (AS{asn})")).unwrap_or_default();
    let seen_by = if report.vantages.len() > 1 {
        format!(", seen by {}", vantage(report, unit.vantage))
    } else {
        String::new()
    };
    format!("{} to {}{asn}{seen_by}", words::protocol(unit.protocol), unit.network)
}

fn row(report: &Report, verdict: &Verdict) -> UnitRow {
    let unit = &verdict.unit;
    let when = match (verdict.method.accuses(), verdict.end) {
        (false, _) => "\u{2013}".into(),
        (true, None) => format!("since {}", words::onset(verdict.onset)),
        (true, Some(end)) => format!("{} until {}", words::onset(verdict.onset), within(end)),
    };
    UnitRow {
        network: match unit.asn {
            Some(asn) => format!("{} (AS{asn})", unit.network),
            None => unit.network.to_string(),
        },
        protocol: words::protocol(unit.protocol),
        vantage: vantage(report, unit.vantage),
        verdict: words::label(verdict.method),
        when,
        failed: share_of(verdict.target.share, verdict.target.n),
        controls: share_of(verdict.controls.share, verdict.controls.n),
        near: share_of(verdict.controls.near_share, verdict.controls.near_n),
        clients: between(verdict.target.clients),
        evidence: evidence(verdict),
        proven: if verdict.method.leaves_no_packet() || !verdict.method.accuses() {
            "\u{2013}".into()
        } else {
            grouped(verdict.evidence.proven)
        },
    }
}

/// Everything else about a verdict; `None` if there is nothing else.
fn unit(report: &Report, verdict: &Verdict) -> Option<Unit> {
    let rivals: Vec<RivalRow> = verdict
        .rivals
        .iter()
        .map(|rival| RivalRow {
            class: match rival.standing {
                Standing::Lost => "lost",
                Standing::Stands => "stands",
                Standing::Won => "won",
            },
            standing: words::standing(rival.standing),
            name: words::explanation(rival.name),
            why: visible(&rival.why),
        })
        .collect();
    let names: Vec<(String, String)> = verdict
        .names
        .iter()
        .map(|part| (visible(&part.name), share_of(part.share, part.flows)))
        .collect();
    let unit = Unit {
        title: format!(
            "{}: {}",
            unit_title(report, verdict),
            lowered(words::label(verdict.method))
        ),
        pattern: verdict.pattern.as_ref().map(words::pattern),
        place: verdict.distance.as_ref().map(place),
        scale: verdict.distance.as_ref().and_then(device::scale),
        residual: verdict.residual.as_ref().map(residual),
        names,
        rivals,
    };
    let empty = unit.pattern.is_none()
        && unit.place.is_none()
        && unit.residual.is_none()
        && unit.names.is_empty()
        && unit.rivals.is_empty();
    (!empty).then_some(unit)
}

fn place(distance: &Distance) -> String {
    let device = match (distance.hops, words::side(distance.position)) {
        (Some(hops), side) => {
            let side = side.map(|side| format!(", {side}")).unwrap_or_default();
            format!("The device is {} hops away{side}", super::numbers::spans(hops))
        }
        (None, Some(side)) => format!("The device stands {side}; how far away is not known"),
        (None, None) => "Where the device stands is not known".into(),
    };
    let server = distance
        .server_hops
        .map(|hops| format!("; the server is {} hops away", super::numbers::spans(hops)))
        .unwrap_or_default();
    if distance.n == 0 {
        return format!("{device}{server}.");
    }
    format!(
        "{device}{server}. From the TTL in {}, {} of which agree within a hop; ranges hold nine of ten. \
         A device can choose its TTL: a hint, no measurement.",
        plural(distance.n, "flow"),
        percent(distance.agreement)
    )
}

fn residual(residual: &Residual) -> String {
    let [least, most] = residual.range;
    let known = if residual.known.is_empty() {
        String::new()
    } else {
        let known: Vec<String> = residual.known.iter().map(|name| visible(name)).collect();
        format!(" Known to linger so long: {}. A label, no reason.", listed(&known))
    };
    format!(
        "After a trigger, what the same client asks of the same server fails for {} s ({least}\u{2013}\
         {most} s), {} of flows meanwhile.{known}",
        residual.seconds,
        percent(residual.share)
    )
}

/// A control's line.
#[derive(Debug)]
pub(super) struct ControlRow {
    pub(super) title: String,
    pub(super) n: String,
    pub(super) flows: String,
    pub(super) failed: String,
    pub(super) verdict: String,
}

/// The controls, as far as they may be shown.
pub(super) fn controls(report: &Report) -> Vec<ControlRow> {
    report
        .services
        .iter()
        .filter(|service| service.role == Role::Control)
        .map(|service| control(report, service))
        .collect()
}

fn control(report: &Report, service: &Service) -> ControlRow {
    let cells = || report.cells.iter().filter(|cell| cell.unit.service == service.id);
    let networks = cells().map(|cell| cell.client_networks.least).max().unwrap_or(0);
    let title = visible(&service.title);
    let none = || "\u{2013}".to_owned();
    if cells().next().is_none() || networks < report.k {
        let verdict = if cells().next().is_none() { "not seen" } else { "withheld" };
        let verdict = verdict.to_owned();
        return ControlRow { title, n: none(), flows: none(), failed: none(), verdict };
    }
    let (flows, failed) =
        (cells().map(|cell| cell.flows).sum(), cells().map(|cell| cell.failed).sum());
    let verdicts = report.verdicts.iter().filter(|one| one.unit.service == service.id);
    let mut labels: Vec<String> = verdicts
        .filter(|verdict| verdict.is_publishable(report.k))
        .map(|verdict| lowered(words::label(verdict.method)))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    ControlRow {
        title,
        n: grouped(cells().map(|cell| cell.n).sum()),
        flows: grouped(flows),
        failed: super::numbers::part_of(failed, flows),
        verdict: if labels.is_empty() { none() } else { listed(&labels) },
    }
}
