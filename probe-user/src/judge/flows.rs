//! TCP connections as the judge sees them: what they asked for, and the case made of their resets.

use std::{collections::BTreeMap, net::SocketAddr};

use hdrhistogram::Histogram;
use probe_common::{
    event::{TcpEvent, kind},
    flow::{FlowKey, FlowRecord, Side, Stage},
    seq,
    wire::Address,
};

use super::{
    Knowledge, Settings, Silence, Telling,
    bounded::Bounded,
    case::{Case, Seen},
    decision::{Decision, decide},
    hops, silence,
};
use crate::{
    detect::{self, Hit},
    names::{http, stream::Prefix, tls},
    report::{
        Finding,
        finding::{Position, Protocol, Verdict},
    },
};

/// Connections whose name or case is kept: as many as the kernel's flow table has by default.
const FLOWS_MAX: usize = 65_536;

/// What is kept of one connection.
#[derive(Debug, Default)]
struct Flow {
    /// When the record was opened: tells apart connections on the same ports.
    opened: u64,
    name: Option<String>,
    /// Beginning of what the initiator sent, until it has said a name.
    prefix: Option<Box<Prefix>>,
    case: Option<Box<Case>>,
    /// Where the case stands in [`Flows::cases`].
    turn: Turn,
    told: Option<Decision>,
}

/// The order in which cases are closed: by the time of the last piece of evidence; among equals by
/// the number of that piece.
type Turn = (u64, u64);

/// All of them.
#[derive(Debug)]
pub(super) struct Flows {
    flows: Bounded<FlowKey, Flow>,
    /// Connections with an open case. In order, so that each is closed at its moment and not at
    /// the next look: what comes after that moment belongs to another case, however often the time
    /// is told.
    cases: BTreeMap<Turn, FlowKey>,
    /// Pieces of evidence so far.
    evidence: u64,
    dropped: u64,
}

impl Default for Flows {
    fn default() -> Self {
        Self { flows: Bounded::new(FLOWS_MAX), cases: BTreeMap::new(), evidence: 0, dropped: 0 }
    }
}

/// What an event of a connection may touch besides the connections.
pub(super) struct Scope<'a> {
    pub(super) settings: &'a Settings,
    pub(super) knowledge: &'a mut Knowledge,
    pub(super) silence: &'a mut Silence,
    pub(super) handshakes: &'a mut Histogram<u64>,
}

impl Flows {
    pub(super) fn event(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        mut scope: Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        match event.header.kind {
            kind::OPENING => {
                let fresh = self.flow(event, &scope, tell);
                if fresh {
                    learn_handshake(&event.flow, &mut scope);
                }
                if let Some(flow) = self.flows.get_mut(&event.flow.key) {
                    flow.read(event, payload);
                }
            }
            kind::RESET | kind::AFTER_RESET => {
                self.flow(event, &scope, tell);
                self.evidence(event, payload, &scope, tell);
            }
            kind::FLOW_END => {
                scope.silence.end(&event.flow, event.packet.time);
                self.close(&event.flow.key, scope.knowledge, scope.settings, tell);
                self.flows.remove(&event.flow.key);
            }
            _ => {}
        }
    }

    /// Makes sure that there is an entry for the event's connection; says whether it is new.
    fn flow(
        &mut self,
        event: &TcpEvent,
        scope: &Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) -> bool {
        let (key, opened) = (event.flow.key, event.flow.opened);
        match self.flows.get(&key) {
            Some(flow) if flow.opened == opened => return false,
            Some(_) => {
                // The ports were taken by another connection.
                self.close(&key, scope.knowledge, scope.settings, tell);
                self.flows.remove(&key);
            }
            None => {}
        }
        let (_, out) = self.flows.entry(key, || Flow { opened, ..Flow::default() });
        if let Some((key, mut flow)) = out {
            self.cases.remove(&flow.turn);
            settle(&key, &mut flow, scope.knowledge, scope.settings, tell);
        }
        true
    }

    fn evidence(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        scope: &Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        let key = event.flow.key;
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let reset = event.header.kind == kind::RESET;
        if !reset && flow.case.is_none() {
            return;
        }
        self.cases.remove(&flow.turn);
        self.evidence += 1;
        flow.turn = (event.packet.time, self.evidence);
        self.cases.insert(flow.turn, key);
        let case = flow.case.get_or_insert_with(|| Box::new(Case::new(key)));
        let seen = Seen::new(event, payload);
        if reset {
            case.add_reset(seen);
        } else {
            case.add_after(seen);
        }
        if scope.settings.telling == Telling::AtOnce
            && let Some((decision, side)) = assess(case, scope.knowledge)
            && decision.verdict == Verdict::Injected
        {
            flow.tell(&key, decision, side, scope.settings, tell);
        }
    }

    /// When the last evidence came of the case that is closed next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.cases.first_key_value().map(|(&(last, _), _)| last)
    }

    /// Closes the cases whose last evidence is not younger than `due`.
    pub(super) fn close_before(
        &mut self,
        due: u64,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        while let Some(first) = self.cases.first_entry()
            && first.key().0 <= due
        {
            let key = first.remove();
            self.close(&key, knowledge, settings, tell);
        }
    }

    fn close(
        &mut self,
        key: &FlowKey,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        if let Some(flow) = self.flows.get_mut(key) {
            self.cases.remove(&flow.turn);
            self.dropped += flow.case.as_ref().map_or(0, |case| case.dropped());
            settle(key, flow, knowledge, settings, tell);
        }
    }

    pub(super) fn name_of(&self, record: &FlowRecord) -> Option<&str> {
        let flow = self.flows.get(&record.key)?;
        if flow.opened == record.opened { flow.name.as_deref() } else { None }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.flows.evicted()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Learns the round trip to the server from a connection that got as far as its first data.
fn learn_handshake(record: &FlowRecord, scope: &mut Scope<'_>) {
    let rtt = u64::from(record.responder_rtt);
    if rtt == 0 {
        return;
    }
    scope.knowledge.handshake(record.key.end(record.initiator().other()).0, rtt);
    scope.handshakes.saturating_record((rtt / 1_000).max(1));
}

/// Closes a case: tells what has not been told yet.
fn settle(
    key: &FlowKey,
    flow: &mut Flow,
    knowledge: &Knowledge,
    settings: &Settings,
    tell: &mut impl FnMut(Finding),
) {
    if let Some(case) = &flow.case
        && let Some((decision, side)) = assess(case, knowledge)
    {
        flow.tell(key, decision, side, settings, tell);
    }
    flow.case = None;
    flow.told = None;
}

/// Runs all detectors over both sides' resets; the side against which there is more decides.
fn assess(case: &Case, knowledge: &Knowledge) -> Option<(Decision, Side)> {
    let mut best: Option<(Decision, Side)> = None;
    for side in [Side::Low, Side::High] {
        if case.resets_of(side).next().is_none() {
            continue;
        }
        let mut hits: Vec<Hit> = Vec::new();
        for detector in detect::TCP {
            if let Some(fired) = (detector.judge)(case, side, knowledge, &hits) {
                hits.push(Hit::new(detector.id, detector.class, fired));
            }
        }
        let Some(decision) = decide(hits) else { continue };
        if best.as_ref().is_none_or(|(other, _)| decision.outweighs(other)) {
            best = Some((decision, side));
        }
    }
    best
}

impl Flow {
    /// Reads the name that the initiator asks for out of what it sends first.
    fn read(&mut self, event: &TcpEvent, payload: &[u8]) {
        let record = &event.flow;
        let side = Side::from_index(event.header.side);
        if self.name.is_some() || side != record.initiator() {
            return;
        }
        let half = record.half(side);
        let start = if half.syn.hops == 0 {
            // Taken up in the middle: what comes first is the beginning.
            if half.data_segments == 0 { event.packet.seq } else { half.end }
        } else {
            half.syn.isn.wrapping_add(1)
        };
        let Ok(offset) = u32::try_from(seq::distance(event.packet.seq, start)) else { return };
        let prefix = self.prefix.get_or_insert_default();
        prefix.push(offset, payload);
        let hello = tls::client_hello(prefix.bytes());
        self.name =
            hello.sni.or_else(|| http::request(prefix.bytes()).and_then(|request| request.host));
        if self.name.is_some() || prefix.is_full() {
            self.prefix = None;
        }
    }

    /// Tells of a decision, unless as much has been told already.
    fn tell(
        &mut self,
        key: &FlowKey,
        decision: Decision,
        side: Side,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        let Some(case) = &self.case else { return };
        let more = self.told.as_ref().is_none_or(|told| {
            (decision.verdict == Verdict::Injected, decision.confidence)
                > (told.verdict == Verdict::Injected, told.confidence)
        });
        if more {
            tell(finding(case, key, side, &decision, self.name.as_deref(), settings));
            self.told = Some(decision);
        }
    }
}

fn finding(
    case: &Case,
    key: &FlowKey,
    side: Side,
    decision: &Decision,
    name: Option<&str>,
    settings: &Settings,
) -> Finding {
    let initiator = case.initiator();
    let server = key.end(initiator.other());
    let first = case.resets_of(side).next();
    let before = first.map(Seen::flow);
    let responder_hops = before
        .map(|flow| flow.half(initiator.other()))
        .filter(|half| half.has_baseline() && half.hops_min == half.hops_max)
        .and_then(|half| hops::from_ttl(half.hops_max));
    let target = &settings.targets;
    let service = match name {
        Some(name) => target.service_of_name(name),
        None => target.service_of_address(server.0.ip()),
    };
    Finding {
        time: first.map_or(0, |seen| seen.packet().time).saturating_add(settings.epoch),
        protocol: Protocol::Tcp,
        verdict: decision.verdict,
        confidence: decision.confidence,
        signatures: decision.hits.iter().map(|hit| hit.signature.clone()).collect(),
        client: socket(key.end(initiator)),
        server: socket(server),
        name: name.map(str::to_owned),
        service: service.filter(|service| !service.is_control()).map(|s| s.id.clone()),
        // What claims to come from the server passed here on its way to the client, and the
        // other way round.
        position: if side == initiator { Position::Downstream } else { Position::Upstream },
        injector_hops: hops::of_injector(
            case.resets_of(side).map(|seen| seen.packet().hops),
            if side == initiator { None } else { responder_hops },
        ),
        server_hops: responder_hops,
        frames: decision.frames(),
        stage: before.map(|flow| silence::stage(Stage::of(flow))),
    }
}

pub(super) fn socket((address, port): (Address, u16)) -> SocketAddr {
    SocketAddr::new(address.ip(), port)
}
