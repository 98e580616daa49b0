//! How connections and questions ended, one outcome each, for attribution.
//!
//! An ending is known before the findings about it are: a case is closed seconds after its last piece of
//! evidence. So what has ended waits until it is settled, and takes along what was found.

use std::{
    collections::{BTreeMap, HashSet},
    hash::BuildHasher as _,
    net::{IpAddr, SocketAddr},
};

use foldhash::fast::RandomState;
use probe_common::{
    event::{DnsEvent, TcpEvent, kind},
    flow::{FlowKey, FlowRecord, Side},
    hash::{HashKey, Sip},
    wire::Address,
};

use super::{
    Attempt, Knowledge, QUIET, Settings, Telling, arrivals::LED, attribution::is_bogon,
    bounded::Bounded, compose, ending, hops,
};
use crate::{
    attribute::{
        outcome::{
            After, Ending, FalseAnswer, Icmp, Network, Outcome, PATHS, Place, Protocol, Trace,
        },
        token::Tokens,
    },
    names::dns::{Dns, RCODE_NOERROR, RCODE_NXDOMAIN},
    report::{
        Finding,
        finding::{self, Stage, Verdict},
    },
    sinkholes::{Scope, Sinkhole},
    targets::{Owner, Service, TargetSet},
};

/// How long after its end something is settled live, in nanoseconds: cases are closed by then, and what
/// a doubtful DNS answer led to is known but for a few.
const SETTLED: u64 = 35_000_000_000;

/// The same in a capture, where doubtful answers are told once, at the end of their time.
pub(super) const SETTLED_LATE: u64 = LED + 2 * QUIET;

/// A scan has seen what ended so long ago, in nanoseconds: they come every second.
const SCANNED: u64 = 2_000_000_000;

/// Endings that wait to be settled: half a minute of 1,800 a second, of watched services alone. The
/// oldest is told with what is known by then.
const PENDING_MAX: usize = 16_384;

/// Outcomes that wait to be taken.
const READY_MAX: usize = 65_536;

/// Findings kept until the ending that they are about is settled.
const NOTED_MAX: usize = 16_384;

/// By how much the clock may have been set in between, in nanoseconds.
const STEP: u64 = 1_000_000_000;

/// How long after what was proven of a connection something else may be found of it, in nanoseconds.
const AFTERMATH: u64 = 120_000_000_000;

/// Detectors whose findings are about a page.
const PAGES: [&str; 2] = ["HTTP_BLOCKPAGE", "FIN_STEAL"];

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Subject {
    client: (Address, u16),
    server: (Address, u16),
    /// Of DNS, what stands for the name; 0 otherwise.
    name: u64,
}

impl Subject {
    fn new(client: SocketAddr, server: SocketAddr, name: u64) -> Self {
        let [client, server] = [client, server].map(|end| (Address::from(end.ip()), end.port()));
        Self { client, server, name }
    }
}

/// What was found, and when.
#[derive(Clone, Copy, Debug)]
struct Noted {
    time: u64,
    trace: Trace,
    ending: Option<Ending>,
}

impl Noted {
    /// Whether it stands although something else was found later: of a connection that was proven to be
    /// interfered with, what is left afterwards is often found to be suspicious as well.
    fn outweighs(&self, later: &Self) -> bool {
        let same = later.time.saturating_sub(self.time) < AFTERMATH;
        let accuses =
            |noted: &Self| !matches!(noted.trace.verdict, Verdict::Suspect | Verdict::Dropped);
        same && accuses(self) && !accuses(later)
    }
}

/// Something that has ended.
#[derive(Debug)]
struct Pending {
    outcome: Outcome,
    subject: Subject,
    /// When it began, nanoseconds since the Unix epoch.
    began: u64,
    /// What it would be called if its answer was false.
    answer: Option<FalseAnswer>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Outcomes {
    tokens: Tokens,
    /// By the time at which they are settled.
    pending: BTreeMap<(u64, u64), Box<Pending>>,
    number: u64,
    noted: Bounded<Subject, Noted>,
    /// What names are told apart by, so that none has to be kept.
    names: RandomState,
    /// Of connections by when they were opened: where their first message begins, and whether it has
    /// several segments.
    large: Bounded<FlowKey, (u64, u32, bool)>,
    /// Connections that an ICMP error came back about, by when they were opened.
    refused: Bounded<FlowKey, (u64, Icmp)>,
    /// Hops to servers that have said something: whoever is blocked says nothing any more.
    distances: Bounded<Address, u8>,
    /// When the connection was opened that was reported last, by its place in the flow table.
    reported: Vec<u64>,
    /// DNS questions that wait.
    asked: HashSet<Subject, RandomState>,
    ready: Vec<Outcome>,
    dropped: u64,
    /// When the machine woke last; 0: it did not sleep.
    woke: u64,
}

impl Outcomes {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            pending: BTreeMap::new(),
            number: 0,
            noted: Bounded::new(NOTED_MAX),
            names: RandomState::default(),
            large: Bounded::new(NOTED_MAX),
            refused: Bounded::new(NOTED_MAX),
            distances: Bounded::new(NOTED_MAX),
            reported: Vec::new(),
            asked: HashSet::default(),
            ready: Vec::new(),
            dropped: 0,
            woke: 0,
        }
    }

    /// The machine slept until `at`: how a connection from before ended, or how fast it was, is not counted.
    pub(super) const fn woke(&mut self, at: u64) {
        self.woke = at;
    }

    /// Hears of a finding.
    pub(super) fn note(&mut self, finding: &Finding) {
        let dns = finding.protocol == finding::Protocol::Dns;
        let name = finding.name.as_deref().filter(|_| dns).map_or(0, |name| self.name(name));
        let trace = Trace {
            verdict: finding.verdict,
            confidence: finding.confidence,
            position: finding.position,
            hops: finding.injector_hops,
        };
        let page = finding.signatures.iter().any(|signature| PAGES.contains(&signature.id));
        let ending = match (finding.verdict, finding.stage) {
            (Verdict::Injected | Verdict::Rewritten, _) if page => Some(Ending::BlockPage),
            (Verdict::Injected | Verdict::Rewritten, Some(stage)) => Some(Ending::Reset { stage }),
            _ => None,
        };
        let noted = Noted { time: finding.time, trace, ending };
        let subject = Subject::new(finding.client, finding.server, name);
        let (known, _) = self.noted.entry(subject, || noted);
        if !known.outweighs(&noted) {
            *known = noted;
        }
    }

    /// What stands for a name; never 0.
    fn name(&self, name: &str) -> u64 {
        self.names.hash_one(name).max(1)
    }

    /// How the connection at `place` of the flow table has ended, if it has and that was not told.
    pub(super) fn ended(&mut self, place: usize, record: &FlowRecord, now: u64) -> Option<Ending> {
        if self.reported.len() <= place {
            self.reported.resize(place + 1, 0);
        }
        if self.reported[place] == record.opened || record.opened < self.woke {
            return None;
        }
        let ending = ending::of(record, now)?;
        self.reported[place] = record.opened;
        Some(ending)
    }

    /// Looks at an event of a connection, before anything else does.
    pub(super) fn tcp(&mut self, event: &TcpEvent, context: &Context<'_>) {
        let (record, now) = (&event.flow, event.packet.time);
        let initiator = record.initiator();
        match event.header.kind {
            kind::OPENING
                if Side::from_index(event.header.side) == initiator
                    && event.packet.payload > 0
                    && record.half(initiator.other()).data_segments == 0 =>
            {
                let first = (record.opened, event.packet.seq, false);
                let (known, _) = self.large.entry(record.key, || first);
                if known.0 != record.opened {
                    *known = first;
                }
                // One that is sent again is no second one.
                known.2 |= known.1 != event.packet.seq;
            }
            kind::ICMP_ERROR if Side::from_index(event.header.side) == initiator => {
                if let Some(error) = ending::refusal(&event.packet) {
                    let (known, _) = self.refused.entry(record.key, || (record.opened, error));
                    *known = (record.opened, error);
                }
            }
            // Unless a scan has seen its end.
            kind::FLOW_END
                if now.saturating_sub(record.last()) < SCANNED && record.opened >= self.woke =>
            {
                if let Some(ending) = ending::of(record, now) {
                    self.connection(record, ending, now, context);
                }
            }
            _ => {}
        }
    }

    /// Takes a connection that has ended.
    pub(super) fn connection(
        &mut self,
        record: &FlowRecord,
        ending: Ending,
        now: u64,
        context: &Context<'_>,
    ) {
        let Context { knowledge, settings, name } = context;
        let Some(service) = compose::service(record, *name, knowledge, settings) else { return };
        let initiator = record.initiator();
        let ends @ [client, server] =
            [record.key.end(initiator), record.key.end(initiator.other())].map(compose::socket);
        let responder = record.half(initiator.other());
        let lead = knowledge.leads().name(
            record.key.end(initiator).0,
            record.key.end(initiator.other()).0,
            record.opened,
        );
        let end = record.key.end(initiator.other());
        let after = knowledge
            .residual()
            .trigger(record.key.end(initiator).0, end, record.opened)
            .and_then(|trigger| {
                let service = settings.targets.service_of_name(trigger.name.as_deref()?)?;
                let seconds = record.opened.saturating_sub(trigger.time) / 1_000_000_000;
                let service = index(&settings.targets, service)?;
                Some(After { service, seconds: u16::try_from(seconds).unwrap_or(u16::MAX) })
            });
        let large = self.large.get(&record.key);
        let large_hello =
            large.is_some_and(|&(opened, _, several)| opened == record.opened && several);
        let refused = self.refused.get(&record.key).filter(|known| known.0 == record.opened);
        let ending = match (ending, refused) {
            (Ending::Silent { .. } | Ending::Abandoned, Some(&(_, error))) => Ending::Icmp(error),
            _ => ending,
        };
        let server_hops = self.server_hops(end.0, responder.hops_min);
        let outcome = Outcome {
            time: record.last().saturating_add(settings.epoch),
            vantage: 0,
            service: index(&settings.targets, service).unwrap_or(u16::MAX),
            suffix: name.or(lead).and_then(|name| suffix(service, name)),
            protocol: if server.port() == 80 { Protocol::TcpHttp } else { Protocol::TcpTls },
            place: self.place(server.ip(), &settings.targets),
            client: self.tokens.of(client.ip(), record.last().saturating_add(settings.epoch)),
            path: path(ends),
            ending,
            finding: None,
            server_hops,
            goodput: ending::goodput(record).filter(|_| ending == Ending::Served),
            after,
            large_hello,
            both_ways: ending::both_ways(record),
        };
        let subject = Subject::new(client, server, 0);
        let began = record.opened.saturating_add(settings.epoch);
        let times = (record.last(), now);
        self.wait(Pending { outcome, subject, began, answer: None }, times, settings.telling);
    }

    /// Hops to a server by the TTL of this connection's packets, or of those before it.
    fn server_hops(&mut self, server: Address, ttl: u8) -> Option<u8> {
        if ttl == 0 {
            return self.distances.get(&server).copied();
        }
        let hops = hops::from_ttl(ttl)?;
        *self.distances.entry(server, || hops).0 = hops;
        Some(hops)
    }

    /// Looks at a DNS reply about a name of `owner`: the first one to a question stands for all.
    pub(super) fn dns(
        &mut self,
        event: &DnsEvent,
        (dns, owner): (&Dns, Owner<'_>),
        knowledge: &Knowledge,
        settings: &Settings,
    ) {
        if event.query.replies != 0 {
            return;
        }
        let Some(name) = dns.qname() else { return };
        let packet = &event.packet;
        let client = compose::socket((packet.destination, packet.destination_port));
        let resolver = compose::socket((packet.source, packet.source_port));
        let subject = Subject::new(client, resolver, self.name(name));
        if !self.asked.insert(subject) {
            return;
        }
        let ending = match dns.rcode {
            RCODE_NOERROR | RCODE_NXDOMAIN => Ending::Served,
            _ => Ending::Error,
        };
        let time = packet.time.saturating_add(settings.epoch);
        let outcome = Outcome {
            time,
            vantage: 0,
            service: u16::try_from(owner.place).unwrap_or(u16::MAX),
            suffix: u16::try_from(owner.suffix).ok(),
            protocol: Protocol::Dns,
            place: self.place(resolver.ip(), &settings.targets),
            client: self.tokens.of(client.ip(), time),
            path: path([client, resolver]),
            ending,
            finding: None,
            server_hops: hops::from_ttl(packet.hops),
            goodput: None,
            after: None,
            large_hello: false,
            both_ways: event.query.asked != 0,
        };
        let asked = if event.query.asked == 0 { packet.time } else { event.query.asked };
        let began = asked.saturating_add(settings.epoch);
        let answer = Some(false_answer(dns, knowledge));
        let times = (packet.time, packet.time);
        self.wait(Pending { outcome, subject, began, answer }, times, settings.telling);
    }

    /// Looks at a QUIC connection whose beginning is over.
    pub(super) fn quic(&mut self, attempt: &Attempt, settings: &Settings) {
        let Some(name) = attempt.subject.name.as_deref() else { return };
        let Some(service) = settings.targets.service_of_name(name) else { return };
        let ends @ [client, server] = [attempt.from(), attempt.to()].map(compose::socket);
        let silence = Ending::Silent { stage: Stage::PostPsh, acknowledged: false };
        let ending = match (attempt.answered, attempt.refused) {
            (Some(_), _) => Ending::Served,
            (None, true) => Ending::Icmp(Icmp::Unreachable),
            // One packet may be lost, and a client that has TCP by then does not try again.
            (None, false) if attempt.flights < 2 => Ending::Abandoned,
            (None, false) => silence,
        };
        let time = attempt.asked.saturating_add(settings.epoch);
        let outcome = Outcome {
            time,
            vantage: 0,
            service: index(&settings.targets, service).unwrap_or(u16::MAX),
            suffix: suffix(service, name),
            protocol: Protocol::Quic,
            place: self.place(server.ip(), &settings.targets),
            client: self.tokens.of(client.ip(), time),
            path: path(ends),
            ending,
            finding: None,
            server_hops: None,
            goodput: None,
            after: None,
            large_hello: attempt.datagrams > attempt.flights,
            both_ways: true,
        };
        let began = attempt.opened.saturating_add(settings.epoch);
        let subject = Subject::new(client, server, 0);
        let times = (attempt.asked, attempt.now);
        self.wait(Pending { outcome, subject, began, answer: None }, times, settings.telling);
    }

    fn place(&self, server: IpAddr, targets: &TargetSet) -> Place {
        // Of a network in the target files it is known whose it is; nothing else is.
        let asn = targets.service_of_address(server).and_then(|service| match service.asns[..] {
            [only] => Some(only),
            _ => None,
        });
        let network = Network::of(server);
        Place { network, asn, server: self.tokens.server(server), local: is_bogon(server) }
    }

    fn wait(&mut self, pending: Pending, (ended, now): (u64, u64), telling: Telling) {
        if self.pending.len() >= PENDING_MAX {
            if let Some((_, early)) = self.pending.pop_first() {
                self.tell(&early);
            }
            self.dropped += 1;
        }
        self.number += 1;
        let wait = if telling == Telling::AtOnce { SETTLED } else { SETTLED_LATE };
        // What is noticed late has waited already.
        let due = ended.saturating_add(wait).max(now);
        self.pending.insert((due, self.number), Box::new(pending));
    }

    /// When the next one is settled.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.pending.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Tells what is settled by `now`.
    pub(super) fn settle(&mut self, now: u64) {
        while let Some(first) = self.pending.first_entry()
            && first.key().0 <= now
        {
            let pending = first.remove();
            self.tell(&pending);
        }
    }

    fn tell(&mut self, pending: &Pending) {
        let Pending { mut outcome, subject, began, answer } = *pending;
        if subject.name != 0 {
            self.asked.remove(&subject);
        }
        // A finding about another connection with the same ports is older.
        if let Some(noted) = self.noted.remove(&subject)
            && noted.time.saturating_add(STEP) >= began
        {
            outcome.finding = Some(noted.trace);
            let accuses = matches!(noted.trace.verdict, Verdict::Injected | Verdict::Lied);
            outcome.ending = match (answer, noted.ending) {
                (Some(answer), _) if accuses => Ending::FalseAnswer(answer),
                (None, Some(ending)) => ending,
                _ => outcome.ending,
            };
            if outcome.ending != Ending::Served {
                outcome.goodput = None;
            }
        }
        if self.ready.len() < READY_MAX {
            self.ready.push(outcome);
        } else {
            self.dropped += 1;
        }
    }

    /// How many wait to be taken.
    pub(super) const fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// Takes the outcomes since the last call.
    pub(super) fn take(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.ready)
    }

    /// What was given up for want of room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped + self.noted.evicted()
    }
}

/// What is known besides an event.
pub(super) struct Context<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) settings: &'a Settings,
    /// The name that the connection asked for.
    pub(super) name: Option<&'a str>,
}

/// The place of one of the `targets` among all.
fn index(targets: &TargetSet, service: &Service) -> Option<u16> {
    let place = targets.services().iter().position(|one| std::ptr::eq(one, service))?;
    u16::try_from(place).ok()
}

/// The place of the suffix that a name falls under.
fn suffix(service: &Service, name: &str) -> Option<u16> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let longest = service
        .suffixes
        .iter()
        .enumerate()
        .filter(|(_, suffix)| {
            let rest = name.strip_suffix(suffix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
        .max_by_key(|(_, suffix)| suffix.len())?;
    u16::try_from(longest.0).ok()
}

/// The bucket of a path. The key is nobody's secret: which bucket is which does not matter.
fn path(ends: [SocketAddr; 2]) -> u8 {
    let mut sip = Sip::new(HashKey { k0: 0, k1: 0 });
    for end in ends {
        let octets = match end.ip() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        sip = sip.word((octets >> 64) as u64).word(octets as u64).word(end.port().into());
    }
    (sip.finish() % u64::from(PATHS)) as u8
}

/// What is false about an answer, if it is.
fn false_answer(dns: &Dns, knowledge: &Knowledge) -> FalseAnswer {
    if dns.rcode == RCODE_NXDOMAIN {
        return FalseAnswer::Denied;
    }
    match dns.addresses().next() {
        None => FalseAnswer::Denied,
        Some(address) if knowledge.truth().sinkhole(address).is_some_and(is_censors) => {
            FalseAnswer::Listed
        }
        Some(address) if is_bogon(address) => FalseAnswer::Bogus,
        Some(address) => FalseAnswer::Elsewhere(Network::of(address)),
    }
}

/// Whether a sinkhole is a censor's: of a product it is whoever ordered it who decides.
fn is_censors(sinkhole: &Sinkhole) -> bool {
    sinkhole.scope != Scope::Product
}
