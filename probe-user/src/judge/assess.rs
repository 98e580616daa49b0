//! All detectors over one case.

use probe_common::flow::{Side, Stage};

use super::{
    Knowledge,
    case::Case,
    decision::{Decision, decide},
    signatures::Signatures,
};
use crate::{
    detect::{
        self, Hit,
        radar::{self, Shape},
    },
    report::finding::{EvidenceClass, Verdict},
};

/// Runs all detectors over what either side is said to have sent; the side against which there is
/// more decides.
pub(super) fn assess<'a>(case: &'a Case, knowledge: &'a Knowledge) -> Option<(Decision<'a>, Side)> {
    let mut best: Option<(Decision<'_>, Side)> = None;
    for side in [Side::Low, Side::High] {
        let spoke = side != case.initiator() && !case.content().is_empty();
        if !spoke && case.resets_of(side).next().is_none() {
            continue;
        }
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for detector in detect::TCP {
            if let Some(fired) = (detector.judge)(case, side, knowledge, &hits) {
                hits.push(Hit::new(detector.id, detector.class, detector.accuses, fired));
            }
        }
        let page = hits.iter().all(|hit| hit.id == "HTTP_BLOCKPAGE");
        if page && knowledge.truth().arrivals().is_doubted(case) {
            // A page that stands where a doubtful answer led: nothing shows that it was put in between.
            hits.iter_mut().for_each(|hit| hit.accuses = Verdict::Lied);
        }
        if let Some((radar, Some(fired))) = radar::judge(case, side) {
            hits.push(Hit::new(radar.id, EvidenceClass::P, Verdict::Injected, fired));
        }
        let Some(decision) = decide(hits) else { continue };
        if best.as_ref().is_none_or(|(other, _)| decision.outweighs(other)) {
            best = Some((decision, side));
        }
    }
    best
}

/// Counts the shapes of a case's resets.
pub(super) fn count(case: &Case, signatures: &mut Signatures) {
    for side in [Side::Low, Side::High] {
        let Some(first) = case.resets_of(side).next() else { continue };
        if let Some(radar) = radar::classify(Stage::of(first.flow()), &Shape::of(case, side)) {
            signatures.add(radar.id, side == case.initiator());
        }
    }
}
