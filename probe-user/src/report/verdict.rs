//! Verdicts on services, as records and for people.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{rfc3339, time::short};
use crate::attribute::{
    Verdict,
    verdict::{Onset, Spread},
};

/// Fields of a verdict, with times as texts.
#[must_use]
pub fn fields(verdict: &Verdict) -> Map<String, Value> {
    let mut body = serde_json::to_value(verdict).unwrap_or_default();
    for place in ["/period", "/onset/between", "/end"] {
        for name in ["from", "to", "likely"] {
            time(body.pointer_mut(&format!("{place}/{name}")));
        }
    }
    time(body.pointer_mut("/onset/before"));
    match body {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn time(value: Option<&mut Value>) {
    if let Some(value) = value
        && let Some(nanoseconds) = value.as_u64()
    {
        *value = rfc3339(nanoseconds).into();
    }
}

/// The record.
pub(super) fn record(verdict: &Verdict) -> Map<String, Value> {
    let mut record = Map::from_iter([("record".to_owned(), Value::from("verdict"))]);
    record.extend(fields(verdict));
    record
}

/// One line for people.
pub(super) fn line(verdict: &Verdict) -> String {
    let unit = &verdict.unit;
    let (target, controls) = (&verdict.target, &verdict.controls);
    let mut line = format!(
        "-- {} at {}, {}: {}",
        unit.service,
        unit.network,
        unit.protocol.as_str(),
        verdict.method.as_str().to_uppercase()
    );
    // Writing to a string cannot fail, here and below.
    match verdict.onset {
        Some(Onset::Between(onset)) => {
            let _ = write!(line, " since {} to {}", short(onset.from), short(onset.to));
        }
        Some(Onset::Before(before)) => {
            let _ = write!(line, " since before {}", short(before));
        }
        None => {}
    }
    if let Some(end) = &verdict.end {
        let _ = write!(line, " until {} to {}", short(end.from), short(end.to));
    }
    if let Some(pattern) = &verdict.pattern {
        let spread = match pattern.spread {
            Spread::All => "all paths and clients",
            Spread::SomePaths => "some paths",
            Spread::SomeClients => "some clients",
            Spread::ByChance => "as if by chance",
        };
        let _ = write!(line, "; {:.0} % of flows, {spread}", pattern.share * 100.0);
    }
    let _ = write!(
        line,
        "; {:.1} % fail in {} client-windows, of controls {:.1} % in {}",
        target.share * 100.0,
        target.n,
        controls.share * 100.0,
        controls.n
    );
    for rival in verdict.standing() {
        let _ = write!(line, "; {}: {}", rival.name.as_str(), rival.why);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{line, record};
    use crate::attribute::{
        Method, Verdict,
        outcome::{Network, Protocol},
        verdict::{Controls, Evidence, Figures, Interval, Onset, Period, Unit},
    };

    fn verdict() -> Verdict {
        let minute = 60_000_000_000;
        Verdict {
            unit: Unit {
                service: "linkedin".into(),
                role: crate::targets::Role::Target,
                network: Network::of([108, 174, 10, 10].into()),
                asn: Some(14_413),
                protocol: Protocol::TcpTls,
                vantage: 0,
            },
            method: Method::SniReset,
            period: Period { from: 0, to: 10 * minute },
            evidence: Evidence {
                against_controls: 7.5,
                against_near: None,
                for_health: 0.0,
                proven: 40,
                proven_clients: Default::default(),
            },
            target: Figures { n: 80, share: 0.9, ..Figures::default() },
            controls: Controls { n: 300, share: 0.002, ..Controls::default() },
            pattern: None,
            onset: Some(Onset::Between(Interval { from: minute, to: 2 * minute, likely: minute })),
            end: None,
            rivals: Vec::new(),
            distance: None,
            residual: None,
            names: Vec::new(),
        }
    }

    #[test]
    fn times_are_texts_and_the_record_is_named() {
        let record = record(&verdict());
        assert_eq!(record.keys().next().map(String::as_str), Some("record"));
        assert_eq!(record["onset"]["between"]["likely"], "1970-01-01T00:01:00.000000000Z");
        assert_eq!(record["period"]["to"], "1970-01-01T00:10:00.000000000Z");
        assert_eq!(record["unit"]["network"], "108.174.10.0/24");
    }

    #[test]
    fn a_line_says_what_since_when_and_beside_what() {
        assert_eq!(
            line(&verdict()),
            "-- linkedin at 108.174.10.0/24, tcp-tls: SNI-RESET since 1970-01-01 00:01:00.000Z to \
             1970-01-01 00:02:00.000Z; 90.0 % fail in 80 client-windows, of controls 0.2 % in 300"
        );
    }
}
