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
mod conclude;
mod decision;
mod ending;
mod exchange;
mod exchanges;
mod fingerprints;
mod flow;
mod flows;
mod hello;
pub(crate) mod hops;
mod interests;
mod knowledge;
mod known;
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
mod sums;
mod time;
mod truth;
mod turns;
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
pub use outcomes::SMALL;
pub use population::{Contrast, Population};
use probe_common::{
    config::DNS_PORTS,
    event::{TcpEvent, kind},
    flow::FlowRecord,
    wire::Address,
};
pub use quic::{Attempt, WAIT as QUIC_WAIT};
pub use reach::{LastAnswers, Reach, is_fresh};
pub use residual::{LONGEST as RESIDUAL_LONGEST, Residual, Trigger};
pub use resolvers::{IpIds, Observation, Resolver, Stack};
pub use signatures::Signatures;
pub use silence::{Silence, Silent};
pub use truth::Truth;

use interests::Interests;
use outcomes::Outcomes;

use crate::{
    attribute::{Outcome, token::Tokens},
    names::dns::{TYPE_HTTPS, TYPE_SVCB, ech_configs},
    report::{
        Finding,
        finding::{Fingerprint, Verdict},
    },
    source::event::Event,
    targets::TargetSet,
};

/// How long outcomes of a capture wait until they are told, in nanoseconds.
pub const OUTCOMES_WAIT: u64 = outcomes::SETTLED_LATE;

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
    sums: sums::Sums,
    handshakes: Histogram<u64>,
    now: u64,
    /// Before this time there is nothing to do unless something happens; 0: it has to be seen.
    idle: u64,
    /// Addresses that a watched name leads to, for whoever can watch them.
    interests: Interests,
    /// How what is watched ended, if that is wanted.
    outcomes: Option<Box<Outcomes>>,
    /// Room for the findings of one event.
    found: Vec<Finding>,
}

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
            sums: sums::Sums::default(),
            handshakes,
            now: 0,
            idle: 0,
            interests: Interests::default(),
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
        self.outcomes.as_ref().map_or(0, |outcomes| outcomes.settled())
    }

    /// Takes the outcomes that are settled since the last call.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        self.outcomes.as_mut().map_or_else(Vec::new, |outcomes| outcomes.take())
    }

    /// Does something that may bring findings, has all who count them hear of them, and tells them; then
    /// settles what is due by now.
    fn heard(
        &mut self,
        tell: impl FnMut(Finding),
        act: impl FnOnce(&mut Self, Option<&mut Outcomes>, &mut dyn FnMut(Finding)),
    ) {
        self.hear(tell, act);
        self.settle();
    }

    /// The same, while more is to come of the same moment: nothing is settled yet.
    fn hear(
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
        }
        self.outcomes = outcomes;
        self.idle = 0;
        found.drain(..).for_each(tell);
        self.found = found;
    }

    fn settle(&mut self) {
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.settle(self.now);
        }
    }

    /// Counts the devices that a finding accuses over the run.
    fn meet(&mut self, finding: &Finding) {
        if finding.verdict == Verdict::Suspect {
            return;
        }
        let again = finding.revises.is_some_and(|told| told.verdict != Verdict::Suspect);
        for Fingerprint { id, vector, .. } in &finding.fingerprints {
            // Who was accused of this connection before is not met once more.
            if again && self.knowledge.clusters().get(*id).is_some() {
                continue;
            }
            self.knowledge.clusters_mut().add_as(*id, vector, finding.time, finding.server.ip());
        }
    }

    /// Takes one event; findings that are due go to `tell`.
    pub fn event(&mut self, event: &Event<'_>, mut tell: impl FnMut(Finding)) {
        if self.sums.is_damaged(event) {
            self.advance(event.time(), tell);
            return;
        }
        // Before anything is closed: by what was known of a connection until now.
        if let Event::Tcp(event, _) = event
            && let Some(mut outcomes) = self.outcomes.take()
        {
            outcomes.tcp(event, &self.context(&event.flow));
            self.outcomes = Some(outcomes);
        }
        if self.is_due(event.time()) {
            self.close_until(event.time(), &mut tell);
        }
        self.heard(tell, |judge, outcomes, tell| judge.take(event, outcomes, tell));
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        outcomes: Option<&mut Outcomes>,
        mut tell: &mut dyn FnMut(Finding),
    ) {
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
                    self.interests.add(server);
                }
            }
            Event::Quic(event, payload) => {
                let Self { quics, knowledge, settings, .. } = self;
                if let Some((name, server)) =
                    quics.event(event, payload, knowledge, settings, &mut tell)
                    && self.settings.targets.service_of_name(name).is_some()
                {
                    self.interests.add(server);
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
                    let (knowledge, time) = (&mut self.knowledge, event.packet.time);
                    self.interests.led(knowledge, ends, time, (dns, owner.service));
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
                self.interests.led(&mut self.knowledge, ends, time, (&reply.dns, service));
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

    /// Takes the addresses that names of watched services and controls have led to since the last
    /// call.
    pub fn interests(&mut self) -> std::vec::Drain<'_, Address> {
        self.interests.take()
    }

    /// Chooses the ports on which DNS is spoken over TCP, 0 for none; 53 unless this is called.
    pub const fn set_dns_ports(&mut self, ports: [u16; DNS_PORTS]) {
        self.knowledge.set_dns_ports(ports);
    }

    /// Corrects what is added to an event's time to get nanoseconds since the Unix epoch.
    pub const fn set_epoch(&mut self, epoch: u64) {
        self.settings.epoch = epoch;
    }
}
