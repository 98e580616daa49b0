//! DNS exchanges under observation.

use std::collections::VecDeque;

use probe_common::{event::DnsEvent, flow::FlowKey};

use super::{
    Knowledge, Settings, Telling,
    bounded::Bounded,
    compose::socket,
    decision::{Decision, decide},
    exchange::{Exchange, Reply},
    hops,
};
use crate::{
    detect::{self, Hit},
    names::dns::Dns,
    report::{
        Finding,
        finding::{Position, Protocol, Verdict},
    },
};

/// Exchanges kept until they are closed: 2.5 s of 13,000 replies a second.
const EXCHANGES_MAX: usize = 32_768;

/// What tells exchanges apart: ends, transaction id, question, and when it was first asked.
type Key = (FlowKey, u16, u32, u64);

#[derive(Debug)]
struct Open {
    exchange: Exchange,
    told: Option<Decision>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Exchanges {
    open: Bounded<Key, Open>,
    /// Keys by the time of their first reply.
    queue: VecDeque<(u64, Key)>,
    unreadable: u64,
    dropped: u64,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self {
            open: Bounded::new(EXCHANGES_MAX),
            queue: VecDeque::new(),
            unreadable: 0,
            dropped: 0,
        }
    }
}

impl Exchanges {
    /// Takes a reply and returns what it says.
    pub(super) fn reply(
        &mut self,
        event: &DnsEvent,
        payload: &[u8],
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) -> Option<&Dns> {
        let Ok(dns) = Dns::parse(payload) else {
            self.unreadable += 1;
            return None;
        };
        let flow = FlowKey::of(&event.packet).0;
        let key = (flow, event.id, event.question, event.query.asked);
        let time = event.packet.time;
        let queue = &mut self.queue;
        let (open, out) = self.open.entry(key, || {
            queue.push_back((time, key));
            Open { exchange: Exchange::new(), told: None }
        });
        let added = open.exchange.add(event, dns);
        if added && settings.telling == Telling::AtOnce && open.exchange.replies.len() > 1 {
            open.tell(knowledge, settings, true, tell);
        }
        if let Some((_, mut open)) = out {
            open.tell(knowledge, settings, false, tell);
        }
        self.open.get(&key).and_then(|open| open.exchange.replies.last()).map(|reply| &reply.dns)
    }

    /// When the first reply came of the exchange that is closed next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.queue.front().map(|&(time, _)| time)
    }

    /// Closes the exchanges whose first reply is not younger than `due`.
    pub(super) fn close_before(
        &mut self,
        due: u64,
        knowledge: &mut Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        while let Some(&(time, key)) = self.queue.front() {
            if time > due {
                break;
            }
            self.queue.pop_front();
            let Some(mut open) = self.open.remove(&key) else { continue };
            self.dropped += open.exchange.dropped;
            open.learn(knowledge);
            open.tell(knowledge, settings, false, tell);
        }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.open.evicted()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) const fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

impl Open {
    /// Learns from an exchange with a single reply, to a query that was seen.
    fn learn(&self, knowledge: &mut Knowledge) {
        if let [reply] = self.exchange.replies.as_slice()
            && reply.query.asked != 0
        {
            knowledge.clean_answer(self.exchange.resolver().0, reply.hops(), reply.delay());
        }
    }

    /// Tells what the detectors say, if it is more than was told; accusations only, if `early`.
    fn tell(
        &mut self,
        knowledge: &Knowledge,
        settings: &Settings,
        early: bool,
        tell: &mut impl FnMut(Finding),
    ) {
        let mut hits: Vec<Hit> = Vec::new();
        for detector in detect::DNS {
            if let Some(fired) = (detector.judge)(&self.exchange, knowledge, &hits) {
                hits.push(Hit::new(detector.id, detector.class, detector.accuses, fired));
            }
        }
        let Some(decision) = decide(hits) else { return };
        if early && decision.verdict != Verdict::Injected {
            return;
        }
        if self.told.as_ref().is_none_or(|told| decision.confidence > told.confidence) {
            let revises = self.told.as_ref().map(Decision::told);
            let finding = finding(&self.exchange, &decision, knowledge, settings);
            tell(Finding { revises, ..finding });
            self.told = Some(decision);
        }
    }
}

fn finding(
    exchange: &Exchange,
    decision: &Decision,
    knowledge: &Knowledge,
    settings: &Settings,
) -> Finding {
    let forged = exchange.forged(knowledge);
    let genuine =
        exchange.replies.iter().find(|reply| !forged.iter().any(|f| f.frame == reply.frame));
    let server_hops = genuine.and_then(|reply| hops::from_ttl(reply.hops()));
    let injector_hops = hops::of_injector(forged.iter().map(|reply| reply.hops()), server_hops);
    let name = exchange.name();
    let service = name
        .and_then(|name| settings.targets.service_of_name(name))
        .filter(|service| !service.is_control());
    let time = forged.first().copied().or_else(|| exchange.replies.first()).map_or(0, Reply::time);
    Finding {
        time: time.saturating_add(settings.epoch),
        protocol: Protocol::Dns,
        verdict: decision.verdict,
        confidence: decision.confidence,
        signatures: decision.hits.iter().map(|hit| hit.signature.clone()).collect(),
        client: socket(exchange.client()),
        server: socket(exchange.resolver()),
        name: name.map(str::to_owned),
        service: service.map(|service| service.id.clone()),
        position: Position::Upstream,
        injector_hops,
        injector_hops_range: injector_hops.map(hops::range),
        server_hops,
        frames: decision.frames(),
        fingerprints: Vec::new(),
        revises: None,
        stage: None,
    }
}
