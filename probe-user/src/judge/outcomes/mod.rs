//! How connections and questions ended, one outcome each, for attribution.
//!
//! An ending is known before the findings about it are: a case is closed seconds after its last piece of
//! evidence. So what has ended waits until it is settled, and takes along what was found.

mod filing;
mod waiting;

use std::net::IpAddr;

use probe_common::{
    event::{DnsEvent, TcpEvent, kind},
    flow::{FlowKey, FlowRecord, Side},
    wire::Address,
};

pub(super) use self::waiting::SETTLED_LATE;
use self::{
    filing::{false_answer, index, path, suffix},
    waiting::{Pending, Subject, Waiting},
};
use super::{Attempt, Knowledge, Settings, bounded::Bounded, compose, ending, hops};
use crate::{
    attribute::{
        outcome::{After, Ending, Icmp, Network, Outcome, Place, Protocol},
        token::Tokens,
    },
    names::dns::{Dns, RCODE_NOERROR, RCODE_NXDOMAIN},
    report::{Finding, finding::Stage},
    sinkholes::is_bogon,
    targets::{Owner, TargetSet},
};

/// A scan has seen what ended so long ago, in nanoseconds: they come every second.
const SCANNED: u64 = 2_000_000_000;

/// Octets of data in a packet that passes every path of IPv6, whose packets of 1,280 octets do (RFC 8200, section 5),
/// and practically every one of IPv4.
pub const SMALL: u32 = 1_280 - 60;

/// Connections of which something is kept until they end, of each kind.
const KEPT_MAX: usize = 16_384;

/// All of them.
#[derive(Debug)]
pub(super) struct Outcomes {
    tokens: Tokens,
    waiting: Waiting,
    /// Of connections by when they were opened: where their first message begins, and whether it is larger than
    /// what passes every path.
    large: Bounded<FlowKey, (u64, u32, bool)>,
    /// Connections that an ICMP error came back about, by when they were opened.
    refused: Bounded<FlowKey, (u64, Icmp)>,
    /// Hops to servers that have said something: whoever is blocked says nothing any more.
    distances: Bounded<Address, u8>,
    /// When the connection was opened that was reported last, by its place in the flow table.
    reported: Vec<u64>,
    /// When the machine woke last; 0: it did not sleep.
    woke: u64,
}

impl Outcomes {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            waiting: Waiting::default(),
            large: Bounded::new(KEPT_MAX),
            refused: Bounded::new(KEPT_MAX),
            distances: Bounded::new(KEPT_MAX),
            reported: Vec::new(),
            woke: 0,
        }
    }

    /// How many connections and servers made way of which something was kept.
    pub(super) const fn evicted(&self) -> u64 {
        self.large.evicted() + self.refused.evicted() + self.distances.evicted()
    }

    /// The machine slept until `at`: how a connection from before ended, or how fast it was, is not counted.
    pub(super) const fn woke(&mut self, at: u64) {
        self.woke = at;
    }

    /// Hears of a finding.
    pub(super) fn note(&mut self, finding: &Finding) {
        self.waiting.note(finding);
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
                let large = event.packet.payload > SMALL;
                let first = (record.opened, event.packet.seq, large);
                let (known, _) = self.large.entry(record.key, || first);
                if known.0 != record.opened {
                    *known = first;
                }
                // One that is sent again is no second one.
                known.2 |= known.1 != event.packet.seq;
            }
            kind::ICMP_ERROR if Side::from_index(event.header.side) == initiator => {
                let source = event.packet.source.ip();
                let server = record.key.end(initiator.other()).0.ip();
                let own = Network::of(source) == Network::of(server)
                    || context.settings.targets.same_origin(source, server);
                if let Some(error) = ending::refusal(&event.packet, own) {
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
                let owner = settings.targets.owner_of_name(trigger.name.as_deref()?)?;
                let service = u16::try_from(owner.place).ok()?;
                let seconds = record.opened.saturating_sub(trigger.time) / 1_000_000_000;
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
        self.waiting.wait(
            Pending { outcome, subject, began, answer: None },
            times,
            settings.telling,
        );
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
        let subject = Subject::new(client, resolver, self.waiting.name(name));
        if !self.waiting.is_new(subject) {
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
        self.waiting.wait(Pending { outcome, subject, began, answer }, times, settings.telling);
    }

    /// Looks at a QUIC connection whose beginning is over.
    pub(super) fn quic(&mut self, attempt: &Attempt, settings: &Settings) {
        let Some(name) = attempt.subject.name.as_deref() else { return };
        let Some(owner) = settings.targets.owner_of_name(name) else { return };
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
            service: u16::try_from(owner.place).unwrap_or(u16::MAX),
            suffix: u16::try_from(owner.suffix).ok(),
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
        self.waiting.wait(
            Pending { outcome, subject, began, answer: None },
            times,
            settings.telling,
        );
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

    /// When the next one is settled.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.waiting.next_due()
    }

    /// Tells what is settled by `now`.
    pub(super) fn settle(&mut self, now: u64) {
        self.waiting.settle(now);
    }

    /// How many are settled, and wait to be taken.
    pub(super) const fn settled(&self) -> usize {
        self.waiting.settled()
    }

    /// Takes the outcomes since the last call.
    pub(super) fn take(&mut self) -> Vec<Outcome> {
        self.waiting.take()
    }

    /// What was given up for want of room.
    pub(super) const fn dropped(&self) -> u64 {
        self.waiting.dropped()
    }
}

/// What is known besides an event.
pub(super) struct Context<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) settings: &'a Settings,
    /// The name that the connection asked for.
    pub(super) name: Option<&'a str>,
}
