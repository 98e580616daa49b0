//! Each shape of packet cut off at each octet.

use std::time::Instant;

use probe_tests::{
    craft::{DAY, Packet, shape},
    duel::Duel,
};

use crate::settings;

/// How far into a packet cuts are made: beyond all headers but those that go on for long, and into
/// the payload.
const REACH: usize = 220;

/// Where a packet of `len` octets is cut: everywhere at first, then here and there.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..=len.min(REACH)).chain((REACH + 1..len).step_by(37)).chain([len.saturating_sub(1)])
}

#[test]
fn every_shape_cut_anywhere_gives_the_same_through_both_engines() {
    let shapes = shape::shapes();
    for (name, config) in settings::all() {
        let start = Instant::now();
        let mut duel = Duel::new(config).expect("both engines");
        let mut number = 0;
        for shape in &shapes {
            for cut in cuts(shape.data.len()) {
                let whole = shape.data.len() as u32;
                // By a capture's snap length, and as a packet that really is so short.
                for wire_len in [whole, cut as u32] {
                    number += 1;
                    let time = DAY + number * 1_000;
                    let packet = Packet { time, wire_len, data: shape.data[..cut].to_vec() };
                    let what = format!("{name}: {} cut at {cut}", shape.name);
                    duel.packet(&what, &packet.frame(number));
                }
            }
        }
        duel.compare_tables();
        println!(
            "{name}: {} packets of {} shapes, {} events, {:?}",
            duel.packets(),
            shapes.len(),
            duel.events(),
            start.elapsed()
        );
    }
}
