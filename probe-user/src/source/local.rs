//! The engine in userspace: what the BPF programs do, for captures.

use probe_common::{
    config::{Config, MARK_WORDS},
    counter::{COUNTERS, Counter},
    dns::{DnsSet, DnsStore},
    engine::{Engine, Output, Stamp},
    event::{Class, DnsEvent, Message, QuicEvent, Scratch, TcpEvent, hook},
    flow::{Bit, FlowBlock, FlowRecord, FlowSet, FlowStore, Turn},
    names::Names,
    quic::{QuicSet, QuicStore},
    resolver::{ResolverRecord, ResolverSet, ResolverStore},
    set::{self, WAYS},
    wire::Slice,
};
use zerocopy::FromZeros;

use super::{capture::Frame, event::Event, replay::STILL};

/// The tables, counters and scratch that the engine works with.
pub struct Local {
    config: Config,
    flows: Flows,
    questions: Questions,
    resolvers: Resolvers,
    quics: Quics,
    names: Box<Names>,
    counts: [u64; COUNTERS as usize],
    watched: Box<[u64; MARK_WORDS as usize]>,
    scratch: Box<Scratch>,
}

/// The flow table, and which of its sets have been touched lately, a bit each.
struct Flows {
    sets: Vec<FlowSet>,
    blocks: Vec<FlowBlock>,
    turn: Turn,
    lively: Vec<u64>,
}

impl FlowStore for Flows {
    fn flow_set(&mut self, index: u32) -> Option<&mut FlowSet> {
        self.sets.get_mut(index as usize)
    }

    fn flow_block(&mut self, index: u32) -> Option<&mut FlowBlock> {
        let block = self.blocks.get_mut(index as usize)?;
        self.lively[index as usize / 64] |= 1 << (index % 64);
        Some(block)
    }

    fn flow_turn(&mut self, _index: u32) -> Option<&mut Turn> {
        Some(&mut self.turn)
    }

    fn add(number: &mut u64, by: u64) {
        *number = number.wrapping_add(by);
    }
}

struct Questions(Vec<DnsSet>);

impl DnsStore for Questions {
    fn dns_set(&mut self, index: u32) -> Option<&mut DnsSet> {
        self.0.get_mut(index as usize)
    }
}

struct Resolvers(Vec<ResolverSet>);

impl ResolverStore for Resolvers {
    fn resolver_set(&mut self, index: u32) -> Option<&mut ResolverSet> {
        self.0.get_mut(index as usize)
    }

    fn increment(count: &mut u64) {
        *count += 1;
    }
}

struct Quics(Vec<QuicSet>);

impl QuicStore for Quics {
    fn quic_set(&mut self, index: u32) -> Option<&mut QuicSet> {
        self.0.get_mut(index as usize)
    }
}

/// Zeroed memory for `sets` sets, which the system hands out only as it is touched.
fn zeroed<T: FromZeros>(sets: u32) -> Vec<T> {
    T::new_vec_zeroed(sets as usize)
        .unwrap_or_else(|_| std::alloc::handle_alloc_error(std::alloc::Layout::new::<T>()))
}

impl Local {
    /// An engine with empty tables.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            flows: Flows {
                sets: zeroed(config.flow_mask + 1),
                blocks: zeroed(config.flow_mask + 1),
                turn: Turn::default(),
                lively: vec![0; (config.flow_mask as usize + 1).div_ceil(64)],
            },
            questions: Questions(zeroed(config.dns_mask + 1)),
            resolvers: Resolvers(zeroed(config.resolver_mask + 1)),
            quics: Quics(zeroed(config.quic_mask + 1)),
            names: Box::default(),
            counts: [0; COUNTERS as usize],
            watched: Box::new([0; MARK_WORDS as usize]),
            scratch: Box::default(),
        }
    }

    /// Takes one packet of a capture and hands what it gives rise to to `sink`, in order.
    pub fn packet(&mut self, frame: &Frame<'_>, sink: impl FnMut(Event<'_>)) {
        let octets = Slice { octets: frame.data, wire_len: frame.wire_len as usize };
        let mut output =
            Told { counts: &mut self.counts, watched: &mut self.watched, names: &self.names, sink };
        let mut engine = Engine {
            config: &self.config,
            flows: &mut self.flows,
            questions: &mut self.questions,
            resolvers: &mut self.resolvers,
            quics: &mut self.quics,
            output: &mut output,
            scratch: &mut self.scratch,
        };
        engine.packet(&octets, || Stamp {
            time: frame.time,
            frame: frame.number,
            interface: 0,
            vlan: 0,
            hook: hook::CAPTURE,
        });
    }

    /// The counters.
    pub const fn counts(&self) -> &[u64; COUNTERS as usize] {
        &self.counts
    }

    /// Watches these names from now on, and no others.
    pub fn watch_names(&mut self, names: &Names) {
        *self.names = *names;
    }

    /// Shows each resolver on record.
    pub fn resolvers(&self, mut look: impl FnMut(&ResolverRecord)) {
        for set in &self.resolvers.0 {
            for way in set::taken(&set.tags) {
                look(&set.records[way]);
            }
        }
    }

    /// The connections on record, by their places.
    pub fn flows(&self) -> impl Iterator<Item = (usize, FlowRecord)> {
        self.flows.blocks.iter().enumerate().flat_map(|(index, block)| {
            set::taken(&block.tags).map(move |way| {
                let mut record = block.records[way];
                record.complete();
                (index * WAYS + way, record)
            })
        })
    }

    /// Shows the connections on record, by their places, that may have fallen silent or idle since the
    /// scan before: not those of which nothing has been seen for [`STILL`].
    pub fn scan(&mut self, now: u64, mut look: impl FnMut(usize, &FlowRecord)) {
        let Flows { blocks, lively, .. } = &mut self.flows;
        for (word, bits) in lively.iter_mut().enumerate() {
            let touched = *bits;
            for bit in (0..64).filter(|bit| touched >> bit & 1 != 0) {
                let index = word * 64 + bit;
                let mut still = true;
                let block = &mut blocks[index];
                for way in 0..WAYS {
                    let free = block.tags[way] == 0;
                    let Some(mut flow) = block.at(way).filter(|_| !free) else { continue };
                    flow.complete();
                    let record = &*flow.record;
                    look(index * WAYS + way, record);
                    still &= record.last().saturating_add(STILL) < now;
                }
                if still {
                    *bits &= !(1 << bit);
                }
            }
        }
    }
}

struct Told<'a, F> {
    counts: &'a mut [u64; COUNTERS as usize],
    watched: &'a mut [u64; MARK_WORDS as usize],
    names: &'a Names,
    sink: F,
}

/// The `captured` octets of payload at `at`; the engine has made sure that they are there.
fn payload<'a>(octets: &Slice<'a>, at: u16, captured: u16) -> &'a [u8] {
    octets.octets.get(usize::from(at)..).and_then(|rest| rest.get(..captured.into())).unwrap_or(&[])
}

impl<F: FnMut(Event<'_>)> Output<Slice<'_>> for Told<'_, F> {
    fn count(&mut self, counter: Counter, by: u64) {
        self.counts[counter as usize] += by;
    }

    fn admit(&mut self, _class: Class, _now: u64) -> bool {
        true
    }

    fn tcp(&mut self, message: &mut Message<TcpEvent>, octets: &Slice<'_>) -> bool {
        let event = &message.event;
        let captured = payload(octets, event.packet.payload_at, event.header.captured);
        (self.sink)(Event::Tcp(event, captured));
        true
    }

    fn dns(&mut self, message: &mut Message<DnsEvent>, octets: &Slice<'_>) -> bool {
        let event = &message.event;
        let captured = payload(octets, event.packet.payload_at, event.header.captured);
        (self.sink)(Event::Dns(event, captured));
        true
    }

    fn quic(&mut self, message: &mut Message<QuicEvent>, octets: &Slice<'_>) -> bool {
        let event = &message.event;
        let captured = payload(octets, event.packet.payload_at, event.header.captured);
        (self.sink)(Event::Quic(event, captured));
        true
    }

    fn names(&self) -> Option<&Names> {
        Some(self.names)
    }

    fn bit(&self, bit: Bit) -> bool {
        self.watched[bit.word()] & bit.mask() != 0
    }

    fn set(&mut self, bit: Bit, on: bool) {
        let word = &mut self.watched[bit.word()];
        *word = if on { *word | bit.mask() } else { *word & !bit.mask() };
    }
}
