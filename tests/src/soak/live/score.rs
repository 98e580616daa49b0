//! What was said, and what the agent found of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::talk::Kind;
use crate::lab::agent::Finding;

/// Examples that are kept of wrong accusations.
const EXAMPLES: usize = 10;

/// The state of a soak; told by several threads.
#[derive(Debug, Default)]
pub struct Score(Mutex<Counts>);

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Conversations that were said to their end, and in time.
    pub said: BTreeMap<Kind, u64>,
    /// Of forged ones, which.
    pub forged: BTreeSet<(Kind, u64)>,
    /// Conversations that were said too late.
    pub late: u64,
    /// Forged conversations that were found.
    pub found: BTreeSet<(Kind, u64)>,
    /// Findings about others that accuse somebody.
    pub wrong: u64,
    /// The first of them.
    pub examples: Vec<String>,
    /// Findings that accuse nobody.
    pub suspected: u64,
}

impl Score {
    /// A conversation has come to its end.
    pub fn said(&self, kind: Kind, number: u64, in_time: bool) {
        let mut counts = self.counts();
        if !in_time {
            counts.late += 1;
            return;
        }
        *counts.said.entry(kind).or_default() += 1;
        if kind.is_forged() {
            counts.forged.insert((kind, number));
        }
    }

    /// A line that the agent has written.
    pub fn told(&self, line: &str) {
        let Ok(record) = serde_json::from_str::<Value>(line) else { return };
        if record["record"] != "finding" {
            return;
        }
        let mut counts = self.counts();
        let Ok(finding) = serde_json::from_value::<Finding>(record) else {
            counts.wrong += 1;
            counts.examples.push(format!("not a finding as documented: {line}"));
            return;
        };
        let talk = finding.name.as_deref().and_then(Kind::of);
        match talk {
            _ if finding.verdict == "suspect" || finding.confidence == "C1" => {
                counts.suspected += 1;
            }
            Some((kind, number)) if kind.is_forged() && finding.is_injected() => {
                counts.found.insert((kind, number));
            }
            _ => {
                counts.wrong += 1;
                if counts.examples.len() < EXAMPLES {
                    counts.examples.push(line.to_owned());
                }
            }
        }
    }

    /// How things stand now.
    pub fn now(&self) -> Counts {
        self.counts().clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// How many forged conversations were said to their end.
    pub fn due(&self) -> u64 {
        self.forged.len() as u64
    }

    /// Those that were not found.
    pub fn missing(&self) -> impl Iterator<Item = &(Kind, u64)> {
        self.forged.difference(&self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Score};

    fn finding(name: &str, verdict: &str, confidence: &str) -> String {
        format!(
            r#"{{"record":"finding","time":"","protocol":"tcp","verdict":"{verdict}","confidence":
            "{confidence}","signatures":[],"server":"","name":"{name}","service":null}}"#
        )
    }

    #[test]
    fn what_was_forged_is_found_and_who_was_not_is_wronged() {
        let score = Score::default();
        let said = [(Kind::Reset, 0), (Kind::Reset, 1), (Kind::Answer, 0), (Kind::OwnReset, 0)];
        for (kind, number) in said {
            score.said(kind, number, true);
        }
        score.said(Kind::Reset, 2, false);
        score.told(&finding("reset-0.linkedin.com", "injected", "C3"));
        // Told again with more evidence.
        score.told(&finding("reset-0.linkedin.com", "injected", "C3"));
        score.told(&finding("reset-1.linkedin.com", "suspect", "C2"));
        let counts = score.now();
        assert_eq!((counts.due(), counts.missing().count()), (3, 2));
        assert_eq!((counts.wrong, counts.suspected, counts.late), (0, 1, 1));
        score.told(&finding("own-reset-0.linkedin.com", "injected", "C3"));
        score.told(&finding("www.linkedin.com", "dropped", "C2"));
        assert_eq!(score.now().wrong, 2);
    }
}
