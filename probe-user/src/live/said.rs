//! What an agent says, line by line.
//!
//! Read by name, as `docs/json.md` asks of everybody: what is not known here is passed over.

use serde::Deserialize;
use serde_json::Value;

pub(super) use crate::report::destinations::Met;
use crate::report::summary::Counters;

/// One line.
#[derive(Debug)]
pub(super) enum Said {
    /// How far the run is, and news of destinations.
    Progress(Progress),
    /// A connection or question that was interfered with.
    Finding(Box<Finding>),
    /// What is said of a destination as a whole.
    Verdict(Verdict),
    /// The end.
    Summary(Progress),
    /// Anything else: what the agent says beside, for people.
    Words {
        /// More than information.
        warns: bool,
        /// No agent says it: it has no form that an agent gives to what it says.
        foreign: bool,
        /// On one line.
        words: String,
    },
}

impl Said {
    /// Reads a line. One that is no record is taken for words.
    pub(super) fn read(line: &str) -> Self {
        Self::record(line).unwrap_or_else(|foreign| Self::Words {
            warns: true,
            foreign,
            words: plain(line),
        })
    }

    /// A line as a record; else whether it is nothing that an agent says.
    fn record(line: &str) -> Result<Self, bool> {
        let value: Value = serde_json::from_str(line).map_err(|_| true)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let Some(record) = text("record") else {
            let (Some(level), Some(message)) = (text("level"), text("message")) else {
                return Err(true);
            };
            let warns = !matches!(level, "info" | "debug" | "trace");
            return Ok(Self::Words { warns, foreign: false, words: plain(message) });
        };
        let read = match record {
            "destinations" => serde_json::from_value(value).map(Self::Progress),
            "finding" => serde_json::from_value(value).map(Self::Finding),
            "verdict" => serde_json::from_value(value).map(Self::Verdict),
            "summary" => {
                // There findings are counted by kind.
                let mut value = value;
                let total = value.pointer("/findings/total").cloned().unwrap_or_default();
                if let Some(findings) = value.get_mut("findings") {
                    *findings = total;
                }
                serde_json::from_value(value).map(Self::Summary)
            }
            // Of a later version.
            _ => return Err(false),
        };
        read.map_err(|_| false)
    }
}

/// Without anything that a terminal would act on.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// How far a run is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    pub(super) time: Option<String>,
    pub(super) packets: u64,
    pub(super) flows: u64,
    pub(super) findings: u64,
    pub(super) lost: Counters,
    pub(super) destinations: Vec<Destination>,
}

/// One destination, from the beginning of the run.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Destination {
    #[serde(flatten)]
    pub(super) key: Key,
    pub(super) role: String,
    pub(super) met: Met,
    pub(super) accused: u64,
}

/// Which one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Key {
    /// Empty of what nobody watches.
    pub(super) service: String,
    pub(super) protocol: String,
    pub(super) network: String,
}

/// What is said of a destination as a whole.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) unit: Key,
    pub(super) method: String,
    pub(super) onset: Option<Value>,
    pub(super) end: Option<Value>,
}

impl Verdict {
    /// In a few words: what, and since when.
    pub(super) fn words(&self) -> String {
        let time = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str).unwrap_or_default();
            // To the minute: a window has five.
            text.get(5..16).unwrap_or_default().replace('T', " ")
        };
        let mut words = self.method.to_uppercase();
        if let Some(onset) = &self.onset {
            if let Some(before) = onset.get("before") {
                words += &format!(" since before {}", time(Some(before)));
            } else {
                words += &format!(" since {}", time(onset.pointer("/between/likely")));
            }
        }
        if let Some(end) = &self.end {
            words += &format!(" until {}", time(end.get("likely")));
        }
        words
    }
}

/// A finding, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Finding {
    pub(super) time: String,
    pub(super) protocol: String,
    pub(super) verdict: String,
    pub(super) confidence: String,
    pub(super) signatures: Vec<Signature>,
    pub(super) client: String,
    pub(super) server: String,
    pub(super) name: Option<String>,
    pub(super) service: Option<String>,
    pub(super) position: String,
    pub(super) injector_hops_range: Option<(u8, u8)>,
    pub(super) server_hops: Option<u8>,
    pub(super) stage: Option<String>,
    #[serde(default)]
    pub(super) fingerprints: Vec<Fingerprint>,
    revises: Option<Revised>,
}

/// What was told of it before.
#[derive(Clone, Debug, Deserialize)]
struct Revised {
    verdict: String,
    confidence: String,
}

/// By how much the clock may have been corrected from one telling of a finding to the next.
const CORRECTED: jiff::SignedDuration = jiff::SignedDuration::from_millis(10);

impl Finding {
    /// Whether it tells anew of what `known` is about.
    pub(super) fn takes_the_place_of(&self, known: &Self) -> bool {
        let Some(revised) = &self.revises else { return false };
        let same = (&known.client, &known.server, &known.name)
            == (&self.client, &self.server, &self.name)
            && (&known.verdict, &known.confidence) == (&revised.verdict, &revised.confidence);
        let time = |finding: &Self| finding.time.parse::<jiff::Timestamp>();
        same && matches!(
            (time(self), time(known)),
            (Ok(now), Ok(then)) if now.duration_since(then).abs() <= CORRECTED
        )
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Signature {
    pub(super) id: String,
    pub(super) class: String,
    pub(super) confidence: String,
    pub(super) measured: serde_json::Map<String, Value>,
    pub(super) words: String,
}

/// What the packets look like.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) id: String,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
}

/// Who writes so.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Label {
    pub(super) title: String,
    pub(super) source: String,
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn what_is_no_record_is_words_that_no_terminal_acts_on() {
        let words = |line| match Said::read(line) {
            Said::Words { warns, words, .. } => (warns, words),
            other => panic!("{other:?}"),
        };
        assert_eq!(words("no \x1b[2J JSON"), (true, "no ?[2J JSON".into()));
        let line = r#"{"level":"info","message":"watching eth0\u001b[2J"}"#;
        assert_eq!(words(line), (false, "watching eth0?[2J".into()));
        assert!(words(r#"{"record":"finding","time":1}"#).0, "a record that is not whole");
        assert!(words(r#"{"record":"of tomorrow"}"#).0);
    }

    #[test]
    fn what_no_agent_says_is_told_from_what_one_says() {
        let foreign = |line| matches!(Said::read(line), Said::Words { foreign: true, .. });
        for line in ["no JSON", "7", "{}", r#"{"level":"info"}"#, r#"{"message":7,"level":"info"}"#]
        {
            assert!(foreign(line), "{line}");
        }
        for line in [r#"{"record":"of tomorrow"}"#, r#"{"level":"warn","message":"lost"}"#] {
            assert!(!foreign(line), "{line}");
        }
    }

    #[test]
    fn a_summary_counts_findings_by_kind() {
        let line = r#"{"record":"summary","packets":7,"findings":{"total":3,"lied":{"C3":3}},"lost":{"a":0}}"#;
        let Said::Summary(summary) = Said::read(line) else { panic!("it is one") };
        assert_eq!((summary.packets, summary.findings), (7, 3));
    }
}
