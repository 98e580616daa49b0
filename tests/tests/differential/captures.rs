//! Whole captures through both engines.

use std::time::Instant;

use probe_common::counter::Counter;
use probe_tests::{
    craft::{self, corpus},
    duel::Duel,
};

use crate::settings;

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
