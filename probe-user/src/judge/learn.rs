//! What the judge learns from single connections, and what it does not take for evidence.

use probe_common::{
    event::TcpEvent,
    flow::{FlowRecord, Side, Stage},
    tells::tell,
};

use super::{Knowledge, case::Seen, flow::Flow, flows::Scope, hops, knowledge::ResetTraits};
use crate::detect::mirror;

/// Lowest TTL with which a reset in the client's name means to reach its server, if it is not known how
/// far that is.
const REACHES: u8 = 16;

/// Whether a reset in the client's name has too low a TTL to reach the server: with such fakes the tools
/// of clients deceive censors. Whoever wants to cut a connection lets them arrive.
pub(super) fn dies_on_the_way(event: &TcpEvent) -> bool {
    let (record, side) = (&event.flow, Side::from_index(event.header.side));
    let server = record.half(side.other());
    let far = if server.has_baseline() { hops::from_ttl(server.hops_min) } else { None };
    side == record.initiator() && event.packet.hops < far.unwrap_or(REACHES).min(REACHES)
}

/// Learns the round trip to the server from a connection that got as far as its first data.
pub(super) fn learn_handshake(record: &FlowRecord, scope: &mut Scope<'_>) {
    let rtt = u64::from(record.responder_rtt);
    if rtt == 0 {
        return;
    }
    scope.knowledge.handshake(record.key.end(record.initiator().other()).0, rtt);
    scope.handshakes.saturating_record((rtt / 1_000).max(1));
}

/// Port of HTTPS over TCP and over QUIC.
const HTTPS: u16 = 443;

/// Learns from the first data of a server.
pub(super) fn learn_answer(event: &TcpEvent, flow: &mut Flow, knowledge: &mut Knowledge) {
    let initiator = event.flow.initiator();
    let (client, server) = (event.flow.key.end(initiator).0, event.flow.key.end(initiator.other()));
    if server.1 == HTTPS {
        knowledge.reach_mut().tcp(server.0, event.packet.time);
    }
    let [asked, answers] = [initiator, initiator.other()].map(|side| event.flow.half(side));
    // Who answers in its place from nearer by is not to teach how near it is.
    if asked.data != 0 && answers.has_baseline() && !answers.is_elsewhere(event.packet.hops) {
        knowledge.answer(server.0, event.packet.time.saturating_sub(asked.data));
    }
    let Some(name) = flow.label() else { return };
    knowledge.population_mut().served(server.0, client, name, event.flow.opened);
    if let Some(traits) = flow.traits {
        let name = flow.name.as_deref();
        let ech = knowledge.ech(name, &traits, client, server.0, event.flow.opened);
        knowledge.hellos_mut().answer(server.0, &traits, ech);
    }
    flow.counted = true;
}

/// Learns from the first reset that claims to come from a connection's server.
pub(super) fn learn_reset(
    event: &TcpEvent,
    seen: &Seen,
    flow: &mut Flow,
    knowledge: &mut Knowledge,
) {
    let (record, side) = (&event.flow, Side::from_index(event.header.side));
    if side == record.initiator() || record.half(side).reset_count() != 0 {
        return;
    }
    let server = record.key.end(side).0;
    let bits = event.tells.bits;
    let foreign = bits & (tell::HOPS | tell::DF) != 0;
    knowledge.reset(
        server,
        &ResetTraits {
            foreign_hops: (bits & tell::HOPS != 0).then_some(event.packet.hops),
            foreign_ip_id: foreign.then_some(event.packet.ip_id),
            mirrored: mirror::mirrors_ip_id(seen),
        },
    );
    let cut = Stage::of(record) == Stage::PostPsh && record.half(side).data == 0;
    if cut
        && !flow.counted
        && let Some(name) = flow.label()
    {
        let client = record.key.end(record.initiator()).0;
        knowledge.population_mut().cut(server, client, name, record.opened);
        flow.counted = true;
    }
}
