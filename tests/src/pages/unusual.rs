//! The same network as nobody would have it: several observers, none of anything, too few clients, too much of
//! everything, and texts that would like to be more than text.

use probe_user::{
    attribute::{
        Method,
        outcome::Protocol,
        verdict::{Explanation, Onset, Period, Rival, Standing, Unit},
    },
    page::{Limits, Report, Vantage},
    report::summary::{Clock, ClockSource},
    targets::Role,
};

use super::world::{
    DAY, START, blocked, cells, controls, device, exactly, service, typical, watched,
};

/// Three observers, of which two see the blocking; there since before the observation began.
pub(super) fn several_observers() -> Report {
    let mut report = typical();
    report.vantages = vec![
        Vantage { number: 0, name: "AS64496, Novosibirsk".into() },
        Vantage { number: 1, name: "AS64497, Kazan".into() },
        Vantage { number: 2, name: "AS64498, Sochi".into() },
    ];
    let mut second = report.verdicts[0].clone();
    second.unit.vantage = 1;
    second.onset = Some(Onset::Before(START));
    let mut third = report.verdicts[4].clone();
    third.unit = Unit { vantage: 2, ..second.unit.clone() };
    third.method = Method::Outage;
    third.rivals = vec![Rival {
        name: Explanation::Server,
        standing: Standing::Won,
        why: "answers with TLS alerts, and controls are served".into(),
    }];
    report.verdicts.extend([second, third]);
    report
}

/// A probe that saw no packet.
pub(super) fn nothing_seen() -> Report {
    Report {
        made: Some(START + DAY),
        period: Period { from: START, to: START + DAY },
        vantages: vec![Vantage { number: 0, name: "a router where no traffic passes".into() }],
        services: [service("linkedin", "LinkedIn", Role::Target)]
            .into_iter()
            .chain(controls())
            .collect(),
        limits: Limits {
            clock: Some(Clock { source: ClockSource::System, synchronised: Some(false) }),
            versions: vec!["0.1.0".into()],
            ..Limits::default()
        },
        ..Report::default()
    }
}

/// The same as the typical one, with clients of three networks in all.
pub(super) fn too_few_clients() -> Report {
    let mut report = typical();
    for verdict in &mut report.verdicts {
        verdict.target.client_networks = exactly(3);
    }
    for cell in &mut report.cells {
        cell.client_networks = exactly(3);
    }
    for evidence in &mut report.evidence {
        evidence.crowd = 3;
    }
    report
}

/// Names that would break a page or mislead its reader, if they could.
pub(super) fn hostile_text() -> Report {
    let mut report = typical();
    let script =
        "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
    report.vantages[0].name = format!("{script} \u{202e}abc");
    report.services[0].title = "\u{644}\u{64a}\u{646}\u{643}\u{62f} \u{625}\u{646} \u{628}\u{627}\u{644}\u{639}\u{631}\u{628}\u{64a}\u{629}".into();
    report.services[1].title =
        format!("{}'\"&<b>", "Longest-name-without-a-single-space-".repeat(12));
    report.services[2].title = "</title></style><h1>owned</h1>".into();
    for verdict in &mut report.verdicts {
        for rival in &mut verdict.rivals {
            rival.why = script.into();
        }
        for part in &mut verdict.names {
            part.name = format!("{}.linkedin.com", "x-".repeat(120));
        }
    }
    for evidence in &mut report.evidence {
        evidence.name = Some(format!("{}<svg onload=alert(1)>.linkedin.com", "long-".repeat(60)));
        for packet in &mut evidence.packets {
            packet.note = script.into();
        }
        for reason in &mut evidence.reasons {
            reason.words = format!("{script} {}", "word".repeat(90));
            reason.id = "AN_ID_THAT_IS_MUCH_LONGER_THAN_ANY_ID_OF_A_DETECTOR_IS".into();
        }
    }
    report.devices[0].names = vec![script.into(), "\u{200f}\u{5d0}\u{5d1}\u{5d2}".into()];
    report.limits.versions = vec![script.into()];
    report.limits.lost.insert(script.into(), 3);
    report
}

/// Twenty services, two hundred findings, a month.
pub(super) fn many() -> Report {
    let mut report = typical();
    report.k = 1;
    let base = report.verdicts[0].clone();
    for number in 0..20 {
        let id = format!("service-{number}");
        report.services.push(service(&id, &format!("Service number {number}"), Role::Target));
        for method in Method::ALL.into_iter().skip(number % 4) {
            let mut verdict = base.clone();
            verdict.unit.service.clone_from(&id);
            verdict.unit.protocol = match method {
                Method::DnsInjection | Method::DnsLie => Protocol::Dns,
                Method::QuicDrop => Protocol::Quic,
                Method::HttpBlockpage | Method::HttpReset => Protocol::TcpHttp,
                _ => Protocol::TcpTls,
            };
            verdict.method = method;
            report.verdicts.push(verdict);
        }
        let target = Unit { service: id, ..base.unit.clone() };
        report.cells.extend(cells(&target, 40.0, number as u64, watched, blocked));
    }
    let few: Vec<_> = report.evidence.clone();
    report.evidence.extend(few.iter().cycle().take(197).cloned());
    report
        .devices
        .extend((0..40).map(|number| device(&format!("fp-{number:012x}"), 40 - number, &[])));
    report.period.to = START + 30 * DAY;
    report
}
