//! The same verdicts, whichever engine the packets went through.

use std::sync::Arc;

use probe_common::config::Config;
use probe_tests::craft::{self, Capture, corpus};
use probe_user::{
    judge::{Judge, Settings, Telling},
    report::{Finding, summary::StageCounts},
    source::replay::{Driver, Packets},
    targets::TargetSet,
};

/// Findings, and connections that fell silent.
type Verdicts = (Vec<Finding>, StageCounts);

fn verdicts(capture: &Capture, driver: Driver, telling: Telling) -> Verdicts {
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling, epoch: 0, targets });
    let mut packets = Packets::new(driver);
    let mut told = Vec::new();
    for frame in capture.frames() {
        packets.take(&frame, &mut judge, |finding| told.push(finding)).expect("a run");
    }
    judge.finish(|finding| told.push(finding));
    (told, judge.silence().counts())
}

#[test]
fn both_engines_lead_to_the_same_findings() {
    let made = craft::captures().into_iter().filter(|capture| capture.name != "noise");
    let (mut captures, mut total) = (0, 0);
    // To load the object is most of the work: of the two ways of telling, each capture has one.
    let tellings = [Telling::AtClose, Telling::AtOnce].into_iter().cycle();
    for (capture, telling) in made.chain(corpus::captures()).zip(tellings) {
        let config = Config { flow_mask: 1023, dns_mask: 255, ..Config::replay() };
        let local = verdicts(&capture, Driver::local(config), telling);
        let kernel = Driver::kernel(&config).expect("the BPF object");
        let kernel = verdicts(&capture, kernel, telling);
        assert_eq!(local, kernel, "{} told {telling:?}", capture.name);
        total += local.0.len();
        captures += 1;
    }
    println!("{total} findings of {captures} captures");
    assert!(total > 100, "{total} findings are too few to compare");
}
