//! DNS over UDP: questions are remembered, and of replies it is told what somebody may want to
//! know: those of watched names, and those that are not the first. All are counted by who sent
//! them.

use super::{Engine, NOTHING, Output, Stamp, captured, forget};
use crate::{
    config::Config,
    counter::Counter,
    dns::{self, Answered, Asked, DnsRecord, DnsSet, DnsStore, REPLIES_TOLD, mark},
    event::{Class, DNS_CAPTURE, Scratch, kind},
    flow::FlowKey,
    resolver::{self, ResolverRecord, ResolverStore, Tally},
    set::WAYS,
    wire::{
        self, Address, Located, Octets, Packet,
        answer::{self, Opt},
        dns::{DNS_LEN, UDP_LEN, flag},
        question::{self, Question},
        quirk,
    },
    words,
};

impl<F, D: DnsStore, R: ResolverStore, Q, S> Engine<'_, F, D, R, Q, S> {
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
        let Self { config, questions, resolvers, output, scratch, .. } = self;
        let packet = &mut scratch.dns.event.packet;
        wire::dns::describe(octets, found, packet).ok_or(Counter::Truncated)?;
        stamp.mark(packet);
        // What is missing of a packet that is here in part is not its sender's fault.
        let whole = packet.quirks & (quirk::CUT | quirk::MORE_FRAGMENTS) == 0;
        let unreadable = if whole { Counter::DnsMalformed } else { Counter::Truncated };
        if (packet.payload as usize) < DNS_LEN {
            return Err(unreadable);
        }
        let header = wire::dns::header(octets, found).ok_or(unreadable)?;
        // A reply comes from a DNS port. What only goes to one is a query of which a bit was flipped.
        let to_server =
            config.is_dns_port(packet.destination_port) && !config.is_dns_port(packet.source_port);
        if header.flags & flag::QR != 0 && to_server {
            return Err(unreadable);
        }
        let mut asked = Question::default();
        if header.counts[0] != 0 {
            let end = found.at + found.length;
            asked = question::read(octets, found.at, end, &mut scratch.name).unwrap_or_default();
        }
        let asked = scratch.requestion(asked);
        let message = Message { octets, config, found: scratch.located(), header, asked };
        if header.flags & flag::QR == 0 {
            if asked.hash == 0 && whole {
                return Err(unreadable);
            }
            message.query(*questions, *resolvers, *output, scratch)
        } else {
            message.reply(*questions, *resolvers, *output, scratch, stamp)
        }
    }
}

/// What is known of a reply.
#[derive(Clone, Copy)]
struct Seen {
    /// See [`mark`].
    marks: u8,
    /// Replies to the same query before it.
    before: u8,
    /// Whether no query for it was seen.
    unasked: bool,
}

/// The record of whoever answers.
struct Place<'a> {
    /// The record; somebody else's if there was no room.
    resolver: &'a mut ResolverRecord,
    /// Whether there was.
    known: bool,
}

/// A message and what has been read of it.
struct Message<'a, O> {
    octets: &'a O,
    config: &'a Config,
    found: Located,
    header: wire::dns::Header,
    /// Its question; all zero if there is none that can be read.
    asked: Question,
}

impl<O: Octets> Message<'_, O> {
    /// Remembers a question.
    #[inline(always)]
    fn query<D: DnsStore, R: ResolverStore, S: Output<O>>(
        &self,
        questions: &mut D,
        resolvers: &mut R,
        output: &mut S,
        scratch: &mut Scratch,
    ) -> Result<(), Counter> {
        output.count(Counter::DnsQueries, 1);
        let mut marks = self.marks();
        if self.is_listed(output, scratch)? {
            marks |= mark::WATCHED;
        }
        let opt = self.query_opt();
        if opt.dnssec_ok {
            marks |= mark::DNSSEC_OK;
        }
        let asked = Asked { question: self.asked, opt, marks };
        let packet = &scratch.dns.event.packet;
        let (key, _) = FlowKey::of(packet);
        let (tag, index) = self.place(&key);
        let set = questions.dns_set(index).ok_or(Counter::Internal)?;
        if let Some(counter) = ask(set, tag, key, packet, &self.header, &asked) {
            output.count(counter, 1);
        }
        let (address, now) = (packet.destination, packet.time);
        let place = self.resolver(resolvers, output, scratch, (address, now, true))?;
        if place.known {
            place.resolver.add::<R>(Tally::Queries);
            if marks & mark::WATCHED != 0 {
                place.resolver.add::<R>(Tally::QueriesWatched);
            }
            place.resolver.last = now;
        }
        Ok(())
    }

    /// Counts a reply, and tells of it if it is worth it.
    #[inline(always)]
    fn reply<D: DnsStore, R: ResolverStore, S: Output<O>>(
        &self,
        questions: &mut D,
        resolvers: &mut R,
        output: &mut S,
        scratch: &mut Scratch,
        stamp: Stamp,
    ) -> Result<(), Counter> {
        let (key, side) = FlowKey::of(&scratch.dns.event.packet);
        let (tag, index) = self.place(&key);
        let set = questions.dns_set(index).ok_or(Counter::Internal)?;
        // The record is there in either case, and only means something if it is the question's: an
        // optional one would be a pointer to the verifier that may be anything.
        let way = dns::place(set, tag).unwrap_or(WAYS);
        let way = usize::from(forget(&mut scratch.cell, way as u16));
        let unasked = way >= WAYS;
        let record = set.records.get_mut(way & (WAYS - 1)).ok_or(Counter::Internal)?;
        if unasked && self.asked.hash == 0 && self.is_whole() {
            return Err(Counter::DnsMalformed);
        }
        let mut marks = self.marks();
        let mut before = 0;
        if !unasked {
            marks |= self.agreement(record) | record.marks & mark::WATCHED;
            before = record.replies;
        }
        if marks & mark::SAME_QUESTION == 0 && self.is_listed(output, scratch)? {
            marks |= mark::WATCHED;
        }
        let seen = Seen { marks, before, unasked };
        self.count(output, seen);

        let packet = &scratch.dns.event.packet;
        let (address, now) = (packet.source, packet.time);
        let place = self.resolver(resolvers, output, scratch, (address, now, !unasked))?;
        let Place { resolver, known } = place;
        let sampled = known && resolver.is_sampled();
        let kind = forget(&mut scratch.cell, self.kind(seen, sampled));
        if kind != NOTHING {
            let event = &mut scratch.dns.event;
            event.header.begin(stamp.frame, side);
            event.header.kind = kind;
            event.header.captured = captured(self.octets, &event.packet, DNS_CAPTURE);
            event.marks = marks;
            if unasked {
                words::clear(&mut event.query);
            } else {
                words::copy(record, &mut event.query);
            }
            if known {
                words::copy(resolver, &mut event.resolver);
            } else {
                words::clear(&mut event.resolver);
            }
            self.tell(output, scratch);
        }
        if !unasked {
            let mut answered = Answered { opt: self.reply_opt(), marks, ..Answered::default() };
            if before == 0 {
                answered.first = self.first(scratch);
            }
            record.note_reply(&scratch.dns.event.packet, &self.header, &answered);
        }
        if known {
            self.tally::<R>(resolver, seen);
            resolver.last = now;
        }
        Ok(())
    }

    /// What is to be told of a reply: a [`kind`], or [`NOTHING`].
    #[inline(always)]
    const fn kind(&self, seen: Seen, sampled: bool) -> u16 {
        if self.config.watch_all() {
            kind::DNS_REPLY
        } else if seen.before >= REPLIES_TOLD {
            NOTHING
        } else if seen.before != 0 || seen.marks & mark::WATCHED != 0 {
            kind::DNS_REPLY
        } else if sampled && seen.marks & mark::SAME_QUESTION != 0 {
            kind::DNS_SAMPLE
        } else {
            NOTHING
        }
    }

    /// Tells of a reply. A sample goes up without what would give its name away.
    #[inline(always)]
    fn tell<S: Output<O>>(&self, output: &mut S, scratch: &mut Scratch) {
        let event = &mut scratch.dns.event;
        event.flags = self.header.flags;
        event.id = self.header.id;
        event.counts = self.header.counts;
        event.opt = self.reply_opt().size;
        event.question = self.asked.hash;
        event.exact = self.asked.exact;
        event.reserved = 0;
        let mut class = Class::Dns;
        if event.header.kind == kind::DNS_SAMPLE {
            class = Class::Sample;
            event.header.captured = 0;
            event.question = 0;
            event.exact = 0;
            event.query.question = 0;
            event.query.exact = 0;
            output.count(Counter::DnsSamples, 1);
        }
        super::emit(output, class, event.packet.time, |output| {
            output.dns(&mut scratch.dns, self.octets)
        });
    }

    /// Counts a reply.
    #[inline(always)]
    fn count<S: Output<O>>(&self, output: &mut S, seen: Seen) {
        let Seen { marks, before, unasked } = seen;
        let watched = marks & mark::WATCHED != 0;
        output.count(Counter::DnsReplies, 1);
        output.count(Counter::DnsRepliesUnwatched, u64::from(!watched && before == 0));
        if before == 0 && !unasked && marks & (mark::WATCHED | mark::FRAGMENTED) == 0 {
            return;
        }
        // Without further branches, each of which the verifier would follow.
        let beyond = !self.config.watch_all() && before >= REPLIES_TOLD;
        output.count(Counter::DnsRepliesRepeated, u64::from(before != 0));
        output.count(Counter::DnsRepliesBeyond, u64::from(beyond));
        output.count(Counter::DnsRepliesUnasked, u64::from(unasked));
        output.count(Counter::DnsRepliesWatched, u64::from(watched));
        output.count(Counter::DnsRepliesFragmented, u64::from(marks & mark::FRAGMENTED != 0));
    }

    /// Counts a reply with whoever sent it.
    #[inline(always)]
    fn tally<R: ResolverStore>(&self, resolver: &mut ResolverRecord, seen: Seen) {
        let Seen { marks, before, unasked } = seen;
        resolver.add::<R>(Tally::of_reply(self.header.flags, self.header.counts[1]));
        let seen = [
            (Tally::Watched, marks & mark::WATCHED != 0),
            (Tally::Unasked, unasked),
            (Tally::Repeated, before != 0),
            (Tally::OtherQuestion, !unasked && marks & mark::SAME_QUESTION == 0),
            (Tally::Truncated, self.header.flags & flag::TC != 0),
            (Tally::Authoritative, self.header.flags & flag::AA != 0),
        ];
        // Most have none of these.
        let odd = self.header.flags & (flag::TC | flag::AA) | u16::from(before);
        if odd == 0
            && !unasked
            && marks & (mark::WATCHED | mark::SAME_QUESTION) == mark::SAME_QUESTION
        {
            return;
        }
        for (tally, seen) in seen {
            if seen {
                resolver.add::<R>(tally);
            }
        }
    }

    /// Whether the message is here as its sender made it.
    #[inline(always)]
    const fn is_whole(&self) -> bool {
        self.found.quirks & (quirk::CUT | quirk::MORE_FRAGMENTS) == 0
    }

    /// In what a reply repeats the question.
    #[inline(always)]
    const fn agreement(&self, record: &DnsRecord) -> u8 {
        if self.asked.hash == 0 || record.question != self.asked.hash {
            0
        } else if record.exact == self.asked.exact {
            mark::SAME_QUESTION | mark::SAME_SPELLING
        } else {
            mark::SAME_QUESTION
        }
    }

    /// What the message itself is marked with.
    #[inline(always)]
    const fn marks(&self) -> u8 {
        (if self.asked.capitals { mark::CAPITALS } else { 0 })
            | (if self.found.quirks & quirk::MORE_FRAGMENTS != 0 { mark::FRAGMENTED } else { 0 })
    }

    /// Tag and set of the message's question.
    #[inline(always)]
    fn place(&self, key: &FlowKey) -> (u64, u32) {
        let tag = key.hash(self.config.hash_key, self.header.id);
        (tag, tag as u32 & self.config.dns_mask)
    }

    /// Whether the name asked for is on the list of watched ones, or seems to be.
    #[inline(always)]
    fn is_listed<S: Output<O>>(&self, output: &S, scratch: &mut Scratch) -> Result<bool, Counter> {
        if self.asked.hash == 0 {
            return Ok(false);
        }
        let names = output.names().ok_or(Counter::Internal)?;
        let found = names.matches(self.config.hash_key, &scratch.name, self.asked.name_len);
        Ok(forget(&mut scratch.cell, u16::from(found)) != 0)
    }

    /// The OPT record of a query: nothing else follows its question, or it is not looked for.
    #[inline(always)]
    fn query_opt(&self) -> Opt {
        let [_, answers, authorities, additional] = self.header.counts;
        if self.asked.hash == 0 || answers | authorities != 0 || additional == 0 {
            return Opt::default();
        }
        answer::opt_behind(self.octets, self.asked.after as usize)
    }

    /// The OPT record that a reply ends with.
    #[inline(always)]
    fn reply_opt(&self) -> Opt {
        if self.header.counts[3] == 0 || self.found.quirks & quirk::MORE_FRAGMENTS != 0 {
            return Opt::default();
        }
        let message = self.found.at + UDP_LEN;
        answer::opt_before(self.octets, message, self.found.at + self.found.length)
    }

    /// The first address that a reply answers.
    #[inline(always)]
    fn first(&self, scratch: &mut Scratch) -> answer::First {
        let at = if self.asked.hash != 0 {
            self.asked.after as usize
        } else if self.header.counts[0] == 0 {
            self.found.at + UDP_LEN + DNS_LEN
        } else {
            return answer::First::default();
        };
        answer::first(self.octets, at, self.header.counts[1], &mut scratch.cell)
    }

    /// The record of whoever answers.
    #[inline(always)]
    fn resolver<'r, R: ResolverStore, S: Output<O>>(
        &self,
        resolvers: &'r mut R,
        output: &mut S,
        scratch: &mut Scratch,
        (address, now, asked): (Address, u64, bool),
    ) -> Result<Place<'r>, Counter> {
        let tag = resolver::tag(self.config.hash_key, address);
        let set = resolvers
            .resolver_set(tag as u32 & self.config.resolver_mask)
            .ok_or(Counter::Internal)?;
        let way = resolver::place(set, tag, asked);
        let way = usize::from(forget(&mut scratch.cell, way as u16));
        let slot = way & (WAYS - 1);
        let holder = set.tags.get_mut(slot).ok_or(Counter::Internal)?;
        let resolver = set.records.get_mut(slot).ok_or(Counter::Internal)?;
        let known = way < WAYS;
        if !known {
            output.count(Counter::ResolversFull, 1);
        } else if *holder != tag {
            output.count(Counter::ResolversEvicted, u64::from(*holder != 0));
            *holder = tag;
            resolver.open(address, now);
        }
        Ok(Place { resolver, known })
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
    asked: &Asked,
) -> Option<Counter> {
    let (record, counter) = match dns::find(set, tag) {
        Some(record) => {
            // Ports and id come round again: an old or another question makes way.
            let still = if record.replies == 0 { dns::REPEAT } else { dns::WINDOW };
            let recent = packet.time.saturating_sub(record.asked_again) < still;
            if recent && record.question == asked.question.hash {
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
    record.open(key, packet, header, asked);
    counter
}
