//! From signatures to a verdict.

use super::case::LIVE;
use crate::{
    detect::Hit,
    report::finding::{Confidence, EvidenceClass, Signature, Told, Verdict},
};

/// The verdict on one side's packets.
#[derive(Clone, Debug)]
pub(super) struct Decision<'a> {
    pub(super) verdict: Verdict,
    pub(super) confidence: Confidence,
    /// Strongest first.
    pub(super) hits: Vec<Hit<'a>>,
}

/// Injected if one signature is impossible for an endpoint (C3), or if strong ones (C2) of two
/// independent classes agree; anything less is a suspicion.
pub(super) fn decide(mut hits: Vec<Hit<'_>>) -> Option<Decision<'_>> {
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.confidence()));
    let Weight { accuses, confidence } = weigh(hits.iter().map(worth))?;
    // What the strongest piece accuses of: the rest supports it. But what was rewritten was not injected,
    // though what it was rewritten to may look so.
    let rewritten = hits
        .iter()
        .any(|hit| hit.accuses == Verdict::Rewritten && hit.confidence() >= Confidence::C2);
    let verdict = match (accuses, rewritten) {
        (false, _) => Verdict::Suspect,
        (true, true) => Verdict::Rewritten,
        (true, false) if lies(&hits) => Verdict::Lied,
        (true, false) => hits.iter().find(|hit| hit.accuses != Verdict::Lied)?.accuses,
    };
    Some(Decision { verdict, confidence, hits })
}

/// Whether what was found is a lie: something strong says that the content is false, and what says that
/// the packet is not its supposed sender's would accuse nobody by itself.
fn lies(hits: &[Hit<'_>]) -> bool {
    let strong = |hit: &&Hit<'_>| hit.confidence() >= Confidence::C2;
    let of_lie = hits.iter().filter(strong).any(|hit| hit.accuses == Verdict::Lied);
    let forged = hits.iter().filter(|hit| hit.accuses != Verdict::Lied);
    of_lie && !weigh(forged.map(worth)).is_some_and(|weight| weight.accuses)
}

/// The same of a connection without end: populations and residues say that it is this name; that it
/// was cut off, a signature of silence has to say.
pub(super) fn decide_silence(hits: Vec<Hit<'_>>) -> Option<Decision<'_>> {
    let silent = hits.iter().any(|hit| hit.class == EvidenceClass::N);
    if silent { decide(hits) } else { None }
}

/// Which of a finding's signatures decide: without one of these there would be no finding, or it would
/// accuse nobody, or be less sure.
pub fn decisive(signatures: &[Signature]) -> Vec<&'static str> {
    let is_silence = |one: &&Signature| one.class == EvidenceClass::N;
    let worth = |one: &Signature| (one.class, one.confidence);
    let whole = weigh(signatures.iter().map(worth));
    let decides = |id: &str| {
        let rest = || signatures.iter().filter(|one| one.id != id);
        let told =
            rest().any(|one| is_silence(&one)) || !signatures.iter().any(|one| is_silence(&one));
        weigh(rest().map(worth)).filter(|_| told) < whole
    };
    signatures.iter().map(|one| one.id).filter(|id| decides(id)).collect()
}

/// What signatures say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    accuses: bool,
    confidence: Confidence,
}

/// Class and confidence of a piece of evidence: all that its weight depends on.
type Worth = (EvidenceClass, Confidence);

const fn worth(hit: &Hit<'_>) -> Worth {
    (hit.class, hit.confidence())
}

fn weigh(worths: impl Iterator<Item = Worth>) -> Option<Weight> {
    let (mut most, mut strong, mut two_classes) = (None, None, false);
    for (class, confidence) in worths {
        most = most.max(Some(confidence));
        if confidence >= Confidence::C2 {
            two_classes |= *strong.get_or_insert(class) != class;
        }
    }
    let confidence = most?;
    Some(Weight { accuses: confidence == Confidence::C3 || two_classes, confidence })
}

/// Of these, the numbers of packets that are in a capture.
pub(super) fn in_capture(packets: &[u64]) -> Vec<u64> {
    packets.iter().copied().filter(|&packet| packet != 0 && packet < LIVE).collect()
}

impl Decision<'_> {
    /// The packets held to be forged, in order, each once: see
    /// [`Seen::number`](super::Seen::number). Those that only a weak signature points at are left out
    /// where there are stronger ones.
    pub(super) fn packets(&self) -> Vec<u64> {
        let mut packets: Vec<u64> = self
            .hits
            .iter()
            .filter(|hit| hit.confidence() == self.confidence || self.is_strong(hit))
            .flat_map(|hit| hit.fired.packets.iter().copied())
            .collect();
        packets.sort_unstable();
        packets.dedup();
        packets
    }

    fn is_strong(&self, hit: &Hit<'_>) -> bool {
        hit.confidence() >= Confidence::C2
    }

    /// As a later finding refers to it.
    pub(super) const fn told(&self) -> Told {
        Told { verdict: self.verdict, confidence: self.confidence }
    }

    /// Whether there is reason to tell this after `told`: it says more, or something else.
    pub(super) fn revises(&self, told: Told) -> bool {
        let weight = |told: Told| (told.verdict != Verdict::Suspect, told.confidence);
        let (new, old) = (weight(self.told()), weight(told));
        let other = self.accuses() && self.verdict != told.verdict;
        new > old || new == old && other
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
    use super::{decide, decisive};
    use crate::{
        detect::{Account, Fired, Hit},
        report::finding::{
            Confidence::{self, C1, C2, C3},
            EvidenceClass::{self, H, N, P, S, T},
            Signature,
            Verdict::{self, Injected, Rewritten},
        },
    };

    fn hit(class: EvidenceClass, confidence: Confidence, accuses: Verdict) -> Hit<'static> {
        let account = Account::of(|| (serde_json::Map::new(), String::new()));
        let fired = Fired { confidence, packets: vec![], account };
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
        assert!(rewritten.revises(injected.told()) && !rewritten.revises(rewritten.told()));
        let suspicion = decide(vec![hit(S, C2, Rewritten)]).expect("a decision");
        assert_eq!(suspicion.verdict, Verdict::Suspect);
        assert!(injected.revises(suspicion.told()) && !suspicion.revises(injected.told()));
    }

    #[test]
    fn a_false_answer_is_a_lie_unless_another_shows_the_forgery() {
        use EvidenceClass::{D, K};
        let decide = |hits: &[Hit<'_>]| decide(hits.to_vec()).map(|d| (d.verdict, d.confidence));
        let (pool, dual) = (hit(K, C3, Verdict::Lied), hit(D, C3, Injected));
        assert_eq!(decide(std::slice::from_ref(&pool)), Some((Verdict::Lied, C3)));
        assert_eq!(decide(&[pool.clone(), dual.clone()]), Some((Injected, C3)));
        assert_eq!(decide(&[dual.clone(), pool.clone()]), Some((Injected, C3)));
        // Headers alone do not make it a forgery, nor a strong pair of different kinds.
        let (weak, pair) = (hit(H, C1, Injected), hit(H, C2, Injected));
        assert_eq!(decide(&[pool.clone(), weak]), Some((Verdict::Lied, C3)));
        let bogon = hit(K, C2, Verdict::Lied);
        assert_eq!(decide(std::slice::from_ref(&bogon)), Some((Verdict::Suspect, C2)));
        assert_eq!(decide(&[bogon.clone(), pair]), Some((Verdict::Lied, C2)));
        assert_eq!(decide(&[bogon.clone(), hit(P, C2, Verdict::Lied)]), Some((Verdict::Lied, C2)));
        assert_eq!(decide(&[bogon, dual]), Some((Injected, C3)));
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

    #[test]
    fn a_signature_decides_if_without_it_less_is_said() {
        let decisive = |list: &[(&'static str, EvidenceClass, Confidence)]| {
            let signature = |&(id, class, confidence)| Signature {
                id,
                class,
                confidence,
                measured: serde_json::Map::new(),
                words: String::new(),
            };
            decisive(&list.iter().map(signature).collect::<Vec<_>>()).join(" ")
        };
        assert_eq!(decisive(&[("ONE", S, C1)]), "ONE");
        assert_eq!(decisive(&[("ONE", S, C3), ("TWO", H, C2), ("THREE", T, C2)]), "ONE");
        assert_eq!(decisive(&[("ONE", S, C2), ("TWO", H, C2), ("THREE", S, C1)]), "ONE TWO");
        assert_eq!(decisive(&[("ONE", S, C2), ("TWO", H, C2), ("THREE", T, C2)]), "");
        // Of a silence only silence can tell.
        assert_eq!(decisive(&[("MANY", P, C2), ("MUTE", N, C1)]), "MANY MUTE");
    }
}
