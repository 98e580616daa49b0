//! What is said in the report, held against the truth.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use probe_user::attribute::Method;
use serde_json::Value;

use super::plan::{Decoy, Provider, Truth};

/// By how much an onset may be missed, in nanoseconds: two windows.
const TOLERANCE: u64 = 600_000_000_000;

/// The service that the order is about.
const SERVICE: &str = "linkedin";

/// A verdict, as the report has it.
#[derive(Clone, Debug)]
pub struct Said {
    /// The observer's number.
    pub vantage: usize,
    /// Id of target or control.
    pub service: String,
    /// What is said.
    pub method: Method,
    /// No later one about the same has come.
    pub stands: bool,
    /// What is spoken, and the network.
    pub place: String,
    /// When it began: from, to, likeliest.
    pub onset: Option<[u64; 3]>,
    /// When it was over, at the earliest.
    pub end: Option<u64>,
    /// Of the evidence against "as the controls".
    pub power: f64,
    /// Of the evidence for health.
    pub health: f64,
    /// Hops to the device: median, least, most.
    pub hops: Option<[u8; 3]>,
    /// Windows that it rests on.
    pub period: [u64; 2],
}

/// What became of one provider.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What is the truth about it.
    pub truth: Provider,
    /// What is said of it: the strongest verdict that stands.
    pub said: Option<Said>,
    /// What is wrong with that; empty: nothing.
    pub wrong: Vec<String>,
}

/// Reads the verdicts of a report in NDJSON.
///
/// # Errors
/// If it cannot be read, or is not what docs/report-formats.md says.
pub fn read(path: &Path) -> anyhow::Result<Vec<Said>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut said = Vec::new();
    let mut ended = false;
    for line in text.lines() {
        let record: Value = serde_json::from_str(line)
            .with_context(|| format!("{}: no JSON: {line}", path.display()))?;
        match record["record"].as_str() {
            Some("verdict") => said.push(
                verdict(&record).with_context(|| format!("not a verdict as documented: {line}"))?,
            ),
            Some("end") => ended = true,
            _ => {}
        }
    }
    if !ended {
        bail!("{} is not whole: it has no record of its end", path.display());
    }
    Ok(said)
}

fn verdict(record: &Value) -> Option<Said> {
    let unit = &record["unit"];
    let time = |at: &str| time(record.pointer(at)?.as_str()?);
    let onset = match record["onset"].as_object() {
        Some(onset) if onset.contains_key("between") => Some([
            time("/onset/between/from")?,
            time("/onset/between/to")?,
            time("/onset/between/likely")?,
        ]),
        Some(_) => {
            let before = time("/onset/before")?;
            Some([0, before, before])
        }
        None => None,
    };
    let hops = record.pointer("/distance/hops").and_then(|hops| {
        let number = |value: &Value| u8::try_from(value.as_u64()?).ok();
        Some([number(&hops["median"])?, number(&hops["range"][0])?, number(&hops["range"][1])?])
    });
    Some(Said {
        vantage: usize::try_from(unit["vantage"].as_u64()?).ok()?,
        service: unit["service"].as_str()?.into(),
        method: serde_json::from_value(record["method"].clone()).ok()?,
        stands: record["stands"].as_bool()?,
        place: format!("{} {}", unit["protocol"].as_str()?, unit["network"].as_str()?),
        onset,
        end: time("/end/from"),
        power: record.pointer("/evidence/against_controls")?.as_f64()?,
        health: record.pointer("/evidence/for_health")?.as_f64()?,
        hops,
        period: [time("/period/from")?, time("/period/to")?],
    })
}

fn time(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

/// Holds everything that was said at any time against the truth.
pub fn check(truth: &Truth, said: &[Said]) -> Vec<Line> {
    let lines = truth.providers.iter().enumerate().map(|(at, provider)| {
        let here: Vec<&Said> = said.iter().filter(|one| one.vantage == at).collect();
        let mine = here.iter().copied().filter(|one| one.service == SERVICE && one.stands);
        let strongest = mine.max_by(|one, other| rank(one).total_cmp(&rank(other)));
        let mut wrong: Vec<String> = here.iter().filter_map(|one| accused(provider, one)).collect();
        wrong.extend(missed(provider, strongest));
        wrong.dedup();
        Line {
            name: provider.name.clone(),
            truth: provider.clone(),
            said: strongest.cloned(),
            wrong,
        }
    });
    lines.collect()
}

/// Accusations first, the strongest first; then what is said of health.
fn rank(said: &Said) -> f64 {
    match said.method {
        method if method.accuses() => 1e6 + said.power,
        Method::None => 1e3 + said.health,
        _ => said.power,
    }
}

/// What is wrong with an accusation, if it is one and is wrong.
fn accused(provider: &Provider, said: &Said) -> Option<String> {
    if !said.method.accuses() {
        return None;
    }
    let what = format!("{} is said to be under {} at {}", said.service, said.method, said.place);
    if said.service != SERVICE {
        return Some(format!("a control is accused: {what}"));
    }
    if said.method != provider.method {
        let decoy = provider.decoys.iter().find(|decoy| overlaps(decoy, said));
        let during = decoy.map(|decoy| format!(" ({:?})", decoy.what)).unwrap_or_default();
        return Some(format!("{what}, and is not{during}"));
    }
    let (Some(truth), Some([from, to, likely])) = (provider.onset, said.onset) else {
        return Some(format!("{what}, without an onset"));
    };
    let within = from <= truth + TOLERANCE && truth <= to + TOLERANCE;
    if !within && likely.abs_diff(truth) > TOLERANCE {
        return Some(format!("{what} since {}, and is since {}", short(likely), short(truth)));
    }
    if provider.end.is_none() && said.end.is_some() {
        return Some(format!("{what}, and is said to be over"));
    }
    match (provider.hops, said.hops) {
        (Some(hops), Some([_, least, most])) if !(least..=most).contains(&hops) => {
            Some(format!("{what}, by a device {least} to {most} hops away; it is {hops}"))
        }
        (Some(hops), None) => {
            Some(format!("{what}, by a device nobody knows where; it is {hops} away"))
        }
        _ => None,
    }
}

fn overlaps(decoy: &Decoy, said: &Said) -> bool {
    said.period[0] < decoy.to && decoy.from < said.period[1]
}

/// What should have been said and was not.
fn missed(provider: &Provider, said: Option<&Said>) -> Option<String> {
    match said {
        None => Some("nothing is said of it".into()),
        Some(said) if said.method == provider.method => None,
        Some(said) => Some(format!("{} is called {}", provider.method, said.method)),
    }
}

/// A time without year and seconds.
pub fn short(time: u64) -> String {
    let text = probe_user::report::rfc3339(time);
    text.get(5..16).unwrap_or(&text).replace('T', " ")
}
