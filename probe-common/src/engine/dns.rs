//! DNS over UDP: questions are remembered, every reply is told with what was asked.

use super::{Engine, Output, Stamp, captured};
use crate::{
    ABI_VERSION,
    counter::Counter,
    dns::{self, DnsSet, DnsStore},
    event::{Class, DNS_CAPTURE, Header, kind},
    flow::{FlowKey, FlowStore},
    wire::{self, Located, Octets, Packet},
    words,
};

impl<F: FlowStore, D: DnsStore, S> Engine<'_, F, D, S> {
    /// Takes a datagram from or to a DNS port.
    #[inline(always)]
    pub(super) fn datagram<O: Octets>(
        &mut self,
        octets: &O,
        found: &Located,
        stamp: Stamp,
    ) -> Result<(), Counter>
    where
        S: Output<O>,
    {
        let Self { config, questions, output, scratch, .. } = self;
        let question = wire::dns::question_hash(octets, found);
        let found = &scratch.located();
        let message = &mut scratch.dns;
        let event = &mut message.event;
        wire::dns::describe(octets, found, &mut event.packet).ok_or(Counter::Truncated)?;
        stamp.mark(&mut event.packet);
        let header = wire::dns::header(octets, found).ok_or(Counter::Truncated)?;
        let (key, side) = FlowKey::of(&event.packet);
        let tag = key.hash(config.hash_key, header.id);
        let set = questions.dns_set(tag as u32 & config.dns_mask).ok_or(Counter::Internal)?;

        if header.flags & wire::dns::QR == 0 {
            output.count(Counter::DnsQueries, 1);
            if let Some(counter) = ask(set, tag, key, &event.packet, &header, question) {
                output.count(counter, 1);
            }
            return Ok(());
        }
        output.count(Counter::DnsReplies, 1);
        event.header = Header {
            kind: kind::DNS_REPLY,
            version: ABI_VERSION,
            captured: captured(octets, &event.packet, DNS_CAPTURE),
            side: side as u8,
            reserved: 0,
            frame: stamp.frame,
        };
        event.id = header.id;
        event.flags = header.flags;
        event.counts = header.counts;
        event.question = question;
        match dns::find(set, tag) {
            Some(record) => {
                if record.replies != 0 {
                    output.count(Counter::DnsRepliesRepeated, 1);
                }
                words::copy(record, &mut event.query);
                record.note_reply(&event.packet, &header);
            }
            None => {
                output.count(Counter::DnsRepliesUnasked, 1);
                words::clear(&mut event.query);
            }
        }
        if !output.admit(Class::Dns, stamp.time) {
            output.count(Counter::RateLimited, 1);
            return Ok(());
        }
        let sent = output.dns(message, octets);
        output.count(if sent { Counter::Events } else { Counter::RingFull }, 1);
        Ok(())
    }
}

/// Remembers a question. Returns what is to be counted: a repetition, or a question that had to
/// make way too early.
#[inline(always)]
fn ask(
    set: &mut DnsSet,
    tag: u64,
    key: FlowKey,
    packet: &Packet,
    header: &wire::dns::Header,
    question: u32,
) -> Option<Counter> {
    let (record, counter) = match dns::find(set, tag) {
        Some(record) => {
            // Ports and id come round again: an old or another question makes way.
            let recent = packet.time.saturating_sub(record.asked_again) < dns::WINDOW;
            if recent && record.question == question {
                record.asked_again = packet.time;
                record.queries = record.queries.saturating_add(1);
                return Some(Counter::DnsQueriesRepeated);
            }
            (record, None)
        }
        None => {
            let claim = dns::claim(set, tag, packet.time)?;
            (claim.record, if claim.evicted { Some(Counter::DnsEvicted) } else { None })
        }
    };
    record.open(key, packet, header, question);
    counter
}
