//! Which packets of a case are kept, and what is said of each.

use std::net::SocketAddr;

use probe_common::{
    flow::{FlowRecord, Half, Side, state},
    wire::{Packet as Wire, option, quirk, tcp_flag},
};

use super::{
    End, Origin, PACKETS_MAX, Packet, Packets, Standing,
    frame::{self, Headers, Segment},
    scrub::{self, Origins},
};
use crate::judge::{Case, Exchange, Reply, Seen, Silent};
use crate::report::finding::Verdict;

/// Rows that a record gives at most: SYN, SYN+ACK, and what each side sent last.
const RECORD_MAX: usize = 4;

/// TTL of what a client sent itself: its own would say where it stands and what it is.
const CLIENT_HOPS: u8 = 64;

/// Window of what a client sent itself, likewise.
const CLIENT_WINDOW: u16 = u16::MAX;

/// What is needed to make packets of one connection.
struct Connection<'a> {
    record: &'a FlowRecord,
    origins: Origins,
    /// The finding's time, by the clock of the packets.
    time: u64,
    /// The name that the client asked for.
    asked: Option<&'a str>,
}

/// The packets of a case at the time of its finding (by the clock of its packets). Those whose
/// [number](Seen::number) is in `marked` (in ascending order) are what `verdict` says.
#[must_use]
pub fn of_case(case: &Case, marked: &[u64], verdict: Verdict, time: u64) -> Packets {
    let (case, marked) = (case.clone(), marked.to_vec());
    Packets::of(move || chosen(&case, &marked, verdict, time))
}

fn chosen(case: &Case, marked: &[u64], verdict: Verdict, time: u64) -> Vec<Packet> {
    let Some(record) = case.before() else { return Vec::new() };
    let mut seen: Vec<&Seen> = [Side::Low, Side::High]
        .into_iter()
        .flat_map(|side| case.resets_of(side).chain(case.after_of(side)))
        .chain(case.content())
        .collect();
    seen.sort_by_key(|seen| (seen.packet().time, seen.number()));
    seen.dedup_by_key(|seen| seen.number());
    let connection = Connection {
        record,
        origins: origins(record, seen.first().copied()),
        time,
        asked: case.subject.name.as_deref(),
    };
    let mut packets = connection.recorded(false);
    let left_out = leave_out(&mut seen, marked, PACKETS_MAX - packets.len().min(RECORD_MAX));
    packets.extend(seen.iter().map(|seen| connection.packet(seen, marked, verdict)));
    finish(packets, left_out)
}

/// What is known of the packets of a connection that fell silent: its record.
#[must_use]
pub fn of_silent(silent: &Silent) -> Packets {
    let (record, time) = (silent.record, silent.now);
    Packets::of(move || {
        let origins = origins(&record, None);
        finish(Connection { record: &record, origins, time, asked: None }.recorded(true), 0)
    })
}

/// The replies to a question, of which those `marked` are what `verdict` says, and the question as far as its
/// record knows it. Of what a marked reply says, which repeats the question, octets are kept only if the
/// name is a `common` one; none of a reply over TCP.
#[must_use]
pub fn of_exchange(
    exchange: &Exchange,
    marked: &[&Reply],
    verdict: Verdict,
    common: bool,
    time: u64,
) -> Packets {
    if let [reply] = &exchange.replies[..]
        && let Some(first) = reply.carried().first()
    {
        let standing = if marked.is_empty() { Standing::Genuine } else { Standing::of(verdict) };
        return of_stream(reply, first, standing, common, time).into();
    }
    let (address, port) = exchange.resolver();
    let server = SocketAddr::new(address.ip(), port);
    let headers = Headers {
        server,
        from: End::Client,
        hops: CLIENT_HOPS,
        class: 0,
        ip_id: 0,
        df: true,
        flow_label: 0,
        tcp: None,
        length: 0,
        payload: &[],
    };
    let asked = exchange.replies.iter().find_map(Reply::asked).map(|query| {
        let length = query.query_len.into();
        Packet {
            offset: since(query.asked, time),
            from: End::Client,
            standing: Standing::Genuine,
            origin: Origin::Record,
            bytes: frame::build(&Headers { length, ..headers }),
            note: "asked".to_owned(),
        }
    });
    let room = PACKETS_MAX - usize::from(asked.is_some());
    let mut packets: Vec<Packet> = asked.into_iter().collect();
    for reply in exchange.replies.iter().take(room) {
        let is_marked = marked.iter().any(|one| std::ptr::eq(*one, reply));
        let standing = if is_marked { Standing::of(verdict) } else { Standing::Genuine };
        packets.push(self::reply(reply, server, standing, common, time));
    }
    finish(packets, exchange.replies.len().saturating_sub(room)).into()
}

/// The connection over which a question was asked, and the segments of the reply.
fn of_stream(
    reply: &Reply,
    first: &Seen,
    standing: Standing,
    common: bool,
    time: u64,
) -> Vec<Packet> {
    let record = first.flow();
    let origins = origins(record, Some(first));
    let connection = Connection { record, origins, time, asked: None };
    let mut packets = connection.recorded(false);
    for seen in reply.carried() {
        packets.push(Packet { standing, ..connection.packet(seen, &[], Verdict::Suspect) });
    }
    if common && let Some(last) = packets.last_mut() {
        last.note = reply.answer();
    }
    finish(packets, 0)
}

fn reply(reply: &Reply, server: SocketAddr, standing: Standing, common: bool, time: u64) -> Packet {
    let wire = reply.packet();
    // Options of EDNS may have the network of the client in them (RFC 7871).
    let shown = standing != Standing::Genuine
        && common
        && reply.dns.opt.as_ref().is_none_or(|opt| opt.options_len == 0);
    let payload = if shown {
        scrub::payload(&reply.payload, wire.destination.ip(), None)
    } else {
        Vec::new()
    };
    let headers = Headers {
        server,
        from: End::Server,
        hops: wire.hops,
        class: wire.class,
        ip_id: wire.ip_id,
        df: wire.quirks & quirk::DF != 0,
        flow_label: wire.flow_label,
        tcp: None,
        length: wire.payload,
        payload: &payload,
    };
    Packet {
        offset: since(wire.time, time),
        from: End::Server,
        standing,
        origin: if reply.is_untold() { Origin::Record } else { Origin::Packet },
        bytes: frame::build(&headers),
        note: if common { reply.answer() } else { String::new() },
    }
}

/// Nobody follows anything for 292 years.
const fn since(time: u64, from: u64) -> i64 {
    time.cast_signed().wrapping_sub(from.cast_signed())
}

/// Leaves out what there is no room for: of forged packets the later, of others those farthest from
/// the first forged one. Returns how many went.
fn leave_out(seen: &mut Vec<&Seen>, marked: &[u64], room: usize) -> usize {
    let is_forged = |seen: &Seen| marked.binary_search(&seen.number()).is_ok();
    let moment = seen.iter().find(|seen| is_forged(seen)).map_or(0, |seen| seen.packet().time);
    let all = seen.len();
    // Half of the room is for what the forged ones stand beside.
    let burst = seen.iter().filter(|seen| is_forged(seen)).count().min(room.div_ceil(2));
    let others = (all - burst).min(room - burst);
    let mut order: Vec<&Seen> = seen.iter().copied().filter(|seen| !is_forged(seen)).collect();
    order.sort_by_key(|seen| (seen.packet().time.abs_diff(moment), seen.number()));
    let mut kept: Vec<u64> = order.iter().take(others).map(|seen| seen.number()).collect();
    let burst = room - kept.len();
    kept.extend(seen.iter().filter(|seen| is_forged(seen)).take(burst).map(|seen| seen.number()));
    seen.retain(|seen| kept.contains(&seen.number()));
    all - seen.len()
}

/// Puts packets in order, and says what is missing.
fn finish(mut packets: Vec<Packet>, left_out: usize) -> Vec<Packet> {
    packets.sort_by_key(|packet| packet.offset);
    if left_out > 0
        && let Some(last) = packets.last_mut()
    {
        let separator = if last.note.is_empty() { "" } else { "; " };
        let word = if left_out == 1 { "packet is" } else { "packets are" };
        last.note.push_str(&format!("{separator}{left_out} more {word} left out"));
    }
    packets
}

/// Where numbers begin: at what the SYNs said; of a connection taken up in the middle, where it was
/// taken up.
fn origins(record: &FlowRecord, first: Option<&Seen>) -> Origins {
    let initiator = record.initiator();
    let of = |side: Side| {
        let (half, other) = (record.half(side), record.half(side.other()));
        if !half.syn.is_unseen() {
            half.syn.isn
        } else if other.has_acked() {
            // The peer's number of what comes next, less the one of a SYN.
            other.acked.wrapping_sub(1)
        } else if let Some(first) = first.filter(|first| first.side() == side) {
            first.packet().seq.wrapping_sub(1)
        } else if half.has_baseline() {
            half.end.wrapping_sub(1)
        } else {
            0
        }
    };
    Origins {
        seq: [of(initiator), of(initiator.other())],
        stamp: [initiator, initiator.other()].map(|side| record.half(side).ts_value),
    }
}

impl Connection<'_> {
    fn end(&self, side: Side) -> End {
        if side == self.record.initiator() { End::Client } else { End::Server }
    }

    fn half(&self, end: End) -> &Half {
        let initiator = self.record.initiator();
        self.record.half(if end == End::Client { initiator } else { initiator.other() })
    }

    fn server(&self) -> SocketAddr {
        let (address, port) = self.record.key.end(self.record.initiator().other());
        SocketAddr::new(address.ip(), port)
    }

    fn client(&self) -> std::net::IpAddr {
        self.record.key.end(self.record.initiator()).0.ip()
    }

    fn offset(&self, time: u64) -> i64 {
        since(time, self.time)
    }

    /// A packet that was kept with the case.
    fn packet(&self, seen: &Seen, marked: &[u64], verdict: Verdict) -> Packet {
        let (wire, from) = (seen.packet(), self.end(seen.side()));
        let is_marked = marked.binary_search(&seen.number()).is_ok();
        let standing = if is_marked { Standing::of(verdict) } else { Standing::Genuine };
        let own = from == End::Client && !standing.accuses();
        // A reset that was made out of a packet may still have what the server said in that packet.
        let foreign = match standing {
            Standing::Forged => true,
            Standing::Rewritten => !wire.has(tcp_flag::RST),
            Standing::Questioned | Standing::Genuine => false,
        };
        let payload = if foreign {
            scrub::payload(&seen.payload, self.client(), self.asked)
        } else {
            Vec::new()
        };
        let options: Vec<u8> =
            wire.raw_options.iter().flat_map(|word| word.to_be_bytes()).collect();
        let options = &options[..usize::from(wire.options_len).min(options.len())];
        let segment = Segment {
            seq: self.origins.seq(from, wire.seq),
            ack: self.origins.ack(from, wire.ack),
            flags: wire.flags,
            window: if own { CLIENT_WINDOW } else { wire.window },
            urgent: wire.urgent,
            options: if own { Vec::new() } else { self.origins.options(from, options) },
        };
        let headers = Headers {
            server: self.server(),
            from,
            hops: if own { CLIENT_HOPS } else { wire.hops },
            class: if own { 0 } else { wire.class },
            ip_id: if own { 0 } else { wire.ip_id },
            df: own || wire.quirks & quirk::DF != 0,
            flow_label: if own { 0 } else { wire.flow_label },
            tcp: Some(segment),
            length: wire.payload,
            payload: &payload,
        };
        Packet {
            offset: self.offset(wire.time),
            from,
            standing,
            origin: Origin::Packet,
            bytes: frame::build(&headers),
            note: oddities(wire),
        }
    }

    /// What the record, which is as old as the first piece of evidence, knows: of a handshake, and of what
    /// the client (of both sides, if `both`) had sent by then.
    fn recorded(&self, both: bool) -> Vec<Packet> {
        let mut packets = Vec::new();
        for end in [End::Client, End::Server] {
            if !self.half(end).syn.is_unseen() {
                packets.push(self.syn(end));
            }
            if self.half(end).data != 0 && (both || end == End::Client) {
                packets.push(self.data(end));
            }
        }
        packets
    }

    fn rebuilt(&self, from: End, time: u64, segment: Segment, length: u32, note: String) -> Packet {
        let half = self.half(from);
        let own = from == End::Client;
        let syn = segment.flags & tcp_flag::SYN != 0;
        let mark = &half.syn;
        let headers = Headers {
            server: self.server(),
            from,
            hops: match (own, syn) {
                (true, _) => CLIENT_HOPS,
                (false, true) => mark.hops,
                (false, false) => half.hops_max,
            },
            class: if own || syn { 0 } else { half.class },
            ip_id: match (own, syn) {
                (true, _) => 0,
                (false, true) => mark.ip_id,
                (false, false) => half.data_ip_id,
            },
            df: own || mark.df(),
            flow_label: if own { 0 } else { half.flow_label },
            tcp: Some(segment),
            length,
            payload: &[],
        };
        Packet {
            offset: self.offset(time),
            from,
            standing: Standing::Genuine,
            origin: Origin::Record,
            bytes: frame::build(&headers),
            note,
        }
    }

    fn syn(&self, from: End) -> Packet {
        let (half, answers) = (self.half(from), from == End::Server);
        let mark = &half.syn;
        let segment = Segment {
            seq: 0,
            ack: u32::from(answers),
            flags: if answers { tcp_flag::SYN | tcp_flag::ACK } else { tcp_flag::SYN },
            window: if answers { mark.window } else { CLIENT_WINDOW },
            urgent: 0,
            options: if answers {
                syn_options(mark.options, mark.mss, mark.window_scale)
            } else {
                Vec::new()
            },
        };
        let repeated = !answers && self.record.is(state::SYN_REPEATED);
        let note = if repeated { "sent more than once".to_owned() } else { String::new() };
        self.rebuilt(from, half.first, segment, 0, note)
    }

    /// All that a side sent, as one segment at the time of its last.
    fn data(&self, from: End) -> Packet {
        let half = self.half(from);
        let end = self.origins.seq(from, half.end);
        // FIN and a SYN's number are no payload.
        let length = half.octets.min(end.wrapping_sub(1)).min(u32::from(u16::MAX));
        let segment = Segment {
            seq: end.wrapping_sub(length),
            ack: if half.has_acked() { self.origins.ack(from, half.acked) } else { 0 },
            flags: tcp_flag::PSH | tcp_flag::ACK,
            window: if from == End::Client { CLIENT_WINDOW } else { half.window },
            urgent: 0,
            options: Vec::new(),
        };
        let mut note = match half.data_segments {
            0 | 1 => "its only data".to_owned(),
            many => format!("its data up to here, {many} segments in one"),
        };
        match half.repeated {
            0 => {}
            1 => note.push_str(", one segment sent again"),
            many => note.push_str(&format!(", {many} segments sent again")),
        }
        self.rebuilt(from, half.data, segment, length, note)
    }
}

/// The options of a SYN+ACK, as far as its record has them.
fn syn_options(options: u8, mss: u16, scale: u8) -> Vec<u8> {
    let mut list = Vec::new();
    if options & option::MSS != 0 {
        list.extend([2, 4]);
        list.extend(mss.to_be_bytes());
    }
    if options & option::SACK_PERMITTED != 0 {
        list.extend([1, 1, 4, 2]);
    }
    if options & option::WINDOW_SCALE != 0 {
        list.extend([1, 3, 3, scale]);
    }
    list
}

/// What is odd about a packet and cannot be rebuilt.
fn oddities(wire: &Wire) -> String {
    const KNOWN: [(u32, &str); 9] = [
        (quirk::MORE_FRAGMENTS, "a first fragment"),
        (quirk::IP_RESERVED, "the reserved IP flag set"),
        (quirk::IP_OPTIONS, "IP options"),
        (quirk::EXTENSIONS, "IPv6 extension headers"),
        (quirk::TUNNEL, "inside a tunnel"),
        (quirk::SHORT, "shorter than its IP header says"),
        (quirk::TCP_LENGTH, "a wrong TCP header length"),
        (quirk::PPPOE, "in PPPoE"),
        (quirk::MPLS, "in MPLS"),
    ];
    let odd: Vec<&str> =
        KNOWN.iter().filter(|(bit, _)| wire.quirks & bit != 0).map(|(_, words)| *words).collect();
    if odd.is_empty() { String::new() } else { format!("as seen: {}", odd.join(", ")) }
}
