//! All TCP connections under observation.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use probe_common::{
    event::{TcpEvent, kind},
    flow::{FlowKey, FlowRecord, Side},
};

use super::{
    Knowledge, Settings, Silence, Telling,
    assess::count,
    bounded::Bounded,
    case::{LIVE, Seen, Subject},
    compose,
    conclude::conclude,
    flow::{Flow, is_answer},
    learn::{dies_on_the_way, learn_answer, learn_handshake, learn_reset},
    signatures::Signatures,
    silence::Silent,
    turns::Turns,
};
use crate::report::Finding;

/// Connections whose name or case is kept: as many as the kernel's flow table has by default.
const FLOWS_MAX: usize = 65_536;

/// Connections whose first answer is kept until it is uncontested: at some 2 KiB a segment and a
/// few segments each, 64 MiB at worst. The oldest goes first.
const RESPONSES_MAX: usize = 8_192;

/// Connections of which the beginning of what the client says is kept until it has said what it wants: two segments
/// of a hello come at once. At 5.5 KiB each at worst, 22 MiB. The one that began first is read no further.
const HELLOS_MAX: usize = 4_096;

/// Connections with an open case: 2.5 s of 1,600 a second. At some 3 KiB each, 12 MiB.
const CASES_MAX: usize = 4_096;

/// Octets that their evidence takes: of a connection that somebody floods with resets it can be a hundred times what is usual.
/// The case whose last evidence is the oldest is closed.
const EVIDENCE_OCTETS: usize = 16_777_216;

/// Payload octets that are kept of a reset and of what comes after one: enough for every fixed blob that a device is
/// known by.
const RESET_KEPT: usize = 64;

/// All of them.
#[derive(Debug)]
pub(super) struct Flows {
    flows: Bounded<FlowKey, Flow>,
    /// Those with an open case, by when it is closed.
    cases: Turns,
    /// Octets that their evidence takes.
    octets: usize,
    /// Connections of which a hello is half read, in the order in which it began.
    hellos: VecDeque<(FlowKey, u64)>,
    /// Connections whose first answer is kept, by the time of that answer.
    responses: VecDeque<(u64, FlowKey, u64)>,
    dropped: u64,
    hellos_evicted: u64,
    responses_evicted: u64,
    cases_evicted: u64,
    signatures: Signatures,
    /// Packets numbered so far that are in no capture.
    numbered: u64,
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            flows: Bounded::new(FLOWS_MAX),
            cases: Turns::default(),
            octets: 0,
            hellos: VecDeque::new(),
            responses: VecDeque::new(),
            dropped: 0,
            hellos_evicted: 0,
            responses_evicted: 0,
            cases_evicted: 0,
            signatures: Signatures::default(),
            numbered: 0,
        }
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
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        scope.knowledge.arrival(event, payload);
        match event.header.kind {
            kind::OPENING => {
                if self.flow(event, scope, tell) {
                    learn_handshake(&event.flow, scope);
                }
                self.opening(event, payload, scope, tell);
            }
            kind::ODD => {
                self.flow(event, scope, tell);
                self.odd(event, payload, scope, tell);
            }
            kind::RESET | kind::AFTER_RESET => {
                self.flow(event, scope, tell);
                let kept = payload.len().min(RESET_KEPT);
                self.evidence(event, &payload[..kept], scope, tell);
            }
            kind::FLOW_END => {
                if scope.silence.end(&event.flow, event.packet.time) {
                    self.silent(&event.flow, event.packet.time, scope, tell);
                }
                self.close(&event.flow.key, scope, tell);
                self.flows.remove(&event.flow.key);
            }
            _ => {}
        }
    }

    /// Makes sure that there is an entry for the event's connection; says whether it is new.
    fn flow(
        &mut self,
        event: &TcpEvent,
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) -> bool {
        let (key, opened) = (event.flow.key, event.flow.opened);
        match self.flows.get(&key) {
            Some(flow) if flow.opened == opened => return false,
            Some(_) => {
                // The ports were taken by another connection.
                self.close(&key, scope, tell);
                self.flows.remove(&key);
            }
            None => {}
        }
        let (_, out) = self.flows.entry(key, || Flow::new(opened));
        if let Some((_, mut flow)) = out {
            self.settle(&mut flow, scope, tell);
        }
        true
    }

    /// Takes what an end says first.
    fn opening(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        let (key, time) = (event.flow.key, event.packet.time);
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if !is_answer(event) {
            let before = flow.is_reading();
            if flow.read(event, payload, scope.knowledge)
                && let Some(traits) = &flow.traits
            {
                scope.knowledge.hellos_mut().note(flow.name.as_deref(), traits);
            }
            if !before && flow.is_reading() {
                self.begins_to_say(key, event.flow.opened);
            }
            return;
        }
        if !flow.counted {
            learn_answer(event, flow, scope.knowledge);
        }
        if flow.case.is_none() && flow.response.is_empty() {
            self.responses.push_back((time, key, event.flow.opened));
        }
        let number = number(event, &mut self.numbered);
        if flow.hear(Seen::new(event, payload, number), scope.knowledge) {
            flow.open_case(key);
            self.weigh(event, scope, tell);
        }
        if self.responses.len() > RESPONSES_MAX {
            self.responses_evicted += 1;
            self.forget_response();
        }
    }

    /// What a connection's client wants is half read.
    fn begins_to_say(&mut self, key: FlowKey, opened: u64) {
        self.hellos.push_back((key, opened));
        if self.hellos.len() > HELLOS_MAX
            && let Some((key, opened)) = self.hellos.pop_front()
            && let Some(flow) = self.flows.get_mut(&key)
            && flow.opened == opened
        {
            self.hellos_evicted += u64::from(flow.stop_reading());
        }
    }

    /// Takes a segment that is unlike its sender's others.
    fn odd(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        if Side::from_index(event.header.side) == event.flow.initiator() {
            // The client's own affair, as far as can be told; but its name may begin here.
            self.opening(event, payload, scope, tell);
            return;
        }
        if event.packet.payload != 0 {
            self.opening(event, payload, scope, tell);
        }
        let key = event.flow.key;
        let number = number(event, &mut self.numbered);
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let case = flow.open_case(key);
        if event.packet.payload == 0 {
            case.add_content([Seen::new(event, payload, number)]);
        }
        self.weigh(event, scope, tell);
    }

    /// Forgets the answers that nobody has contradicted since `due`.
    pub(super) fn forget_responses(&mut self, due: u64) {
        while self.responses.front().is_some_and(|&(time, ..)| time <= due) {
            self.forget_response();
        }
    }

    /// The time of the first of those answers.
    pub(super) fn next_forgotten(&self) -> Option<u64> {
        self.responses.front().map(|&(time, ..)| time)
    }

    fn forget_response(&mut self) {
        if let Some((_, key, opened)) = self.responses.pop_front()
            && let Some(flow) = self.flows.get_mut(&key)
            && flow.opened == opened
        {
            flow.response = Vec::new();
        }
    }

    /// Takes a reset, or what came after one.
    fn evidence(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        let key = event.flow.key;
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let reset = event.header.kind == kind::RESET;
        if !reset && flow.case.is_none() || reset && dies_on_the_way(event) {
            return;
        }
        let number = number(event, &mut self.numbered);
        let seen = Seen::new(event, payload, number);
        if reset {
            learn_reset(event, &seen, flow, scope.knowledge);
        }
        let case = flow.open_case(key);
        if reset {
            case.add_reset(seen);
        } else {
            if is_answer(event) {
                case.add_content([seen.clone()]);
            }
            case.add_after(seen);
        }
        self.weigh(event, scope, tell);
    }

    /// The event is a new piece of evidence in its connection's case.
    fn weigh(&mut self, event: &TcpEvent, scope: &mut Scope<'_>, tell: &mut impl FnMut(Finding)) {
        let key = event.flow.key;
        let flow = self.flows.get_mut(&key);
        let Some(case) = flow.and_then(|flow| flow.case.as_mut()) else { return };
        self.cases.heard(&mut case.turn, key, event.packet.time);
        self.octets -= case.counted;
        case.counted = case.octets();
        self.octets += case.counted;
        self.accuse(&key, &event.flow, scope, tell);
        while (self.cases.len() > CASES_MAX || self.octets > EVIDENCE_OCTETS)
            && let Some((_, oldest)) = self.cases.take(u64::MAX)
        {
            self.cases_evicted += 1;
            self.settle_in_place(&oldest, scope, tell);
        }
    }

    /// Closes a case, and keeps the connection.
    fn settle_in_place(
        &mut self,
        key: &FlowKey,
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        if let Some(mut flow) = self.flows.get_mut(key).map(std::mem::take) {
            self.settle(&mut flow, scope, tell);
            if let Some(place) = self.flows.get_mut(key) {
                *place = flow;
            }
        }
    }

    /// When the last evidence came of the case that is closed next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.cases.next()
    }

    /// Tells of an accusation as soon as the evidence suffices, where that is wanted.
    fn accuse(
        &mut self,
        key: &FlowKey,
        record: &FlowRecord,
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        if scope.settings.telling != Telling::AtOnce {
            return;
        }
        let Some(flow) = self.flows.get_mut(key) else { return };
        let subject = flow.subject(record, scope.knowledge, scope.settings);
        let Some(case) = &mut flow.case else { return };
        case.subject = subject;
        conclude(case, true, scope, tell);
    }

    /// A connection fell silent.
    pub(super) fn silent(
        &mut self,
        record: &FlowRecord,
        now: u64,
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        scope.knowledge.truth_mut().arrivals_mut().silent(record);
        let flow = self.flows.get_mut(&record.key).filter(|flow| flow.opened == record.opened);
        let subject = match &flow {
            Some(flow) => flow.subject(record, scope.knowledge, scope.settings),
            None => Subject {
                name: None,
                watched: compose::service(record, None, scope.knowledge, scope.settings)
                    .is_some_and(|service| !service.is_control()),
                ..Subject::default()
            },
        };
        let silent = Silent { record: *record, subject, now };
        let initiator = record.initiator();
        let server = record.key.end(initiator.other());
        if let Some(flow) = flow
            && !flow.counted
            && silent.server().data == 0
            && let Some(name) = silent.subject.label()
        {
            flow.counted = true;
            let client = record.key.end(initiator).0;
            scope.knowledge.population_mut().cut(server.0, client, name, record.opened);
        }
        let Some(decision) = silent.assess(scope.knowledge) else { return };
        let accuses = decision.accuses();
        tell(compose::silent(&silent, &decision, scope.knowledge, scope.settings));
        drop(decision);
        if accuses {
            let (client, name) = (record.key.end(initiator).0, silent.subject.name.as_deref());
            scope.knowledge.residual_mut().note(client, server, record.opened, name);
        }
    }

    /// Closes the cases whose last evidence is not younger than `due`.
    pub(super) fn close_before(
        &mut self,
        due: u64,
        scope: &mut Scope<'_>,
        tell: &mut impl FnMut(Finding),
    ) {
        while let Some((_, key)) = self.cases.take(due) {
            self.settle_in_place(&key, scope, tell);
        }
    }

    fn close(&mut self, key: &FlowKey, scope: &mut Scope<'_>, tell: &mut impl FnMut(Finding)) {
        if let Some(mut flow) = self.flows.get_mut(key).map(std::mem::take) {
            self.settle(&mut flow, scope, tell);
        }
    }

    /// Closes a case: tells what has not been told yet.
    fn settle(&mut self, flow: &mut Flow, scope: &mut Scope<'_>, tell: &mut impl FnMut(Finding)) {
        let subject = flow
            .case
            .as_ref()
            .and_then(|case| case.before())
            .map(|record| flow.subject(record, scope.knowledge, scope.settings));
        if let Some(case) = &mut flow.case {
            self.cases.withdraw(case.turn);
            self.octets -= case.counted;
            case.subject = subject.unwrap_or_default();
            self.dropped += case.dropped();
            count(case, &mut self.signatures);
            conclude(case, false, scope, tell);
        }
        flow.case = None;
    }

    pub(super) fn name_of(&self, record: &FlowRecord) -> Option<&str> {
        let flow = self.flows.get(&record.key)?;
        if flow.opened == record.opened { flow.name.as_deref() } else { None }
    }

    /// How many cases were closed early for want of room.
    pub(super) const fn cases_evicted(&self) -> u64 {
        self.cases_evicted
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.flows.evicted()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many are read no further for want of room.
    pub(super) const fn hellos_evicted(&self) -> u64 {
        self.hellos_evicted
    }

    pub(super) const fn responses_evicted(&self) -> u64 {
        self.responses_evicted
    }

    pub(super) const fn signatures(&self) -> &Signatures {
        &self.signatures
    }
}

/// The packet's number in its capture, or the next of those that are in none.
const fn number(event: &TcpEvent, numbered: &mut u64) -> u64 {
    if event.header.frame != 0 {
        return event.header.frame;
    }
    *numbered += 1;
    LIVE + *numbered
}
