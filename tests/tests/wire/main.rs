//! The parser against etherparse, packet by packet: see `probe_tests::oracle`.

mod message;

use probe_common::wire::{self, Slice};
use probe_tests::{
    craft::{self, Capture, Rng, corpus, mutate},
    duel::describe,
    oracle::{compare, ours},
};
use probe_user::source::capture::Frame;
use proptest::prelude::*;

fn compare_frame(name: &str, frame: &Frame<'_>) -> bool {
    compare(frame.data, frame.wire_len as usize)
        .unwrap_or_else(|faults| panic!("{faults}\n{}", describe(name, frame)))
}

#[test]
fn the_parser_reads_what_etherparse_reads() {
    let (mut packets, mut compared) = (0, 0);
    for capture in craft::captures().into_iter().chain(corpus::captures()) {
        for frame in capture.frames() {
            packets += 1;
            compared += u64::from(compare_frame(&capture.name, &frame));
        }
    }
    println!("{compared} of {packets} packets have a transport header for etherparse");
    assert!(compared > 20_000);
}

#[test]
fn the_parser_reads_what_etherparse_reads_wherever_a_packet_is_cut() {
    let mut compared = 0;
    for shape in craft::shape::shapes() {
        for cut in 0..shape.data.len().min(300) {
            let packet = craft::Packet {
                time: 0,
                wire_len: shape.data.len() as u32,
                data: shape.data[..cut].to_vec(),
            };
            compared += u64::from(compare_frame(&shape.name, &packet.frame(cut as u64)));
        }
    }
    println!("{compared} packets compared");
}

/// Packets of conversations and look-ups: something to damage.
fn sound() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(craft::SEED);
    let talks =
        craft::talk::captures(&mut rng).into_iter().chain(craft::lookup::captures(&mut rng));
    talks.flat_map(|Capture { packets, .. }| packets).map(|packet| packet.data).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn damaged_headers_are_read_alike(seed in any::<u64>()) {
        let mut rng = Rng::new(seed);
        let packets = sound();
        for _ in 0..200 {
            let mut data = rng.of(&packets).clone();
            for _ in 0..1 + rng.below(3) {
                if rng.once_in(2) {
                    mutate::turn_bits(&mut rng, &mut data);
                } else {
                    mutate::replace(&mut rng, &mut data);
                }
            }
            let compared = compare(&data, data.len());
            prop_assert!(compared.is_ok(), "{}\n{:02x?}", compared.unwrap_err(), data);
        }
    }

    #[test]
    fn no_octets_are_too_strange(
        data in prop::collection::vec(any::<u8>(), 0..400),
        more in 0_usize..3000,
        ethertype in prop::sample::select(vec![0x0800_u16, 0x86dd, 0x8100, 0x88a8, 0x8864, 0x8847]),
    ) {
        let framed = craft::frame::raw(ethertype, &data);
        for data in [&data, &framed] {
            let _ = ours(data, data.len() + more);
            let octets = Slice { octets: data, wire_len: data.len() + more };
            if let Ok(found) = wire::locate(&octets, &mut 0) {
                let _ = wire::icmp::quoted(&octets, &found);
                let _ = wire::question::read(&octets, found.at, data.len(), &mut wire::question::Name::default());
                let _ = wire::dns::header(&octets, &found);
                prop_assert!(found.at <= wire::LOOK_MAX);
            }
        }
    }
}
