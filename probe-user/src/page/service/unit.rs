//! One verdict: of a service at a network, by a protocol, as an observer saw it.

use crate::attribute::{
    Method, Verdict,
    verdict::{Distance, Residual, Standing},
};

use super::super::{
    device::{self, Scale},
    numbers::{
        between, grouped, listed, lowered, percent, plural, power, share_of, spans, visible, within,
    },
    report::Report,
    words,
};

/// A verdict as a line.
#[derive(Debug)]
pub(in crate::page) struct UnitRow {
    pub(in crate::page) network: String,
    pub(in crate::page) protocol: &'static str,
    pub(in crate::page) vantage: String,
    pub(in crate::page) verdict: &'static str,
    pub(in crate::page) when: String,
    pub(in crate::page) failed: String,
    pub(in crate::page) controls: String,
    pub(in crate::page) near: String,
    pub(in crate::page) clients: String,
    pub(in crate::page) evidence: String,
    pub(in crate::page) proven: String,
}

/// A verdict in full.
#[derive(Debug)]
pub(in crate::page) struct Unit {
    pub(in crate::page) title: String,
    pub(in crate::page) pattern: Option<String>,
    pub(in crate::page) place: Option<String>,
    pub(in crate::page) scale: Option<Scale>,
    pub(in crate::page) residual: Option<String>,
    pub(in crate::page) names: Vec<(String, String)>,
    pub(in crate::page) rivals: Vec<RivalRow>,
}

/// Another explanation.
#[derive(Debug)]
pub(in crate::page) struct RivalRow {
    pub(in crate::page) class: &'static str,
    pub(in crate::page) standing: &'static str,
    pub(in crate::page) name: &'static str,
    pub(in crate::page) why: String,
}

pub(super) fn row(report: &Report, verdict: &Verdict) -> UnitRow {
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
pub(super) fn unit(report: &Report, verdict: &Verdict) -> Option<Unit> {
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

pub(super) fn unit_title(report: &Report, verdict: &Verdict) -> String {
    let unit = &verdict.unit;
    let asn = unit.asn.map(|asn| format!(" (AS{asn})")).unwrap_or_default();
    let seen_by = if report.vantages.len() > 1 {
        format!(", seen by {}", vantage(report, unit.vantage))
    } else {
        String::new()
    };
    format!("{} to {}{asn}{seen_by}", words::protocol(unit.protocol), unit.network)
}

pub(super) fn vantage(report: &Report, number: u16) -> String {
    let known = report.vantages.iter().find(|vantage| vantage.number == number);
    known.map_or_else(|| format!("observer {number}"), |vantage| visible(&vantage.name))
}

pub(super) fn evidence(verdict: &Verdict) -> String {
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

fn place(distance: &Distance) -> String {
    let device = match (distance.hops, words::side(distance.position)) {
        (Some(hops), side) => {
            let side = side.map(|side| format!(", {side}")).unwrap_or_default();
            format!("The device is {} hops away{side}", spans(hops))
        }
        (None, Some(side)) => format!("The device stands {side}; how far away is not known"),
        (None, None) => "Where the device stands is not known".into(),
    };
    let server = distance
        .server_hops
        .map(|hops| format!("; the server is {} hops away", spans(hops)))
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
