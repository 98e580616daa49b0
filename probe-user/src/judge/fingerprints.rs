//! What the packets judged forged have in common, and whose they look like.

use probe_common::flow::Side;

use super::{Knowledge, Reply, case::Seen};
use crate::{
    fingerprint::{Answered, Direction, FingerprintId, Forged, Trigger, Vector, message, vector},
    report::finding::Fingerprint,
    targets::Service,
};

/// The fingerprints of the packets of `side` that are held to be forged, in the order they came: one for
/// each kind of packet, as a device that sends a page and a reset sends both in its own way.
pub(super) fn of(
    forged: &[&Seen],
    side: Side,
    direction: Direction,
    knowledge: &Knowledge,
    epoch: u64,
) -> Vec<Fingerprint> {
    let Some(first) = forged.first() else { return Vec::new() };
    let time = first.packet().time.saturating_add(epoch);
    let peer = first.flow().half(side.other());
    let trigger = peer.has_baseline().then_some(Trigger {
        ip_id: if peer.data == 0 { peer.ip_id } else { peer.data_ip_id },
        window: peer.window,
    });
    let packets: Vec<Forged<'_>> = forged
        .iter()
        .map(|seen| Forged { packet: seen.packet(), payload: &seen.payload })
        .collect();
    vector::split(&packets)
        .iter()
        .filter_map(|group| Vector::of(group, direction, trigger))
        .map(|vector| labelled(vector, time, knowledge))
        .collect()
}

/// The fingerprints of replies that are held to be forged, or false, about a name of `service` or of none
/// that is watched.
pub(super) fn of_replies(
    marked: &[&Reply],
    service: Option<&Service>,
    knowledge: &Knowledge,
    epoch: u64,
) -> Vec<Fingerprint> {
    let Some(first) = marked.first() else { return Vec::new() };
    let time = first.time().saturating_add(epoch);
    let answered: Vec<Answered<'_>> = marked
        .iter()
        .map(|reply| Answered {
            packet: reply.packet(),
            dns: &reply.dns,
            asked: reply.asked(),
            capitals: reply.observation().capitals,
            sinkhole: knowledge
                .truth()
                .leads_to(&reply.dns, service, knowledge.targets())
                .map(|(known, _)| &*known.fact.id),
        })
        .collect();
    message::split(&answered)
        .iter()
        .filter_map(|group| message::vector(group))
        .map(|vector| labelled(vector, time, knowledge))
        .collect()
}

fn labelled(vector: Vector, time: u64, knowledge: &Knowledge) -> Fingerprint {
    let labels = knowledge.labels(&vector, time);
    Fingerprint { id: FingerprintId::of(&vector), labels, vector }
}
