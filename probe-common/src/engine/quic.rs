//! QUIC on port 443: how a connection begins, and that it is answered.
//!
//! Only datagrams with a long header are looked at, and those are the first few of a connection. All
//! others cost the reading of one octet.

use super::{Engine, Output, Stamp, captured};
use crate::{
    config::Config,
    counter::Counter,
    event::{Class, Message, QUIC_CAPTURE, QuicEvent, kind},
    flow::{FlowKey, Side},
    quic::{self, QuicSet, QuicStore, SAME_ATTEMPT},
    set::WAYS,
    wire::{self, Located, Octets, icmp::Quoted, quic::Long},
    words,
};

/// Initials told of any connection: a hello of two datagrams.
const TOLD: u8 = 2;

/// Initials told of a connection to a watched server: the hello, and that it was sent again and
/// again.
const TOLD_WATCHED: u8 = 12;

/// Answers told.
const TOLD_ANSWERS: u8 = 1;

/// Payload octets that go up with an answer: its header.
const ANSWER_CAPTURE: u32 = 64;

impl<F, D, R, Q: QuicStore, S> Engine<'_, F, D, R, Q, S> {
    /// Takes a datagram from or to the port of QUIC that begins with a long header.
    #[inline(always)]
    pub(super) fn long_header<O: Octets>(
        &mut self,
        octets: &O,
        found: &Located,
        stamp: Stamp,
    ) -> Result<(), Counter>
    where
        S: Output<O>,
    {
        let long = wire::quic::long(octets, found).ok_or(Counter::OtherProtocol)?;
        let Self { config, quics, output, scratch, .. } = self;
        let message = &mut scratch.quic;
        let packet = &mut message.event.packet;
        wire::dns::describe(octets, found, packet).ok_or(Counter::Truncated)?;
        output.count(Counter::QuicLong, 1);
        stamp.mark(packet);
        let (key, side) = FlowKey::of(packet);
        message.event.header.begin(stamp.frame, side);
        let tag = key.hash(config.hash_key, 0);
        let set = quics.quic_set(tag as u32 & config.quic_mask).ok_or(Counter::Internal)?;
        let cell = &mut scratch.cell;
        Teller { message, output: &mut **output, config, octets, cell }
            .follow(set, tag, key, side, long)
    }

    /// Takes an ICMP error that quotes a datagram of a connection on record.
    #[inline(always)]
    pub(super) fn quic_error<O: Octets>(
        &mut self,
        octets: &O,
        found: &Located,
        quoted: &Quoted,
        stamp: Stamp,
    ) -> Result<(), Counter>
    where
        S: Output<O>,
    {
        let Self { config, quics, output, scratch, .. } = self;
        let message = &mut scratch.quic;
        let event = &mut message.event;
        words::clear(&mut event.packet);
        wire::icmp::describe(octets, found, &mut event.packet).ok_or(Counter::Truncated)?;
        stamp.mark(&mut event.packet);
        let (key, side) = quoted.flow(event.packet.vlan);
        let tag = key.hash(config.hash_key, 0);
        let set = quics.quic_set(tag as u32 & config.quic_mask).ok_or(Counter::Internal)?;
        let Some(way) = quic::place(set, tag) else { return Ok(()) };
        let Some(record) = set.records.get(way) else { return Ok(()) };
        event.header.begin(stamp.frame, side);
        words::copy(record, &mut event.record);
        let cell = &mut scratch.cell;
        let mut teller = Teller { message, output: &mut **output, config, octets, cell };
        teller.emit(kind::QUIC_ERROR, 0, Class::Other);
        Ok(())
    }
}

/// What is at hand once a datagram has been read.
struct Teller<'a, O, S> {
    message: &'a mut Message<QuicEvent>,
    output: &'a mut S,
    config: &'a Config,
    octets: &'a O,
    /// Memory to pass answers through: see [`super::forget`].
    cell: &'a mut u64,
}

impl<O: Octets, S: Output<O>> Teller<'_, O, S> {
    #[inline(always)]
    fn follow(
        &mut self,
        set: &mut QuicSet,
        tag: u64,
        key: FlowKey,
        side: Side,
        long: Long,
    ) -> Result<(), Counter> {
        let packet = &self.message.event.packet;
        let (time, whole) = (packet.time, packet.payload >= wire::quic::INITIAL_MIN);
        // Servers listen on the port; where both ends have it, whoever began is the client.
        let begins = packet.destination_port == wire::quic::PORT && whole && long.is_initial();
        let known = quic::place(set, tag);
        let (way, opens) = match known {
            Some(way) => (way, false),
            None if begins => {
                let claim = quic::claim(set, tag, time).ok_or(Counter::Internal)?;
                if claim.evicted {
                    self.output.count(Counter::QuicEvicted, 1);
                }
                (claim.way, true)
            }
            None => return Ok(()),
        };
        // Else the verifier would follow all that comes for each of the set's places.
        let way = usize::from(super::forget(self.cell, way as u16)) & (WAYS - 1);
        let record = set.records.get_mut(way).ok_or(Counter::Internal)?;
        let over = time.saturating_sub(record.asked) >= SAME_ATTEMPT;
        if opens || begins && over {
            self.output.count(Counter::QuicFlows, 1);
            record.open(key, side, &self.message.event.packet, long.version);
        }
        words::copy(record, &mut self.message.event.record);
        if side as u8 != record.client {
            let told = record.told_answers < TOLD_ANSWERS
                && self.emit(kind::QUIC_ANSWER, ANSWER_CAPTURE, Class::Other);
            record.note_answer(time, told);
        } else if long.is_initial() {
            let server = self.message.event.packet.destination;
            let most = if self.config.watch_all() || self.output.watched(server) {
                TOLD_WATCHED
            } else {
                TOLD
            };
            let told =
                record.told < most && self.emit(kind::QUIC_INITIAL, QUIC_CAPTURE, Class::Opening);
            record.note_initial(time, told);
        }
        Ok(())
    }

    /// Sends the event up; says whether it was taken.
    #[inline(always)]
    fn emit(&mut self, kind: u16, capture: u32, class: Class) -> bool {
        super::emit(&mut *self.output, class, self.message.event.packet.time, |output| {
            let event = &mut self.message.event;
            event.header.kind = kind;
            event.header.captured = captured(self.octets, &event.packet, capture);
            output.quic(self.message, self.octets)
        })
    }
}
