//! Whatever comes, it is passed, and not an octet of it is changed.

use std::time::Instant;

use probe_common::{
    config::{Config, FLAG_WATCH_ALL},
    counter::Counter,
};
use probe_tests::{
    craft::{self, Capture, Packet, Rng, corpus, talk},
    duel::{Counts, describe},
    egress::{Egress, TCX_NEXT},
    lab::wait,
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

#[test]
fn what_cannot_be_followed_any_more_passes_and_is_counted() {
    let mut egress = Egress::new(&Config::replay()).expect("the tc program");
    egress.abandon();
    let capture = talk::captures(&mut Rng::new(craft::SEED)).swap_remove(0);
    let not_followed = |egress: &Egress| egress.counts()[Counter::NotFollowed as usize];
    let mut packets = 0;
    wait::until("the table of programs to be empty", wait::READY, || {
        let passage = egress.packet(&capture.packets[0].data, 0).expect("a run");
        assert_eq!(passage.verdict, TCX_NEXT);
        packets += 1;
        (not_followed(&egress) != 0).then_some(())
    })
    .expect("the kernel empties it");
    let (before, events) = (not_followed(&egress), egress.counts()[Counter::Events as usize]);
    for packet in &capture.packets {
        let passage = egress.packet(&packet.data, 0).expect("a run");
        assert!(passage.verdict == TCX_NEXT && passage.unchanged && passage.told.is_empty());
        packets += 1;
    }
    assert_eq!(not_followed(&egress) - before, capture.packets.len() as u64);
    assert_adds_up(&egress.counts(), packets, events);
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
