//! Whole captures through both engines.

use std::time::Instant;

use probe_common::{config::Config, counter::Counter};
use probe_tests::{
    craft::{self, corpus},
    duel::Duel,
};
use probe_user::source::kernel::object;

use crate::settings;

/// A buffer is a page, with room for what the kernel keeps in it.
const ONE_BUFFER: usize = 3_000;

/// Of packets in one buffer there is nothing that the program of older kernels could not see. It is never
/// given any others there.
#[test]
fn captures_give_the_same_through_the_program_of_older_kernels() {
    let mut duel = Duel::by(Config::replay(), object::INGRESS_LINEAR).expect("both engines");
    for capture in craft::captures().into_iter().chain(corpus::captures()) {
        for frame in capture.frames().filter(|frame| frame.data.len() <= ONE_BUFFER) {
            duel.packet(&format!("older kernels: {}", capture.name), &frame);
        }
        duel.compare_tables();
    }
    println!("{} packets, {} events", duel.packets(), duel.events());
    assert!(duel.events() > 1_000, "{} events", duel.events());
}

#[test]
fn captures_give_the_same_through_both_engines() {
    for (name, config) in settings::all() {
        let start = Instant::now();
        let mut duel = Duel::new(config).expect("both engines");
        let mut captures = 0;
        for capture in craft::captures().into_iter().chain(corpus::captures()) {
            for frame in capture.frames() {
                duel.packet(&format!("{name}: {}", capture.name), &frame);
            }
            duel.compare_tables();
            captures += 1;
        }
        println!(
            "{name}: {} packets of {captures} captures, {} events, {} flows evicted, {:?}",
            duel.packets(),
            duel.events(),
            duel.counted(Counter::FlowsEvicted),
            start.elapsed()
        );
        // That there was something to compare.
        let reused = duel.counted(Counter::TcpPortReuse);
        assert!(reused > 20 || name == "small tables", "{name}: ports taken over {reused} times");
        for counter in [
            Counter::Resets,
            Counter::DnsRepliesRepeated,
            Counter::DnsQueriesRepeated,
            Counter::IcmpErrors,
            Counter::QuicLong,
            Counter::QuicFlows,
            Counter::FragmentTail,
            Counter::TooDeep,
            Counter::Malformed,
            Counter::Events,
        ] {
            assert!(duel.counted(counter) > 20, "{name}: too few of {}", counter.name());
        }
        let evicted = duel.counted(Counter::FlowsEvicted);
        assert_eq!(evicted > 1_000, name == "small tables", "{evicted} flows evicted");
    }
}
