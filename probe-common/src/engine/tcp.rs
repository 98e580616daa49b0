//! TCP segments: which are looked at, what is told of them, and the flow's record after them.

use super::{
    Engine, NOTHING, Output, Stamp, captured, forget,
    segment::{in_opening, is_complete, is_odd, is_reuse, stage_counter},
};
use crate::{
    config::Config,
    counter::Counter,
    event::{Class, Message, OPENING_CAPTURE, TcpEvent, kind},
    flow::{self, Flow, FlowKey, FlowRecord, FlowStore, Side, Stage, state},
    set::WAYS,
    tells::{self, tell},
    wire::{self, Located, Octets, Packet, tcp, tcp_flag},
    words,
};

/// Segments that are told of, for each side, once a connection has been reset: a forged reset that
/// both ends ignore must not turn a download into a flood of events.
const AFTER_MAX: u16 = 16;

/// How long ago the last packet of a connection was that still goes on, in nanoseconds.
const LIVELY: u64 = 10_000_000_000;

/// Beside the place of a connection: it was on record before.
const KNOWN: u16 = 1 << 15;

/// Whether a segment of a flow that need not be watched is to be looked at all the same: it opens
/// or resets a connection, begins a conversation, carries DNS, or concerns a watched address.
#[inline(always)]
pub(super) fn interesting<O: Octets, S: Output<O>>(
    octets: &O,
    found: &Located,
    config: &Config,
    output: &S,
) -> Result<bool, Counter> {
    let flags = tcp::flags(octets, found).ok_or(Counter::Truncated)?;
    // A FIN says nothing that the judge needs of an unwatched flow.
    if flags & (tcp_flag::SYN | tcp_flag::RST) != 0 {
        return Ok(true);
    }
    let (source, destination) = wire::ip::addresses(octets, found).ok_or(Counter::Truncated)?;
    let (from, to) = wire::dns::ports(octets, found).ok_or(Counter::Truncated)?;
    if config.is_dns(from, to) {
        return Ok(true);
    }
    // Servers listen on the lower port; what is watched are servers. See `is_watched`.
    if output.watched(if from < to { source } else { destination }) {
        return Ok(true);
    }
    let header = tcp::header_len(octets, found).ok_or(Counter::Truncated)?;
    if found.length > header && from > to && output.awaited(source, from) {
        return Ok(true);
    }
    if found.length < header + 8 {
        return Ok(false);
    }
    let Some(begins) = octets.u64(found.at + header) else { return Ok(false) };
    Ok(tcp::opens_conversation((begins >> 32) as u32, begins as u32))
}

impl<F: FlowStore, D, R, Q, S> Engine<'_, F, D, R, Q, S> {
    /// Reads a segment, finds or opens its flow's record, tells what is to be told, and brings the
    /// record up to date.
    #[inline(always)]
    pub(super) fn segment<O: Octets>(
        &mut self,
        octets: &O,
        found: &Located,
        stamp: Stamp,
    ) -> Result<(), Counter>
    where
        S: Output<O>,
    {
        let Self { config, flows, output, scratch, .. } = self;
        let message = &mut scratch.tcp;
        let packet = &mut message.event.packet;
        tcp::describe(octets, found, packet).ok_or(Counter::Truncated)?;
        output.count(Counter::TcpSegments, 1);
        stamp.mark(packet);
        if packet.has(tcp_flag::RST) {
            output.count(Counter::Resets, 1);
        }
        let (key, side) = FlowKey::of(packet);
        message.event.header.begin(stamp.frame, side);
        let hash = key.hash(config.hash_key, 0);
        let watched = config.watch_all()
            || is_dns(config, &message.event.packet)
            || is_watched(&message.event.packet, &**output);
        let cell = &mut scratch.cell;
        let mut teller = Teller { message, output: &mut **output, config, octets, watched, cell };
        teller.follow(*flows, hash, key, side)
    }
}

/// What is at hand once a segment has been read.
pub(super) struct Teller<'a, O, S> {
    pub(super) message: &'a mut Message<TcpEvent>,
    pub(super) output: &'a mut S,
    pub(super) config: &'a Config,
    pub(super) octets: &'a O,
    /// Whether all segments of the connection are looked at from now on.
    pub(super) watched: bool,
    /// Memory to pass answers through: see [`forget`].
    pub(super) cell: &'a mut u64,
}

/// Whether a connection is to a port where DNS is spoken: it is followed, whoever it is with.
#[inline(always)]
const fn is_dns(config: &Config, packet: &Packet) -> bool {
    config.is_dns(packet.source_port, packet.destination_port)
}

/// Whether all segments of a packet's connection are looked at: [`interesting`] asks for the end on the
/// lower port, so the other end's being watched is not enough.
#[inline(always)]
fn is_watched<O: Octets, S: Output<O>>(packet: &Packet, output: &S) -> bool {
    let (from, to) = (packet.source_port, packet.destination_port);
    (from > to || output.watched(packet.source))
        && (from < to || output.watched(packet.destination))
}

impl<O: Octets, S: Output<O>> Teller<'_, O, S> {
    #[inline(always)]
    fn packet(&self) -> &Packet {
        &self.message.event.packet
    }

    #[inline(always)]
    fn follow<F: FlowStore>(
        &mut self,
        flows: &mut F,
        hash: u64,
        key: FlowKey,
        side: Side,
    ) -> Result<(), Counter> {
        let index = hash as u32 & self.config.flow_mask;
        let flags = self.packet().flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST);
        let opens = flags == tcp_flag::SYN;
        let mut way = WAYS;
        // That there is none, which is asked of these only, is known without its record.
        let strange = flags & (tcp_flag::SYN | tcp_flag::RST) != 0;
        if !strange || flows.flow_set(index).ok_or(Counter::Internal)?.tags.may_have(hash) {
            let block = flows.flow_block(index).ok_or(Counter::Internal)?;
            way = block.place(hash).unwrap_or(WAYS);
        }
        // Else the verifier would follow all that comes for each of the set's places.
        way = usize::from(forget(self.cell, way as u16));
        let known = way < WAYS;
        if known {
            let block = flows.flow_block(index).ok_or(Counter::Internal)?;
            let mut flow = block.at(way).ok_or(Counter::Internal)?;
            flow.complete();
            let torn = *flow.torn != 0;
            if torn || opens && is_reuse(flow.record, self.packet(), side) {
                if !torn {
                    self.output.count(Counter::TcpPortReuse, 1);
                    let awaited = flow.is(state::FOLLOWED);
                    self.end(flow.record, awaited);
                }
                self.open(&mut flow, key, side);
            }
        } else {
            if !opens && !self.worth_opening() {
                return Ok(());
            }
            let Some((at, claim)) = self.claim(flows, index, hash)? else { return Ok(()) };
            way = at;
            let block = flows.flow_block(index).ok_or(Counter::Internal)?;
            let mut flow = block.at(way).ok_or(Counter::Internal)?;
            if claim.evicted {
                self.output.count(Counter::FlowsEvicted, 1);
                if *flow.torn == 0 {
                    // Of others the record is not even looked at.
                    let since = || self.packet().time.saturating_sub(flow.record.last());
                    let over = *flow.state & (state::FIN | state::RESET) != 0;
                    if claim.awaited && !over && since() < LIVELY {
                        self.output.count(Counter::FlowsCutShort, 1);
                    }
                    self.end(flow.record, claim.awaited);
                }
            }
            self.open(&mut flow, key, side);
        }
        let found = forget(self.cell, (way & (WAYS - 1)) as u16 | if known { KNOWN } else { 0 });
        let (way, known) = (usize::from(found) & (WAYS - 1), found & KNOWN != 0);
        let block = flows.flow_block(index).ok_or(Counter::Internal)?;
        let mut flow = block.at(way).ok_or(Counter::Internal)?;
        let (before, last) = (*flow.state, flow.record.half(side).last);
        self.tell(&mut flow, side);
        let packet = &self.message.event.packet;
        flow.update(packet, side);
        let after = *flow.state;
        if before != after || flow::step(last) != flow::step(packet.time) {
            let set = flows.flow_set(index).ok_or(Counter::Internal)?;
            set.ages.note(way, after, packet.time, known);
        }
        if known {
            // What has been written is to be seen by all before the place is looked at again.
            F::add(self.cell, 0);
            if flows.flow_block(index).ok_or(Counter::Internal)?.tear(way, hash) {
                self.output.count(Counter::FlowsTorn, 1);
            }
        } else {
            flows.flow_turn(index).ok_or(Counter::Internal)?.end();
        }
        Ok(())
    }

    /// Claims a place for a connection that has none, and with it the turn to open a record in its set.
    /// `None` if another CPU has the turn, or has just opened a record for this very connection; or if all
    /// that are there are worth more.
    #[inline(always)]
    fn claim<F: FlowStore>(
        &mut self,
        flows: &mut F,
        index: u32,
        hash: u64,
    ) -> Result<Option<(usize, flow::Claim)>, Counter> {
        if !flows.flow_turn(index).ok_or(Counter::Internal)?.take::<F>() {
            self.output.count(Counter::FlowsContended, 1);
            return Ok(None);
        }
        let may_have = flows.flow_set(index).ok_or(Counter::Internal)?.tags.may_have(hash);
        if may_have && flows.flow_block(index).ok_or(Counter::Internal)?.place(hash).is_some() {
            flows.flow_turn(index).ok_or(Counter::Internal)?.end();
            self.output.count(Counter::FlowsContended, 1);
            return Ok(None);
        }
        let set = flows.flow_set(index).ok_or(Counter::Internal)?;
        let way = set.choose(hash, self.packet().time, self.is_sought()).unwrap_or(WAYS);
        let way = usize::from(forget(self.cell, way as u16));
        if way >= WAYS {
            flows.flow_turn(index).ok_or(Counter::Internal)?.end();
            self.output.count(Counter::FlowsRefused, 1);
            return Ok(None);
        }
        let set = flows.flow_set(index).ok_or(Counter::Internal)?;
        let claim = set.claim(way, hash);
        let block = flows.flow_block(index).ok_or(Counter::Internal)?;
        *block.tags.get_mut(way).ok_or(Counter::Internal)? = hash;
        Ok(Some((way, claim)))
    }

    /// Whether a segment that is no SYN deserves a record of its own: SYN+ACKs always (the SYN may
    /// have gone another way), the middle of a conversation if it is watched, a lone reset never.
    #[inline(always)]
    fn worth_opening(&mut self) -> bool {
        if self.packet().has(tcp_flag::RST) {
            self.output.count(Counter::ResetsUnknown, 1);
            return false;
        }
        self.watched || self.packet().has(tcp_flag::SYN)
    }

    /// Whether the segment begins a connection that is followed from then on.
    #[inline(always)]
    fn is_sought(&self) -> bool {
        self.watched && self.packet().flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
    }

    /// Looks at all segments of the connection from now on, and of others with the same server.
    #[inline(always)]
    fn watch(&mut self) {
        if self.watched {
            return;
        }
        self.watched = true;
        let packet = &self.message.event.packet;
        let (from, to) = (packet.source_port, packet.destination_port);
        if from <= to {
            self.output.watch(packet.source);
        }
        if from >= to {
            self.output.watch(packet.destination);
        }
    }

    #[inline(always)]
    fn open(&mut self, flow: &mut Flow<'_>, key: FlowKey, side: Side) {
        flow.open(key, self.packet(), side);
        if !self.packet().has(tcp_flag::SYN) {
            self.output.count(Counter::TcpMidstream, 1);
            return;
        }
        self.output.count(Counter::TcpFlows, 1);
        if self.is_sought() {
            flow.add(state::FOLLOWED);
        }
    }

    /// Tells of the segment if it is a reset, comes after one, or begins the conversation.
    #[inline(always)]
    fn tell(&mut self, flow: &mut Flow<'_>, side: Side) {
        // Through memory: there are many reasons to tell, and the verifier would follow the telling
        // once for each.
        let reason = self.reason(flow, side);
        let kind = forget(self.cell, reason);
        if kind == NOTHING {
            return;
        }
        let opening = kind == kind::OPENING;
        let event = &mut self.message.event;
        if opening {
            words::clear(&mut event.tells);
        } else {
            tells::measure(&event.packet, flow.record, side, &mut event.tells);
        }
        let told = self.watched
            || opening
            || flow.is(state::FOLLOWED)
            || self.message.event.tells.bits & tell::STRONG != 0;
        if told {
            let class = if opening { Class::Opening } else { Class::Reset };
            // Whole, of resets too: only so can it be told whether the packet arrived as it was sent.
            self.emit(flow.record, kind, OPENING_CAPTURE, class);
        }
    }

    /// What there is to tell of the segment: a [`kind`], or [`NOTHING`].
    #[inline(always)]
    fn reason(&mut self, flow: &mut Flow<'_>, side: Side) -> u16 {
        if self.packet().has(tcp_flag::RST) {
            if flow.record.half(side).reset_count() == 0 {
                let from_initiator = side as u8 == flow.record.initiator() as u8;
                self.output.count(stage_counter(Stage::of(flow.record), from_initiator), 1);
            }
            // What follows a reset is the surest proof: from now on it is looked at.
            self.watch();
            return kind::RESET;
        }
        // Once in a connection: a path that changes for good makes every segment odd.
        if self.watched && !flow.is(state::ODD) && is_odd(self.packet(), flow.record.half(side)) {
            flow.add(state::ODD);
            return kind::ODD;
        }
        if self.packet().payload != 0 && !flow.is(state::RESET) {
            let opening = in_opening(self.packet(), flow.record.half_mut(side));
            if !self.watched && side as u8 == flow.record.initiator() as u8 {
                // A hello that goes on in a second segment is recognised only by its flow.
                let more = opening && self.packet().payload > OPENING_CAPTURE / 2;
                let (client, port) = (self.packet().source, self.packet().source_port);
                self.output.expect(client, port, more);
            }
            if opening {
                // The agent often learns only during the handshake that the server is watched.
                if self.watched && is_complete(self.packet(), flow.record, side) {
                    flow.add(state::FOLLOWED);
                }
                return kind::OPENING;
            }
            if self.watched && self.begins_response(flow.record, side) {
                // A response in the middle: what contradicts it comes within a few segments.
                flow.add(state::ODD);
                return kind::OPENING;
            }
        }
        let after = *flow.state & (state::RESET | state::ODD) != 0;
        if after && flow.record.tell_after(side) < AFTER_MAX { kind::AFTER_RESET } else { NOTHING }
    }

    /// Whether the responder begins an HTTP response here, which a connection that is kept open has
    /// many of: each may be somebody else's.
    #[inline(always)]
    fn begins_response(&self, record: &FlowRecord, side: Side) -> bool {
        const HTTP: u32 = u32::from_be_bytes(*b"HTTP");
        self.octets.u32(usize::from(self.packet().payload_at)) == Some(HTTP)
            && side as u8 != record.initiator() as u8
    }

    /// Tells that a connection is given up; only what is followed has a judge waiting for its end.
    #[inline(always)]
    fn end(&mut self, record: &FlowRecord, awaited: bool) {
        if self.config.watch_all() || awaited {
            words::clear(&mut self.message.event.tells);
            self.emit(record, kind::FLOW_END, 0, Class::Other);
        }
    }

    #[inline(always)]
    pub(super) fn emit(&mut self, record: &FlowRecord, kind: u16, capture: u32, class: Class) {
        super::emit(&mut *self.output, class, self.message.event.packet.time, |output| {
            let event = &mut self.message.event;
            event.header.kind = kind;
            event.header.captured = captured(self.octets, &event.packet, capture);
            words::copy(record, &mut event.flow);
            event.flow.complete();
            output.tcp(self.message, self.octets)
        });
    }
}
