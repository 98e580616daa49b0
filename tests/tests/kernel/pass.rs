//! Whatever comes, it is passed, and not an octet of it is changed.

use std::time::Instant;

use probe_common::{
    config::{Config, FLAG_SKIP_FORWARDED, FLAG_WATCH_ALL},
    counter::Counter,
};
use probe_tests::{
    craft::{self, Capture, Packet, corpus, shape},
    duel::{Counts, describe},
    egress::{Egress, TCX_NEXT},
};
use probe_user::source::kernel::replay::{KernelReplay, XDP_PASS};

/// Length of an Ethernet header.
const SHORTEST: usize = 14;

/// As a replay has it, as a live run has it that watches everything, and as one that watches little
/// and may tell little.
fn configs() -> [(&'static str, Config); 3] {
    let live = Config { flags: 0, event_rate: 1_000, ..Config::replay() };
    [
        ("replay", Config::replay()),
        ("everything, live", Config { flags: FLAG_WATCH_ALL, event_rate: 0, ..live }),
        ("live", live),
    ]
}

/// Captures made here and captures at hand.
fn everything() -> impl Iterator<Item = Capture> {
    craft::captures().into_iter().chain(corpus::captures())
}

#[test]
fn every_packet_that_enters_passes_unchanged() {
    for (name, config) in configs() {
        let start = Instant::now();
        let mut ingress = KernelReplay::new(&config).expect("the XDP program");
        let (mut captures, mut packets, mut events) = (0, 0, 0);
        for capture in everything() {
            for frame in capture.frames() {
                let what = || describe(&capture.name, &frame);
                let passage = ingress
                    .packet(&frame, |_| events += 1)
                    .unwrap_or_else(|error| panic!("{error}\n{}", what()));
                assert_eq!(passage.verdict, XDP_PASS, "{name}: {}", what());
                assert!(passage.unchanged, "{name}: {}", what());
                packets += 1;
            }
            captures += 1;
        }
        let counts = ingress.counts().expect("the counters can be read");
        assert_adds_up(&counts, packets, events);
        let elapsed = start.elapsed();
        println!("{name}: {packets} packets of {captures} captures, {events} events, {elapsed:?}");
    }
}

#[test]
fn every_packet_that_leaves_passes_unchanged() {
    for (name, config) in configs() {
        let start = Instant::now();
        let mut egress = Egress::new(&config).expect("the tc program");
        let (mut packets, mut events, mut refused) = (0, 0, Refused::default());
        for capture in everything() {
            for (packet, number) in capture.packets.iter().zip(1..) {
                let passage = match egress.packet(&packet.data, 0) {
                    Ok(passage) => passage,
                    Err(error) => {
                        refused.note(packet, &error);
                        continue;
                    }
                };
                let what = || describe(&capture.name, &packet.frame(number));
                assert_eq!(passage.verdict, TCX_NEXT, "{name}: {}", what());
                assert!(passage.unchanged, "{name}: {}", what());
                packets += 1;
                events += passage.told.len() as u64;
            }
        }
        assert_adds_up(&egress.counts(), packets, events);
        println!(
            "{name}: {packets} packets, {events} events, {:?}; the kernel makes no skb of {} that \
             end inside the Ethernet or IP header, and of {} longer than a page",
            start.elapsed(),
            refused.short,
            refused.long
        );
    }
}

/// Every packet was counted, ended in one way, and every event counted was received.
fn assert_adds_up(counts: &Counts, packets: u64, events: u64) {
    assert_eq!(counts[Counter::Packets as usize], packets);
    let ended: u64 = Counter::OUTCOMES.iter().map(|&counter| counts[counter as usize]).sum();
    assert_eq!(ended, packets, "the outcomes add up to the packets");
    assert_eq!(counts[Counter::Events as usize], events);
    assert_eq!(counts[Counter::RingFull as usize], 0);
    assert_eq!(counts[Counter::Internal as usize], 0);
}

/// Packets of which a test run makes no skb: that is the kernel's limit and not the program's.
#[derive(Debug, Default)]
struct Refused {
    short: u64,
    long: u64,
}

impl Refused {
    fn note(&mut self, packet: &Packet, error: &aya::programs::ProgramError) {
        /// A page less what the kernel keeps before and behind the packet.
        const LONGEST: usize = 3_500;
        let least = match packet.data.get(12..14) {
            Some([0x08, 0x00]) => SHORTEST + 20,
            Some([0x86, 0xdd]) => SHORTEST + 40,
            _ => SHORTEST + 1,
        };
        match packet.data.len() {
            len if len < least => self.short += 1,
            LONGEST.. => self.long += 1,
            len => panic!("{len} octets refused: {error}"),
        }
    }
}

/// Both hooks run the same engine, over other ways to the octets: what one sees of a packet, the
/// other must. Only the headers are compared, since time is the kernel's at the tc hook.
#[test]
fn both_hooks_sort_the_shapes_alike() {
    let mut ingress = KernelReplay::new(&Config::replay()).expect("the XDP program");
    let mut egress = Egress::new(&Config::replay()).expect("the tc program");
    let mut before = [ingress.counts().expect("counters"), egress.counts()];
    let mut compared = 0;
    for (shape, number) in shape::shapes().into_iter().zip(1..) {
        // At the tc hook the beginning of a packet is copied, and only that is looked at.
        let deep = shape.name.contains("options") || shape.name.contains("at-the-edge");
        let Ok(_) = egress.packet(&shape.data, 0) else { continue };
        let packet = Packet::whole(craft::DAY + number, shape.data);
        let frame = packet.frame(number);
        ingress.packet(&frame, |_| {}).expect("a run");
        let after = [ingress.counts().expect("counters"), egress.counts()];
        let [entered, left] = [0, 1].map(|hook| {
            let ended = Counter::OUTCOMES
                .iter()
                .copied()
                .find(|&counter| after[hook][counter as usize] != before[hook][counter as usize]);
            ended.unwrap_or_else(|| panic!("no outcome\n{}", describe(&shape.name, &frame)))
        });
        if deep && entered != left {
            assert_eq!(left, Counter::Truncated, "{}", describe(&shape.name, &frame));
        } else {
            assert_eq!(entered, left, "{}", describe(&shape.name, &frame));
        }
        before = after;
        compared += 1;
    }
    println!("{compared} shapes");
    assert!(compared > 500);
}

#[test]
fn what_entered_by_a_watched_interface_is_not_counted_again() {
    let mut interfaces = Config::replay().interfaces;
    interfaces[1] = 1;
    let config = Config { flags: FLAG_SKIP_FORWARDED, interfaces, ..Config::replay() };
    let mut egress = Egress::new(&config).expect("the tc program");
    let data = &shape::shapes()[0].data;
    for from in [1, 0, 2] {
        assert_eq!(egress.packet(data, from).expect("a run").verdict, TCX_NEXT);
    }
    let counts = egress.counts();
    assert_eq!(counts[Counter::Packets as usize], 3);
    assert_eq!(counts[Counter::SeenAtIngress as usize], 1);
    assert_eq!(counts[Counter::Octets as usize], 3 * data.len() as u64);
}
