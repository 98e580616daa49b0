//! From signatures to a verdict.

use super::case::LIVE;
use crate::{
    detect::Hit,
    report::finding::{Confidence, Told, Verdict},
};

/// The verdict on one side's packets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    pub(super) confidence: Confidence,
    /// Strongest first.
    pub(super) hits: Vec<Hit>,
}

/// Injected if one signature is impossible for an endpoint (C3), or if strong ones (C2) of two
/// independent classes agree; anything less is a suspicion.
pub(super) fn decide(mut hits: Vec<Hit>) -> Option<Decision> {
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.signature.confidence));
    let confidence = hits.first()?.signature.confidence;
    let strong = || hits.iter().filter(|hit| hit.signature.confidence >= Confidence::C2);
    let two_classes =
        strong().any(|one| strong().any(|other| one.signature.class != other.signature.class));
    let injected = confidence == Confidence::C3 || two_classes;
    // What the strongest piece accuses of: the rest supports it. But what was rewritten was not injected,
    // though what it was rewritten to may look so.
    let rewritten = strong().any(|hit| hit.accuses == Verdict::Rewritten);
    let verdict = match (injected, rewritten) {
        (false, _) => Verdict::Suspect,
        (true, true) => Verdict::Rewritten,
        (true, false) => hits.first()?.accuses,
    };
    Some(Decision { verdict, confidence, hits })
}

impl Decision {
    /// The packets held to be forged, in order, each once: see [`Seen::number`](super::Seen::number). Those that only a weak
    /// signature points at are left out where there are stronger ones.
    pub(super) fn packets(&self) -> Vec<u64> {
        let mut packets: Vec<u64> = self
            .hits
            .iter()
            .filter(|hit| hit.signature.confidence == self.confidence || self.is_strong(hit))
            .flat_map(|hit| hit.packets.iter().copied())
            .collect();
        packets.sort_unstable();
        packets.dedup();
        packets
    }

    /// Of these, the numbers of those that are in a capture.
    pub(super) fn frames(&self) -> Vec<u64> {
        self.packets().into_iter().filter(|&packet| packet != 0 && packet < LIVE).collect()
    }

    fn is_strong(&self, hit: &Hit) -> bool {
        hit.signature.confidence >= Confidence::C2
    }

    /// As a later finding refers to it.
    pub(super) const fn told(&self) -> Told {
        Told { verdict: self.verdict, confidence: self.confidence }
    }

    /// Whether there is reason to tell this after `told`: it says more, or something else.
    pub(super) fn revises(&self, told: &Self) -> bool {
        let weight = |decision: &Self| (decision.accuses(), decision.confidence);
        let other = self.accuses() && self.verdict != told.verdict;
        weight(self) > weight(told) || weight(self) == weight(told) && other
    }

    /// Whether it accuses somebody.
    pub(super) fn accuses(&self) -> bool {
        self.verdict != Verdict::Suspect
    }

    /// Whether this says more than `other`.
    pub(super) fn outweighs(&self, other: &Self) -> bool {
        let weight =
            |decision: &Self| (decision.accuses(), decision.confidence, decision.hits.len());
        weight(self) > weight(other)
    }
}

#[cfg(test)]
mod tests {
    use super::decide;
    use crate::{
        detect::{Fired, Hit},
        report::finding::{
            Confidence::{self, C1, C2, C3},
            EvidenceClass::{self, H, S, T},
            Verdict::{self, Injected, Rewritten},
        },
    };

    fn hit(class: EvidenceClass, confidence: Confidence, accuses: Verdict) -> Hit {
        let fired = Fired {
            confidence,
            measured: serde_json::Map::new(),
            words: String::new(),
            packets: vec![],
        };
        Hit::new("TEST", class, accuses, fired)
    }

    fn verdict(hits: &[(EvidenceClass, Confidence)]) -> Option<(Verdict, Confidence)> {
        let hits = hits.iter().map(|&(class, confidence)| hit(class, confidence, Injected));
        decide(hits.collect()).map(|d| (d.verdict, d.confidence))
    }

    #[test]
    fn rewriting_explains_what_else_was_found() {
        let injected = decide(vec![hit(S, C3, Injected)]).expect("a decision");
        let both = vec![hit(S, C3, Injected), hit(S, C2, Rewritten)];
        let rewritten = decide(both).expect("a decision");
        assert_eq!((injected.verdict, rewritten.verdict), (Injected, Rewritten));
        assert!(rewritten.revises(&injected) && !rewritten.revises(&rewritten));
        let suspicion = decide(vec![hit(S, C2, Rewritten)]).expect("a decision");
        assert_eq!(suspicion.verdict, Verdict::Suspect);
        assert!(injected.revises(&suspicion) && !suspicion.revises(&injected));
    }

    #[test]
    fn one_impossible_or_two_strong_ones_of_different_classes() {
        assert_eq!(verdict(&[]), None);
        assert_eq!(verdict(&[(S, C3)]), Some((Injected, C3)));
        assert_eq!(verdict(&[(S, C2), (H, C2)]), Some((Injected, C2)));
        assert_eq!(verdict(&[(S, C2), (S, C2)]), Some((Verdict::Suspect, C2)));
        assert_eq!(verdict(&[(S, C2), (H, C1)]), Some((Verdict::Suspect, C2)));
        assert_eq!(verdict(&[(S, C1), (H, C1), (T, C1)]), Some((Verdict::Suspect, C1)));
    }
}
