//! What clients met where doubtful answers led them.
//!
//! An answer from a network that nobody has heard of in connection with the name may be a cache of a
//! content network inside a provider, and may be a block page. What then stands at the address shows
//! which: it knows the name, or speaks no TLS, or has the certificate of another name, or refuses.

use probe_common::{
    event::{TcpEvent, kind},
    flow::{FlowKey, FlowRecord, Half, Side},
    seq,
    wire::{Address, tcp_flag},
};

use super::{Case, bounded::Bounded};
use crate::{
    names::{
        blockpage::{BlockPages, Scope},
        http,
        stream::Prefix,
        tls::{
            self,
            server::{Flight, UNRECOGNIZED_NAME, covers, flight},
        },
    },
    targets::TargetSet,
};

/// Clients with addresses that doubtful answers led them to.
const DOUBTS_MAX: usize = 16_384;

/// Connections to such addresses that are read at a time.
const VISITS_MAX: usize = 4_096;

/// Addresses of which it is remembered what was met there.
const PLACES_MAX: usize = 16_384;

/// How long a connection still counts as led by an answer, in nanoseconds: clients connect at once, or
/// keep the answer for a while.
pub(super) const LED: u64 = 300_000_000_000;

/// What is in the clear of a connection.
const TLS_HANDSHAKE: u8 = 22;

/// All of it.
#[derive(Debug)]
pub struct Arrivals {
    doubts: Bounded<(Address, Address), Doubt>,
    visits: Bounded<FlowKey, Visit>,
    places: Bounded<Address, Met>,
    /// Clients with places where they met something since the last call of [`Self::take_news`].
    news: Vec<(Address, Address)>,
}

#[derive(Debug)]
struct Doubt {
    name: Box<str>,
    until: u64,
}

/// A connection to a doubtful address.
#[derive(Debug, Default)]
struct Visit {
    opened: u64,
    said: Prefix,
    heard: Prefix,
    told: bool,
}

/// What was met at an address, counted in connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// TLS for the name, as far as can be seen: the certificate is the name's, or hidden.
    pub served: u32,
    /// What no server of the name does, and what was last: another name's certificate, no TLS, a known
    /// block page, an alert that the name is unknown.
    pub strange: u32,
    /// Refused, cut off before an answer, or never answered.
    pub failed: u32,
    /// In words, what was strange.
    pub what: Option<String>,
    /// When the first and the last connection failed.
    failed_at: Option<(u64, u64)>,
}

/// How a connection went.
enum Outcome {
    Served,
    Strange(String),
    Failed,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            doubts: Bounded::new(DOUBTS_MAX),
            visits: Bounded::new(VISITS_MAX),
            places: Bounded::new(PLACES_MAX),
            news: Vec::new(),
        }
    }
}

impl Arrivals {
    /// At `now` an answer for `name` led `client` to `address`, from which the name is not known to be
    /// served.
    pub(super) fn doubt(&mut self, client: Address, address: Address, name: &str, now: u64) {
        let until = now.saturating_add(LED);
        let (doubt, _) =
            self.doubts.entry((client, address), || Doubt { name: name.into(), until });
        doubt.until = until;
        if *doubt.name != *name {
            doubt.name = name.into();
        }
    }

    /// Takes an event of a connection.
    pub(super) fn take(
        &mut self,
        event: &TcpEvent,
        payload: &[u8],
        targets: &TargetSet,
        pages: &BlockPages,
    ) {
        let record = &event.flow;
        let Some((name, client, server)) = self.doubted(record) else { return };
        let (key, opened) = (record.key, record.opened);
        let (visit, _) = self.visits.entry(key, Visit::default);
        if visit.opened != opened {
            *visit = Visit { opened, ..Visit::default() };
        }
        if visit.told {
            return;
        }
        let side = Side::from_index(event.header.side);
        let from_server = side != record.initiator();
        let outcome = match event.header.kind {
            kind::RESET if from_server => visit.cut(record),
            kind::OPENING | kind::ODD if event.packet.payload != 0 => {
                let half = record.half(side);
                let stream = if from_server { &mut visit.heard } else { &mut visit.said };
                if let Some(offset) = offset(event, half) {
                    stream.push(offset, payload);
                }
                if from_server { visit.read(&name, targets, pages) } else { None }
            }
            _ => None,
        };
        if let Some(outcome) = outcome {
            // What it has read is not needed any more.
            *visit = Visit { opened, told: true, ..Visit::default() };
            self.note(client, server, event.packet.time, outcome);
        }
    }

    /// A connection fell silent.
    pub(super) fn silent(&mut self, record: &FlowRecord) {
        let Some((_, client, server)) = self.doubted(record) else { return };
        let visit = self.visits.remove(&record.key).filter(|visit| visit.opened == record.opened);
        let unanswered = record.half(record.initiator().other()).data == 0;
        if unanswered && !visit.is_some_and(|visit| visit.told) {
            self.note(client, server, record.last(), Outcome::Failed);
        }
    }

    /// Whether a doubtful answer led to this connection: the name, the client and the server.
    fn doubted(&self, record: &FlowRecord) -> Option<(Box<str>, Address, Address)> {
        let initiator = record.initiator();
        let (client, server) = (record.key.end(initiator).0, record.key.end(initiator.other()).0);
        let doubt = self.doubts.get(&(client, server))?;
        (record.opened <= doubt.until).then(|| (doubt.name.clone(), client, server))
    }

    fn note(&mut self, client: Address, server: Address, now: u64, outcome: Outcome) {
        let (met, _) = self.places.entry(server, Met::default);
        match outcome {
            Outcome::Served => met.served = met.served.saturating_add(1),
            Outcome::Failed => {
                met.failed = met.failed.saturating_add(1);
                let first = met.failed_at.map_or(now, |(first, _)| first);
                met.failed_at = Some((first, now));
            }
            Outcome::Strange(what) => {
                met.strange = met.strange.saturating_add(1);
                met.what = Some(what);
            }
        }
        self.news.push((client, server));
    }

    /// Whether a doubtful answer led to the connection of a case.
    pub(super) fn is_doubted(&self, case: &Case) -> bool {
        case.before().is_some_and(|record| self.doubted(record).is_some())
    }

    /// What was met at `address`.
    pub fn met(&self, address: Address) -> Option<&Met> {
        self.places.get(&address)
    }

    /// Takes the clients, each with the address at which it met something since the last call.
    pub(super) fn take_news(&mut self) -> Vec<(Address, Address)> {
        std::mem::take(&mut self.news)
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.doubts.evicted() + self.visits.evicted() + self.places.evicted()
    }
}

impl Met {
    /// From the first to the last failed connection, in nanoseconds.
    pub fn failed_for(&self) -> u64 {
        self.failed_at.map_or(0, |(first, last)| last.saturating_sub(first))
    }
}

impl Visit {
    /// The server reset the connection that stands as in `record`.
    fn cut(&self, record: &FlowRecord) -> Option<Outcome> {
        let [client, server] =
            [record.initiator(), record.initiator().other()].map(|side| record.half(side));
        let refused = server.flags & tcp_flag::SYN == 0;
        // After an answer it is the end of a conversation; before the client said a word, its own.
        let unheard = self.heard.bytes().is_empty() && server.data == 0;
        (unheard && (refused || client.data != 0)).then_some(Outcome::Failed)
    }

    /// Reads what the server has said so far.
    fn read(&self, doubted: &str, targets: &TargetSet, pages: &BlockPages) -> Option<Outcome> {
        let (said, heard) = (self.said.bytes(), self.heard.bytes());
        if said.first() == Some(&TLS_HANDSHAKE) {
            let asked = tls::client_hello(said).sni;
            if asked.as_deref().is_some_and(|name| !is_same_service(name, doubted, targets)) {
                return None;
            }
            let name = asked.as_deref().unwrap_or(doubted);
            return match flight(heard) {
                Flight::Unknown => None,
                Flight::Hidden => Some(Outcome::Served),
                Flight::Names(names) if names.is_empty() => None,
                Flight::Names(names) if covers(&names, name) => Some(Outcome::Served),
                Flight::Names(names) => {
                    Some(Outcome::Strange(format!("the certificate is of {}", names[0])))
                }
                Flight::NotTls => Some(Outcome::Strange("no TLS is spoken there".into())),
                Flight::Alert(UNRECOGNIZED_NAME) => {
                    Some(Outcome::Strange("the name is unknown there".into()))
                }
                Flight::Alert(_) => Some(Outcome::Failed),
            };
        }
        let host = http::request(said)?.host;
        if host.as_deref().is_some_and(|name| !is_same_service(name, doubted, targets)) {
            return None;
        }
        let ordered = |scope: Scope| matches!(scope, Scope::Product | Scope::Host);
        let page = pages
            .find(heard, host.as_deref())
            .filter(|page| page.weak.is_none() && !ordered(page.scope))?;
        Some(Outcome::Strange(format!("a block page stands there: {}", page.title)))
    }
}

/// Whether both names are of one service.
fn is_same_service(one: &str, other: &str, targets: &TargetSet) -> bool {
    let id = |name| targets.service_of_name(name).map(|service| service.id.as_str());
    id(one).is_some() && id(one) == id(other)
}

/// Where in its direction a segment's payload stands.
pub(super) fn offset(event: &TcpEvent, half: &Half) -> Option<u32> {
    let start = if half.syn.is_unseen() {
        // Taken up in the middle: what comes first is the beginning.
        if half.data_segments == 0 { event.packet.seq } else { return None }
    } else {
        half.syn.isn.wrapping_add(1)
    };
    u32::try_from(seq::distance(event.packet.seq, start)).ok()
}
