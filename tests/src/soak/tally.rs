//! What was said of innocent connections, by behaviour.

use std::collections::BTreeMap;

use probe_user::report::{
    Finding,
    finding::{Confidence, Verdict},
};

use crate::corpus::scene::Guest;

/// Findings about connections of one behaviour.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Accusations that are certain.
    pub certain: u64,
    /// Accusations that are strong.
    pub strong: u64,
    /// Suspicions of any confidence.
    pub suspect: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Tally {
    /// By behaviour.
    pub counts: BTreeMap<usize, Count>,
    /// Numbers of connections that are examples: the first accused of each behaviour for each set
    /// of signatures.
    pub examples: BTreeMap<(usize, String), u64>,
    /// Findings about nobody's connection.
    pub unknown: u64,
}

impl Tally {
    /// Adds a finding; `behaviour_of` tells which behaviour a connection is.
    pub fn add(&mut self, finding: &Finding, behaviour_of: impl Fn(u64) -> usize) {
        // Of half-seen connections it may not be known which end is the client.
        let Some(number) = Guest::number(finding.client).or_else(|| Guest::number(finding.server))
        else {
            self.unknown += 1;
            return;
        };
        let which = behaviour_of(number);
        let count = self.counts.entry(which).or_default();
        if finding.verdict == Verdict::Suspect || finding.confidence == Confidence::C1 {
            count.suspect += 1;
            return;
        }
        match finding.confidence {
            Confidence::C3 => count.certain += 1,
            _ => count.strong += 1,
        }
        let mut signatures: Vec<String> = finding
            .signatures
            .iter()
            .map(|one| format!("{} {}", one.id, one.confidence.as_str()))
            .collect();
        signatures.sort();
        let said = format!("{}: {}", finding.verdict.as_str(), signatures.join(", "));
        self.examples.entry((which, said)).or_insert(number);
    }
}
