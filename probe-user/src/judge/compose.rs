//! Findings about TCP connections, put together.

use std::net::SocketAddr;

use probe_common::{
    flow::{FlowRecord, Side, Stage},
    wire::Address,
};

use super::{
    Knowledge, Settings, Telling,
    case::{Case, Seen},
    decision::{Decision, in_capture},
    fingerprints, hops,
    silence::{self, Silent},
};
use crate::{
    detect::Hit,
    evidence,
    fingerprint::Direction,
    report::{
        Finding,
        finding::{EvidenceClass, Position, Protocol},
    },
    targets::Service,
};

/// The service that a connection belongs to: by its name, else by what its client was told over DNS,
/// else by its address.
pub(super) fn service<'a>(
    record: &FlowRecord,
    name: Option<&str>,
    knowledge: &Knowledge,
    settings: &'a Settings,
) -> Option<&'a Service> {
    let initiator = record.initiator();
    let (client, server) = (record.key.end(initiator).0, record.key.end(initiator.other()).0);
    service_of(name, client, server, record.opened, knowledge, settings)
}

/// The same of what `client` asked of `server` at `time`.
pub(super) fn service_of<'a>(
    name: Option<&str>,
    client: Address,
    server: Address,
    time: u64,
    knowledge: &Knowledge,
    settings: &'a Settings,
) -> Option<&'a Service> {
    let targets = &settings.targets;
    if let Some(name) = name {
        return targets.service_of_name(name);
    }
    match knowledge.leads().name(client, server, time) {
        Some(name) => targets.service_of_name(name),
        None => targets.service_of_address(server.ip()),
    }
}

/// The finding about a case, decided against what claims to come from `side`.
pub(super) fn finding(
    case: &Case,
    side: Side,
    decision: &Decision<'_>,
    knowledge: &Knowledge,
    settings: &Settings,
) -> Finding {
    let initiator = case.initiator();
    let server = case.key.end(initiator.other());
    let first = case.resets_of(side).next().or(case.content().first());
    let before = first.map(Seen::flow);
    let responder_hops = before
        .map(|flow| flow.half(initiator.other()))
        .filter(|half| half.has_baseline() && half.hops_min == half.hops_max)
        .and_then(|half| hops::from_ttl(half.hops_max));
    let marked = decision.packets();
    let forged = forged(case, side, &marked);
    let (direction, distance) = if side == initiator {
        (Direction::ToServer, None)
    } else {
        (Direction::ToClient, responder_hops)
    };
    let ttls = forged.iter().map(|seen| seen.packet().hops);
    let injector_hops = hops::of_injector(ttls, distance);
    let name = case.subject.name.as_deref();
    let service = before.and_then(|flow| service(flow, name, knowledge, settings));
    Finding {
        time: first.map_or(0, |seen| seen.packet().time).saturating_add(settings.epoch),
        protocol: spoken(server, knowledge).unwrap_or_else(|| protocol(case, decision)),
        verdict: decision.verdict,
        confidence: decision.confidence,
        signatures: decision.hits.iter().map(Hit::signature).collect(),
        client: socket(case.key.end(initiator)),
        server: socket(server),
        name: shown(name, server, knowledge, settings),
        service: service.filter(|service| !service.is_control()).map(|s| s.id.clone()),
        // What claims to come from the server passed here on its way to the client, and the
        // other way round.
        position: if side == initiator { Position::Downstream } else { Position::Upstream },
        injector_hops,
        injector_hops_range: injector_hops.map(hops::range),
        server_hops: responder_hops,
        frames: in_capture(&marked),
        fingerprints: fingerprints::of(&forged, side, direction, knowledge, settings.epoch),
        revises: None,
        packets: evidence::of_case(
            case,
            &marked,
            decision.verdict,
            first.map_or(0, |seen| seen.packet().time),
        ),
        stage: before.map(|flow| silence::stage(Stage::of(flow))),
    }
}

/// The packets of `side` that are `marked`, in the order they came.
fn forged<'a>(case: &'a Case, side: Side, marked: &[u64]) -> Vec<&'a Seen> {
    let mut forged: Vec<&Seen> = case
        .resets_of(side)
        .chain(case.content().iter().filter(|seen| seen.side() == side))
        .filter(|seen| marked.binary_search(&seen.number()).is_ok())
        .collect();
    forged.sort_by_key(|seen| seen.number());
    forged.dedup_by_key(|seen| seen.number());
    forged
}

/// The finding about a connection that fell silent.
pub(super) fn silent(
    silent: &Silent,
    decision: &Decision<'_>,
    knowledge: &Knowledge,
    settings: &Settings,
) -> Finding {
    let record = &silent.record;
    let initiator = record.initiator();
    let name = silent.subject.name.as_deref();
    let server = silent.server();
    let service = service(record, name, knowledge, settings);
    // Where the server goes on sending to a client that answers nothing, what is lost is lost between
    // here and the client; where the client does, between here and the server.
    let position = match (silent.client().repeated, server.repeated) {
        (0, 1..) => Position::Downstream,
        (1.., 0) => Position::Upstream,
        _ => Position::Unknown,
    };
    Finding {
        time: silent.now.saturating_add(settings.epoch),
        protocol: spoken(record.key.end(initiator.other()), knowledge).unwrap_or(Protocol::Tcp),
        verdict: decision.verdict,
        confidence: decision.confidence,
        signatures: decision.hits.iter().map(Hit::signature).collect(),
        client: socket(record.key.end(initiator)),
        server: socket(record.key.end(initiator.other())),
        name: shown(name, record.key.end(initiator.other()), knowledge, settings),
        service: service.filter(|service| !service.is_control()).map(|s| s.id.clone()),
        position,
        injector_hops: None,
        injector_hops_range: None,
        server_hops: (server.has_baseline() && server.hops_min == server.hops_max)
            .then(|| hops::from_ttl(server.hops_max))
            .flatten(),
        frames: Vec::new(),
        fingerprints: Vec::new(),
        revises: None,
        packets: evidence::of_silent(silent),
        stage: Some(silence::stage(Stage::of(record))),
    }
}

/// What is spoken with `server`, if its port says so.
fn spoken((_, port): (Address, u16), knowledge: &Knowledge) -> Option<Protocol> {
    knowledge.is_dns_port(port).then_some(Protocol::Dns)
}

/// The name as it is told. What clients ask a resolver for beside what is watched is nobody's business,
/// save in a capture of one's own.
fn shown(
    name: Option<&str>,
    server: (Address, u16),
    knowledge: &Knowledge,
    settings: &Settings,
) -> Option<String> {
    let name = name?;
    let told = settings.telling == Telling::AtClose
        || !knowledge.is_dns_port(server.1)
        || settings.targets.service_of_name(name).is_some();
    told.then(|| name.to_owned())
}

/// What the interference is with: the content that it put in the server's place, or the connection.
fn protocol(case: &Case, decision: &Decision<'_>) -> Protocol {
    let strongest = decision.hits.first().map(|hit| (hit.class, hit.id));
    let with_content =
        matches!(strongest, Some((EvidenceClass::D, _) | (_, "FIN_STEAL" | "HTTP_BLOCKPAGE")));
    let head = case.content().first().map(|seen| &seen.payload[..]);
    match head {
        Some(head) if with_content && head.starts_with(b"HTTP/") => Protocol::Http,
        Some(&[0x14..=0x17, 3, ..]) if with_content => Protocol::Tls,
        _ => Protocol::Tcp,
    }
}

pub(super) fn socket((address, port): (Address, u16)) -> SocketAddr {
    SocketAddr::new(address.ip(), port)
}
