//! One TCP connection as the judge sees it: what it asked for, what it was answered, what is held
//! against it.

use probe_common::{
    event::{OPENING_WINDOW, TcpEvent},
    flow::{FlowKey, Side},
    seq,
    wire::tcp_flag,
};

use super::{
    Knowledge, Settings,
    case::{Case, Seen, Subject, label},
    compose,
    decision::Decision,
    hello::Traits,
};
use crate::{
    detect::{fin_steal, foreign_data, http_blockpage, payload_conflict},
    names::{
        dns::{Dns, tcp},
        http,
        stream::Prefix,
        tls,
    },
    report::{Finding, finding::Told},
};

/// Segments kept of what a responder said first: those of the 4 KiB that are captured, and as many
/// again for what contradicts them.
pub(super) const PIECES_MAX: usize = 8;

/// What is kept of one connection.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// When the record was opened: tells apart connections on the same ports.
    pub(super) opened: u64,
    pub(super) name: Option<Box<str>>,
    /// What its hello says besides, once it was seen to its end.
    pub(super) traits: Option<Traits>,
    /// Beginning of what the initiator sent, until it has said what it wants.
    prefix: Option<Box<Prefix>>,
    /// Nothing more is to be read of it.
    read: bool,
    /// What the responder said first, until it is known to be uncontested.
    pub(super) response: Vec<Seen>,
    /// Whether it is known by now that the responder answered this name, or that it was cut off.
    pub(super) counted: bool,
    pub(super) case: Option<Box<Case>>,
}

impl Flow {
    /// A connection whose record was opened at `opened`.
    pub(super) fn new(opened: u64) -> Self {
        Self { opened, ..Self::default() }
    }

    /// Reads the name that the initiator asks for out of what it sends first. Says whether its hello is
    /// whole now, and was not before.
    pub(super) fn read(&mut self, event: &TcpEvent, payload: &[u8], knowledge: &Knowledge) -> bool {
        if self.read {
            return false;
        }
        let record = &event.flow;
        let side = Side::from_index(event.header.side);
        let half = record.half(side);
        let start = if half.syn.is_unseen() {
            // Taken up in the middle: what comes first is the beginning.
            if half.data_segments == 0 { event.packet.seq } else { half.end }
        } else {
            half.syn.isn.wrapping_add(1)
        };
        let Ok(offset) = u32::try_from(seq::distance(event.packet.seq, start)) else {
            return false;
        };
        let prefix = self.prefix.get_or_insert_default();
        prefix.push(offset, payload);
        // What begins beyond is not told.
        let told = prefix.bytes().len() >= OPENING_WINDOW as usize;
        let server = record.key.end(record.initiator().other());
        if knowledge.is_dns_port(server.1) {
            // Of several questions the first of a watched name, or control.
            let names =
                tcp::messages(prefix.bytes()).filter_map(|message| Dns::parse(message).ok());
            let names: Vec<String> = names.filter_map(|dns| Some(dns.question?.name)).collect();
            let watched = |name: &&String| knowledge.targets().service_of_name(name).is_some();
            let found = names.iter().find(watched);
            self.name = found.or(names.first()).map(|name| name.as_str().into());
            if found.is_some() || told {
                self.stop_reading();
            }
            return false;
        }
        let hello = tls::client_hello(prefix.bytes());
        let whole = hello.state == tls::State::Complete;
        if whole {
            self.traits = Some(Traits::of(&hello));
        }
        if self.name.is_none() {
            let asked = hello
                .sni
                .or_else(|| http::request(prefix.bytes()).and_then(|request| request.host));
            self.name = asked.map(String::into_boxed_str);
        }
        // After the name of a hello comes what else it says.
        let not_tls = hello.state == tls::State::NotTls;
        let named = self.name.is_some() && not_tls;
        if whole || named || told || not_tls && !http::goes_on(prefix.bytes()) {
            self.stop_reading();
        }
        whole
    }

    /// Reads no further what the initiator says, and gives up what was kept of it. Says whether there was any.
    pub(super) fn stop_reading(&mut self) -> bool {
        self.read = true;
        self.prefix.take().is_some()
    }

    /// Whether there is something half read.
    pub(super) const fn is_reading(&self) -> bool {
        self.prefix.is_some()
    }

    /// What to tell it by from others at the same address.
    pub(super) fn label(&self) -> Option<&str> {
        label(self.name.as_deref(), self.traits.as_ref())
    }

    /// Keeps a segment of what the responder says first. Says whether it makes the connection
    /// suspicious: it contradicts an earlier one, lies beyond the end that one has set, is foreign by its
    /// headers, or begins a known block page.
    pub(super) fn hear(&mut self, seen: Seen, knowledge: &Knowledge) -> bool {
        let earlier = match &self.case {
            Some(case) => case.content(),
            None => &self.response,
        };
        let suspicious = payload_conflict::conflict(earlier, &seen).is_some()
            || earlier.iter().any(|fin| fin_steal::goes_on(fin, &seen))
            || foreign_data::is_suspicious(&seen)
            || http_blockpage::is_page(&seen, self.name.as_deref(), knowledge);
        match &mut self.case {
            Some(case) => case.add_content([seen]),
            None => {
                // What it said first makes way for what it says now: each response of a connection
                // that is kept open may be somebody else's.
                if self.response.len() == PIECES_MAX {
                    self.response.remove(0);
                }
                self.response.push(seen);
            }
        }
        suspicious
    }

    /// The case against this connection, opened if there was none.
    pub(super) fn open_case(&mut self, key: FlowKey) -> &mut Case {
        let response = &mut self.response;
        self.case.get_or_insert_with(|| {
            let mut case = Case::new(key);
            case.add_content(response.drain(..));
            Box::new(case)
        })
    }

    /// What the connection is about, for the client and server that it is between.
    pub(super) fn subject(
        &self,
        record: &probe_common::flow::FlowRecord,
        knowledge: &Knowledge,
        settings: &Settings,
    ) -> Subject {
        let service = compose::service(record, self.name.as_deref(), knowledge, settings);
        let watched = service.is_some_and(|service| !service.is_control());
        let (name, traits) = (self.name.as_deref().map(str::to_owned), self.traits);
        let initiator = record.initiator();
        let (client, server) = (record.key.end(initiator).0, record.key.end(initiator.other()).0);
        let ech =
            traits.and_then(|t| knowledge.ech(name.as_deref(), &t, client, server, record.opened));
        Subject { name, watched, traits, ech }
    }
}

/// Tells of a decision on a case, unless the same or more has been told already; returns what was told
/// now.
pub(super) fn tell_of(
    case: &Case,
    (decision, side): &(Decision<'_>, Side),
    knowledge: &Knowledge,
    settings: &Settings,
    tell: &mut impl FnMut(Finding),
) -> Option<Told> {
    if case.told.is_some_and(|told| !decision.revises(told)) {
        return None;
    }
    let finding = compose::finding(case, *side, decision, knowledge, settings);
    tell(Finding { revises: case.told, ..finding });
    Some(decision.told())
}

/// Whether a segment carries payload and claims to come from the responder.
pub(super) fn is_answer(event: &TcpEvent) -> bool {
    let side = Side::from_index(event.header.side);
    event.packet.payload != 0 && side != event.flow.initiator() && !event.packet.has(tcp_flag::RST)
}
