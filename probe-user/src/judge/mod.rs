//! From events to findings: deterministic, without a clock of its own.
//!
//! ```text
//!  Event ─► Flows ─► Case ─────► detectors ─► decision ─► Finding
//!        ├► Quics ─────► Attempt ─┤  ▲
//!        └► Exchanges ─► Exchange ┘  │
//!                                Knowledge (round trips, resolvers, who answers whom)
//! ```
//!
//! Events must come in the order of their time; [`Judge::advance`] tells the time when nothing
//! happens. The same events give the same findings, wherever they come from and however they are
//! cut into batches.

mod answers;
mod arrivals;
mod assess;
mod attribution;
mod bounded;
mod case;
mod claim;
mod compose;
mod decision;
mod ending;
mod exchange;
mod exchanges;
mod fingerprints;
mod flow;
mod flows;
mod hello;
pub(crate) mod hops;
mod knowledge;
mod leads;
mod learn;
mod lies;
mod lineage;
mod look_ups;
mod mute;
mod outcomes;
mod population;
mod quic;
mod reach;
mod residual;
mod resolvers;
mod signatures;
mod silence;
mod truth;
mod untold;

use std::sync::Arc;

pub use answers::{Answers, Voices};
pub use arrivals::{Arrivals, Met};
pub use attribution::Attribution;
pub use case::{Case, EVIDENCE_MAX, Seen, Subject};
pub use claim::Claim;
pub use decision::decisive;
pub use exchange::{Exchange, REPLIES_MAX, Reply};
use hdrhistogram::Histogram;
pub use hello::{Answered, Hellos, Traits};
pub use knowledge::{Floor, Knowledge, ResetHabits};
pub use leads::Leads;
pub use lineage::{Layer, Mark, marks};
pub use mute::Claims;
pub use population::{Contrast, Population};
use probe_common::{
    config::DNS_PORTS,
    event::{TcpEvent, kind},
    flow::FlowRecord,
    wire::Address,
};
pub use quic::{Attempt, QuicNames, WAIT as QUIC_WAIT};
pub use reach::{LastAnswers, Reach, is_fresh};
pub use residual::{LONGEST as RESIDUAL_LONGEST, Residual, Trigger};
pub use resolvers::{IpIds, Observation, Resolver, Stack};
pub use signatures::Signatures;
pub use silence::{Silence, Silent};
pub use truth::Truth;

use outcomes::Outcomes;

/// How long outcomes of a capture wait until they are told, in nanoseconds.
pub const OUTCOMES_WAIT: u64 = outcomes::SETTLED_LATE;

use crate::{
    attribute::{Outcome, token::Tokens},
    fingerprint::{Label, Vector},
    names::dns::{Dns, TYPE_HTTPS, TYPE_SVCB, ech_configs},
    report::{
        Finding,
        finding::{Fingerprint, Verdict},
        summary::Counters,
    },
    source::event::Event,
    targets::{Service, TargetSet},
};

/// How long after its last piece of evidence a case is closed, in nanoseconds: half a second more
/// than the longest window that any detector looks at.
pub const QUIET: u64 = 2_500_000_000;

/// When findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// As soon as the evidence suffices for an accusation, and what never suffices once its case is
    /// closed: for live packets.
    AtOnce,
    /// Once the case is closed, with all there is: for captures.
    AtClose,
}

/// How the judge works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When findings are told.
    pub telling: Telling,
    /// What to add to an event's time to get nanoseconds since the Unix epoch.
    pub epoch: u64,
    /// What is watched.
    pub targets: Arc<TargetSet>,
}

/// The judge.
pub struct Judge {
    settings: Settings,
    knowledge: Knowledge,
    flows: flows::Flows,
    exchanges: exchanges::Exchanges,
    lies: lies::Lies,
    quics: quic::Quics,
    look_ups: look_ups::LookUps,
    silence: Silence,
    handshakes: Histogram<u64>,
    now: u64,
    /// Before this time there is nothing to do unless something happens; 0: it has to be seen.
    idle: u64,
    /// Addresses that a watched name leads to, for whoever can watch them.
    interests: Vec<Address>,
    /// How what is watched ended, if that is wanted.
    outcomes: Option<Box<Outcomes>>,
    /// Room for the findings of one event.
    found: Vec<Finding>,
}

/// Addresses kept until they are taken: those of a burst of answers.
const INTERESTS_MAX: usize = 4_096;

/// Precision of the distributions: two significant digits in a few kilobytes.
const DIGITS: u8 = 2;

/// Largest time in a distribution: a minute, in microseconds.
const LONGEST: u64 = 60_000_000;

impl Judge {
    /// A judge who knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let knowledge = Knowledge::new(Arc::clone(&settings.targets));
        // Two digits up to a minute are valid bounds; without them it grows as needed.
        let handshakes = Histogram::new_with_bounds(1, LONGEST, DIGITS)
            .or_else(|_| Histogram::new(DIGITS))
            .unwrap_or_else(|_| unreachable!("two digits are a valid precision"));
        Self {
            settings,
            knowledge,
            flows: flows::Flows::default(),
            exchanges: exchanges::Exchanges::default(),
            lies: lies::Lies::default(),
            quics: quic::Quics::default(),
            look_ups: look_ups::LookUps::default(),
            silence: Silence::default(),
            handshakes,
            now: 0,
            idle: 0,
            interests: Vec::new(),
            outcomes: None,
            found: Vec::new(),
        }
    }

    /// Watches other targets from now on. What is known stays.
    pub fn watch(&mut self, targets: &Arc<TargetSet>) {
        self.settings.targets = Arc::clone(targets);
        self.knowledge.watch(targets);
    }

    /// From now on, keeps how connections and questions of watched services and controls ended, their
    /// clients as `tokens`: see [`outcomes`](Self::outcomes).
    pub fn keep_outcomes(&mut self, tokens: Tokens) {
        self.outcomes = Some(Box::new(Outcomes::new(tokens)));
    }

    /// How many outcomes are settled since the last call of [`outcomes`](Self::outcomes).
    pub fn settled(&self) -> usize {
        self.outcomes.as_ref().map_or(0, |outcomes| outcomes.waiting())
    }

    /// Takes the outcomes that are settled since the last call.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        self.outcomes.as_mut().map_or_else(Vec::new, |outcomes| outcomes.take())
    }

    /// Does something that may bring findings, has all who count them hear of them, and tells them.
    fn heard(
        &mut self,
        tell: impl FnMut(Finding),
        act: impl FnOnce(&mut Self, Option<&mut Outcomes>, &mut dyn FnMut(Finding)),
    ) {
        // Both are out of their places meanwhile.
        let (mut found, mut outcomes) = (std::mem::take(&mut self.found), self.outcomes.take());
        act(self, outcomes.as_deref_mut(), &mut |finding| found.push(finding));
        for finding in &found {
            self.meet(finding);
            if let Some(outcomes) = &mut outcomes {
                outcomes.note(finding);
            }
        }
        let attempts = self.quics.take_over();
        if let Some(outcomes) = &mut outcomes {
            attempts.iter().for_each(|attempt| outcomes.quic(attempt, &self.settings));
            outcomes.settle(self.now);
        }
        self.outcomes = outcomes;
        self.idle = 0;
        found.drain(..).for_each(tell);
        self.found = found;
    }

    /// Counts the devices that a finding accuses over the run.
    fn meet(&mut self, finding: &Finding) {
        if finding.verdict == Verdict::Suspect {
            return;
        }
        for Fingerprint { id, vector, .. } in &finding.fingerprints {
            self.knowledge.clusters_mut().add_as(*id, vector, finding.time, finding.server.ip());
        }
    }

    /// Takes one event; findings that are due go to `tell`.
    pub fn event(&mut self, event: &Event<'_>, tell: impl FnMut(Finding)) {
        self.heard(tell, |judge, outcomes, tell| judge.take(event, outcomes, tell));
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        outcomes: Option<&mut Outcomes>,
        mut tell: &mut dyn FnMut(Finding),
    ) {
        let outcomes = match (outcomes, event) {
            (Some(outcomes), Event::Tcp(event, _)) => {
                outcomes.tcp(event, &self.context(&event.flow));
                None
            }
            (outcomes, _) => outcomes,
        };
        if self.is_due(event.time()) {
            self.close_until(event.time(), &mut tell);
        }
        match event {
            Event::Tcp(event, payload) => {
                let (flows, mut scope) = self.flows();
                flows.event(event, payload, &mut scope, &mut tell);
                self.arrivals(&mut tell);
                self.look_up(event, payload, &mut tell);
                if event.header.kind == kind::OPENING
                    && let Some(name) = self.flows.name_of(&event.flow)
                    && self.settings.targets.service_of_name(name).is_some()
                {
                    let server = event.flow.key.end(event.flow.initiator().other()).0;
                    interest(&mut self.interests, server);
                }
            }
            Event::Quic(event, payload) => {
                let Self { quics, knowledge, settings, .. } = self;
                if let Some((name, server)) =
                    quics.event(event, payload, knowledge, settings, &mut tell)
                    && self.settings.targets.service_of_name(name).is_some()
                {
                    interest(&mut self.interests, server);
                }
            }
            // A reply without name or payload: it says what its resolver's are like.
            Event::Dns(event, _) if event.header.kind == kind::DNS_SAMPLE => {
                self.exchanges.sample(event);
            }
            Event::Dns(event, payload) => {
                let Some(dns) = self.exchanges.read(payload) else { return };
                let owner = dns.qname().and_then(|name| self.settings.targets.owner_of_name(name));
                if let Some((outcomes, owner)) = outcomes.zip(owner) {
                    outcomes.dns(event, (&dns, owner), &self.knowledge, &self.settings);
                }
                let exchanges = &mut self.exchanges;
                let reply = exchanges.reply(
                    event,
                    payload,
                    dns,
                    &self.knowledge,
                    &self.settings,
                    &mut tell,
                );
                if let Some(dns) = reply
                    && matches!(dns.qtype(), Some(TYPE_SVCB | TYPE_HTTPS))
                {
                    for config in ech_configs(payload) {
                        self.knowledge.hellos_mut().announce(&config);
                    }
                }
                if let Some((dns, owner)) = reply.zip(owner) {
                    let ends = [event.packet.destination, event.packet.source];
                    let (knowledge, interests) = (&mut self.knowledge, &mut self.interests);
                    led(knowledge, interests, ends, event.packet.time, (dns, owner.service));
                }
            }
        }
    }

    /// Takes what a connection on a port of DNS says.
    fn look_up(&mut self, event: &TcpEvent, payload: &[u8], tell: &mut impl FnMut(Finding)) {
        let server = event.flow.key.end(event.flow.initiator().other());
        if !self.knowledge.is_dns_port(server.1) {
            return;
        }
        for reply in self.look_ups.take(event, payload) {
            let (client, _) = event.flow.key.end(event.flow.initiator());
            let (ends, time) = ([client, server.0], reply.time());
            if let Some(name) = reply.dns.qname()
                && let Some(service) = self.settings.targets.service_of_name(name)
            {
                let (knowledge, interests) = (&mut self.knowledge, &mut self.interests);
                led(knowledge, interests, ends, time, (&reply.dns, service));
            }
            if reply.asked().is_some() {
                self.knowledge.answered(ends, time, &reply.dns);
            }
            let exchange = Exchange::of(reply);
            let (knowledge, settings) = (&self.knowledge, &self.settings);
            if lies::Lies::are_possible(&exchange, knowledge) {
                self.lies.keep(exchange, Vec::new(), None, knowledge, settings, tell);
            }
        }
    }

    /// Tells the time: what has been quiet long enough is closed.
    pub fn advance(&mut self, now: u64, tell: impl FnMut(Finding)) {
        if self.is_due(now) {
            self.heard(tell, |judge, _, mut tell| judge.close_until(now, &mut tell));
        }
    }

    /// Takes the time; says whether it gives something to do.
    fn is_due(&mut self, now: u64) -> bool {
        if now <= self.now {
            return false;
        }
        self.now = now;
        // The time is told with each packet, and there is mostly nothing to do.
        if self.idle == 0 {
            self.idle = self.next_due();
        }
        now >= self.idle
    }

    /// When the time alone gives something to do next; the end of time if nothing is pending.
    fn next_due(&self) -> u64 {
        let outcome = self.outcomes.as_ref().and_then(|outcomes| outcomes.next_due());
        let response = self.flows.next_forgotten().map(|first| first.saturating_add(QUIET));
        [self.next_close(), outcome, response].into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// When something is to be closed next.
    fn next_close(&self) -> Option<u64> {
        let flow = self.flows.next_due().map(|quiet| quiet.saturating_add(QUIET));
        let due = [flow, self.exchanges.next_due(), self.lies.next_due(), self.quics.next_due()];
        due.into_iter().flatten().min()
    }

    /// Closes everything: the end of a capture or of a run.
    pub fn finish(&mut self, tell: impl FnMut(Finding)) {
        self.heard(tell, |judge, _, mut tell| judge.close_until(u64::MAX, &mut tell));
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.settle(u64::MAX);
        }
    }

    /// Closes what is due by `now`, in the order in which it became so: how many of them become due
    /// between two calls must not show.
    fn close_until(&mut self, now: u64, tell: &mut impl FnMut(Finding)) {
        while let Some(next) = self.next_close()
            && next <= now
        {
            let told = self.now;
            let (flows, mut scope) = self.flows();
            // At the end of time, nothing is quiet any longer than it has been.
            let quiet = if next == u64::MAX { Some(next) } else { next.checked_sub(QUIET) };
            if let Some(quiet) = quiet {
                flows.close_before(quiet, &mut scope, tell);
            }
            let (knowledge, settings) = (&mut self.knowledge, &self.settings);
            self.exchanges.close_until(next, knowledge, &mut self.lies, settings, tell);
            self.arrivals(tell);
            self.lies.close_until(next, &self.knowledge, &self.settings, tell);
            let Self { quics, knowledge, settings, .. } = self;
            quics.close_until(next, told, knowledge, settings, tell);
        }
        let (flows, _) = self.flows();
        flows.forget_responses(now.saturating_sub(QUIET));
    }

    /// The machine woke by `at`, and had slept for so many nanoseconds. No packet passed meanwhile, and none was
    /// seen: of what began before, silence says nothing any more. Either end may have given up, or have gone.
    /// What else was under way is judged with what is known of it, as at the end of a capture.
    pub fn woke(&mut self, at: u64, slept: u64) {
        self.silence.woke(at);
        self.quics.woke(at);
        self.lies.woke(at, slept);
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.woke(at);
        }
    }

    /// Looks at the connection at `place` of the flow table at time `now`, as a regular scan does: one
    /// that has fallen silent is counted, and judged.
    pub fn look(&mut self, place: usize, record: &FlowRecord, now: u64, tell: impl FnMut(Finding)) {
        let outcomes = self.outcomes.as_mut();
        let ending = outcomes.and_then(|outcomes| outcomes.ended(place, record, now));
        let silent = self.silence.look(place, record, now);
        // So it is with nearly all.
        if ending.is_none() && !silent {
            return;
        }
        self.heard(tell, |judge, outcomes, mut tell| {
            if let (Some(outcomes), Some(ending)) = (outcomes, ending) {
                outcomes.connection(record, ending, now, &judge.context(record));
            }
            if silent {
                let (flows, mut scope) = judge.flows();
                flows.silent(record, now, &mut scope, &mut tell);
            }
            judge.arrivals(&mut tell);
        });
    }

    /// Takes the connection at `place` for one that another judge has looked at, the last time at `then`: how it had
    /// ended by then is not told again.
    pub fn skip(&mut self, place: usize, record: &FlowRecord, then: u64) {
        if record.last() > then {
            return;
        }
        if let Some(outcomes) = &mut self.outcomes {
            let _ = outcomes.ended(place, record, then);
        }
        self.silence.skip(place, record, then);
    }

    /// What is known of a connection.
    fn context(&self, record: &FlowRecord) -> outcomes::Context<'_> {
        let name = self.flows.name_of(record);
        outcomes::Context { knowledge: &self.knowledge, settings: &self.settings, name }
    }

    /// Looks again at the answers that led to connections of which more is known now.
    fn arrivals(&mut self, tell: &mut impl FnMut(Finding)) {
        for (client, server) in self.knowledge.truth_mut().arrivals_mut().take_news() {
            self.lies.news(client, server, &self.knowledge, &self.settings, tell);
        }
    }

    /// The connections, and what judging them may touch besides.
    const fn flows(&mut self) -> (&mut flows::Flows, flows::Scope<'_>) {
        let scope = flows::Scope {
            settings: &self.settings,
            knowledge: &mut self.knowledge,
            silence: &mut self.silence,
            handshakes: &mut self.handshakes,
        };
        (&mut self.flows, scope)
    }

    /// The connections that fell silent.
    pub const fn silence(&self) -> &Silence {
        &self.silence
    }

    /// Known devices that packets look like: see [`Cluster`](crate::fingerprint::Cluster).
    pub fn labels(&self, vector: &Vector, time: u64) -> Vec<Label<'static>> {
        self.knowledge.labels(vector, time)
    }

    /// Devices that accused packets look like, known or not, over the run.
    pub const fn clusters(&self) -> &crate::fingerprint::Clusters {
        self.knowledge.clusters()
    }

    /// How often each of Radar's signatures was seen.
    pub const fn signatures(&self) -> &Signatures {
        self.flows.signatures()
    }

    /// The name that the connection of `record` asked for, if it is known.
    pub fn name_of(&self, record: &FlowRecord) -> Option<&str> {
        self.flows.name_of(record)
    }

    /// Takes the addresses that names of watched services and controls have led to since the last
    /// call.
    pub fn interests(&mut self) -> std::vec::Drain<'_, Address> {
        self.interests.drain(..)
    }

    /// Chooses the ports on which DNS is spoken over TCP, 0 for none; 53 unless this is called.
    pub const fn set_dns_ports(&mut self, ports: [u16; DNS_PORTS]) {
        self.knowledge.set_dns_ports(ports);
    }

    /// Corrects what is added to an event's time to get nanoseconds since the Unix epoch.
    pub const fn set_epoch(&mut self, epoch: u64) {
        self.settings.epoch = epoch;
    }

    /// What the judge had to give up for want of room, each by name.
    pub fn losses(&self) -> Counters {
        let mut losses = Counters::new();
        losses.insert("judge_flows_evicted".into(), self.flows.evicted());
        losses.insert("judge_cases_evicted".into(), self.flows.cases_evicted());
        losses.insert("judge_evidence_dropped".into(), self.flows.dropped());
        losses.insert("judge_responses_evicted".into(), self.flows.responses_evicted());
        losses.insert("judge_exchanges_evicted".into(), self.exchanges.evicted());
        losses.insert("judge_look_ups_evicted".into(), self.look_ups.evicted());
        losses.insert("judge_lies_evicted".into(), self.lies.evicted());
        losses.insert("judge_quic_evicted".into(), self.quics.evicted());
        losses.insert("judge_replies_dropped".into(), self.exchanges.dropped());
        losses.insert("judge_dns_unreadable".into(), self.exchanges.unreadable());
        let dropped = self.outcomes.as_ref().map_or(0, |outcomes| outcomes.dropped());
        losses.insert("judge_outcomes_dropped".into(), dropped);
        losses.insert("judge_knowledge_evicted".into(), self.knowledge.evicted());
        losses
    }

    /// Round-trip times of handshakes between here and responders, in microseconds.
    pub const fn handshakes(&self) -> &Histogram<u64> {
        &self.handshakes
    }
}

/// At `now` a client was led by a resolver (`ends`) with the reply `dns` about a name of `service`.
fn led(
    knowledge: &mut Knowledge,
    interests: &mut Vec<Address>,
    ends: [Address; 2],
    now: u64,
    (dns, service): (&Dns, &Service),
) {
    let Some(name) = dns.qname() else { return };
    if !service.is_control() {
        knowledge.doubt(ends, (name, service), now, dns);
    }
    let ttl = dns.answers.iter().map(|answer| answer.ttl).min().unwrap_or_default();
    for address in dns.addresses().map(Address::from) {
        interest(interests, address);
        knowledge.leads_mut().note(ends[0], address, name, now, ttl);
    }
}

fn interest(interests: &mut Vec<Address>, address: Address) {
    if interests.len() < INTERESTS_MAX {
        interests.push(address);
    }
}
