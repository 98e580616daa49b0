//! What only happens while two CPUs are at work, played by one.

extern crate std;
use std::{cell::Cell, thread_local, vec::Vec};

use super::{Engine, Output, Stamp};
use crate::{
    config::{Config, FLAG_WATCH_ALL},
    counter::{COUNTERS, Counter},
    event::{Class, DnsEvent, Message, QuicEvent, Scratch, TcpEvent},
    flow::{Bit, FlowBlock, FlowSet, FlowStore, Turn},
    names::Names,
    wire::{self, Address, Slice, tcp_flag},
};

/// The hash of a connection that another CPU opens.
const OTHERS: u64 = 0x5555_5555_5555_5555;

thread_local! {
    /// Whether what was written is to be seen by all.
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// A table of one set, of which another CPU takes a place while a segment is under way.
#[derive(Default)]
struct Table {
    set: FlowSet,
    block: FlowBlock,
    turn: Turn,
    /// The place that is taken.
    taken: Option<usize>,
}

impl FlowStore for Table {
    fn flow_set(&mut self, _index: u32) -> Option<&mut FlowSet> {
        Some(&mut self.set)
    }

    fn flow_block(&mut self, _index: u32) -> Option<&mut FlowBlock> {
        if FENCED.take()
            && let Some(way) = self.taken.take()
        {
            self.block.tags[way] = OTHERS;
        }
        Some(&mut self.block)
    }

    fn flow_turn(&mut self, _index: u32) -> Option<&mut Turn> {
        Some(&mut self.turn)
    }

    fn add(number: &mut u64, by: u64) {
        *number = number.wrapping_add(by);
        FENCED.set(true);
    }
}

/// Who is watched.
#[derive(Clone, Copy, Default)]
pub(super) enum Watches {
    /// Everybody.
    #[default]
    All,
    /// Whose address ends in [`WATCHED`].
    Server,
}

/// The last octet of a server's address that is watched.
const WATCHED: u64 = 20;

/// What is counted and told: the kinds of events.
pub(super) struct Told {
    pub(super) counts: [u64; COUNTERS as usize],
    pub(super) kinds: Vec<u16>,
    pub(super) watches: Watches,
    /// What is set, but for watched addresses: clients that are expected to go on.
    pub(super) awaited: Vec<Bit>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            counts: [0; COUNTERS as usize],
            kinds: Vec::new(),
            watches: Watches::All,
            awaited: Vec::new(),
        }
    }
}

impl Output<Slice<'_>> for Told {
    fn count(&mut self, counter: Counter, by: u64) {
        self.counts[counter as usize] += by;
    }

    fn admit(&mut self, _class: Class, _now: u64) -> bool {
        true
    }

    fn tcp(&mut self, message: &mut Message<TcpEvent>, _octets: &Slice<'_>) -> bool {
        self.kinds.push(message.event.header.kind);
        true
    }

    fn dns(&mut self, _message: &mut Message<DnsEvent>, _octets: &Slice<'_>) -> bool {
        true
    }

    fn quic(&mut self, _message: &mut Message<QuicEvent>, _octets: &Slice<'_>) -> bool {
        true
    }

    fn watched(&self, address: Address) -> bool {
        match self.watches {
            Watches::All => true,
            Watches::Server => address.low & 0xff == WATCHED,
        }
    }

    fn names(&self) -> Option<&Names> {
        None
    }

    fn watch(&mut self, _address: Address) {}

    fn bit(&self, bit: Bit) -> bool {
        self.awaited.contains(&bit)
    }

    fn set(&mut self, bit: Bit, on: bool) {
        self.awaited.retain(|one| *one != bit);
        if on {
            self.awaited.push(bit);
        }
    }
}

/// A segment from port `from` whose TTL is `hops`: Ethernet, IPv4, TCP.
fn segment(from: u16, hops: u8, flags: u8) -> [u8; 54] {
    let mut frame = [0; 54];
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 40, 0, 1, 0x40, 0, hops, 6]);
    frame[26..34].copy_from_slice(&[10, 0, 0, 1, 198, 51, 100, 20]);
    frame[34..36].copy_from_slice(&from.to_be_bytes());
    frame[36..38].copy_from_slice(&443_u16.to_be_bytes());
    frame[46..48].copy_from_slice(&[0x50, flags]);
    frame
}

/// One CPU.
struct Cpu {
    table: Table,
    told: Told,
    scratch: Scratch,
    time: u64,
}

impl Cpu {
    fn new() -> Self {
        let told = Told::default();
        Self { table: Table::default(), told, scratch: Scratch::default(), time: 1 << 40 }
    }

    fn take(&mut self, frame: &[u8]) {
        let config = Config { flags: FLAG_WATCH_ALL, flow_mask: 0, ..Config::replay() };
        self.time += 1_000;
        let octets = Slice::whole(frame);
        let found = wire::locate(&octets, &mut self.scratch.cell).expect("a segment");
        let mut engine = Engine {
            config: &config,
            flows: &mut self.table,
            questions: &mut (),
            resolvers: &mut (),
            quics: &mut (),
            output: &mut self.told,
            scratch: &mut self.scratch,
        };
        let stamp = Stamp { time: self.time, ..Stamp::default() };
        engine.segment(&octets, &found, stamp).expect("a segment that is followed");
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.told.counts[counter as usize]
    }
}

const ACK: u8 = tcp_flag::ACK as u8;
const SYN: u8 = tcp_flag::SYN as u8;
const FIN: u8 = tcp_flag::FIN as u8;

/// A segment finds its record; while it is under way the place is given to another connection. What it
/// wrote is known to be in the wrong record, which begins anew with that connection's next segment.
#[test]
fn a_record_that_another_connections_segment_was_written_into_begins_anew() {
    let mut cpu = Cpu::new();
    cpu.take(&segment(40_000, 64, ACK));
    let way = cpu.table.set.tags.taken().next().expect("a place");
    cpu.take(&segment(40_000, 64, ACK));
    assert_eq!((cpu.counted(Counter::FlowsTorn), cpu.table.block.torn), (0, [0; 4]));

    cpu.table.taken = Some(way);
    cpu.take(&segment(40_000, 64, ACK));
    assert_eq!(cpu.counted(Counter::FlowsTorn), 1);
    assert_ne!(cpu.table.block.torn[way], 0);

    // The other connection's next segment: its hash is made what stands there.
    let mut next = Cpu::new();
    next.take(&segment(40_001, 57, ACK));
    let other = next.table.block.tags.into_iter().find(|&tag| tag != 0).expect("a hash");
    cpu.table.block.tags[way] = other;
    cpu.take(&segment(40_001, 57, ACK));
    let record = cpu.table.block.records[way];
    let half = record.halves.iter().find(|half| half.packets != 0).expect("a half");
    assert_eq!((half.packets, half.hops_min, half.hops_max), (1, 57, 57));
    assert_eq!(cpu.table.block.torn, [0; 4]);
    // What was in it is of two connections, and nobody is told of it.
    assert!(cpu.told.kinds.is_empty(), "told: {:?}", cpu.told.kinds);
}

/// The same for a connection that takes the place of one whose record is of two: its end is not told.
#[test]
fn the_end_of_a_record_of_two_connections_is_not_told() {
    for torn in [0, 1] {
        let mut cpu = Cpu::new();
        (0..4).for_each(|number| cpu.take(&segment(40_000 + number, 64, SYN)));
        assert!(cpu.table.block.tags.iter().all(|&tag| tag != 0), "a set that is full");
        cpu.table.block.torn = [torn; 4];
        cpu.take(&segment(40_004, 64, SYN));
        assert_eq!(cpu.counted(Counter::FlowsEvicted), 1);
        assert_eq!(cpu.told.kinds.len(), 1 - torn as usize);
    }
}

/// A connection that makes way is cut short if it is followed and has sent something just before.
#[test]
fn a_connection_that_goes_on_and_makes_way_is_counted() {
    let cases = [(SYN, 1, 1), (SYN, 11_000_000_000, 0), (ACK, 1, 0), (SYN | FIN, 1, 0)];
    for (flags, later, expected) in cases {
        let mut cpu = Cpu::new();
        for number in 0..4 {
            cpu.take(&segment(40_000 + number, 64, flags & !FIN));
            if flags & FIN != 0 {
                cpu.take(&segment(40_000 + number, 64, ACK | FIN));
            }
        }
        cpu.time += later;
        cpu.take(&segment(40_004, 64, SYN));
        assert_eq!(cpu.counted(Counter::FlowsEvicted), 1);
        assert_eq!(cpu.counted(Counter::FlowsCutShort), expected, "{flags:#x}, {later} ns later");
    }
}

/// The middle of a conversation takes no place of those that have just begun.
#[test]
fn who_is_worth_less_is_refused_and_counted() {
    let mut cpu = Cpu::new();
    (0..4).for_each(|number| cpu.take(&segment(40_000 + number, 64, SYN)));
    let before = cpu.table.block.tags;
    (0..2).for_each(|_| cpu.take(&segment(40_004, 64, ACK)));
    assert_eq!((cpu.counted(Counter::FlowsRefused), cpu.counted(Counter::FlowsEvicted)), (2, 0));
    assert_eq!(cpu.table.block.tags, before);
    // The turn was given back.
    cpu.take(&segment(40_004, 64, SYN));
    assert_eq!(cpu.counted(Counter::FlowsEvicted), 1);
}
