//! The findings of a replay and of one through the real BPF program agree, record by record, on the whole
//! corpus of one seed.
//!
//! To load the program is most of the work, so it is loaded once for many cases, which it sees an hour
//! after each other; the judge is a new one each time. `FORGEWATCH_AGREEMENT=N` tries every Nth case only.

use std::{env, sync::Arc, time::Instant};

use probe_common::{config::Config, counter::COUNTERS};
use probe_tests::corpus::{
    build::{self, Scale},
    case::{Case, EPOCH},
};
use probe_user::{
    judge::{Judge, Settings, Telling},
    report::{
        Finding,
        summary::{Counters, StageCounts},
    },
    source::{
        capture::Frame,
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

/// Says that every so many-th case is tried.
const VARIABLE: &str = "FORGEWATCH_AGREEMENT";

/// Cases that one engine sees.
const TOGETHER: usize = 48;

/// How far apart they lie, in nanoseconds.
const APART: u64 = 3_600_000_000_000;

/// Seed of the corpus.
const SEED: u64 = 1;

/// All that is said of a capture.
#[derive(Debug, PartialEq)]
struct Said {
    findings: Vec<Finding>,
    silent: StageCounts,
    shapes: Counters,
    counts: [u64; COUNTERS as usize],
}

/// Replays a case, `later` nanoseconds after its time.
fn said(case: &Case, packets: &mut Packets, later: u64) -> Said {
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets });
    let mut findings = Vec::new();
    for (record, number) in case.tape.records.iter().zip(1..) {
        let data = case.tape.frame(record);
        let (time, wire_len) = (EPOCH + later + record.time, record.wire as u32);
        let frame = Frame { number, time, interface: 0, wire_len, data };
        packets.take(&frame, &mut judge, |finding| findings.push(finding)).expect("a run");
    }
    packets.scan_last(&mut judge, |finding| findings.push(finding));
    judge.finish(|finding| findings.push(finding));
    Said {
        findings,
        silent: judge.silence().counts(),
        shapes: judge.signatures().counters(),
        counts: packets.counts().expect("counters"),
    }
}

#[test]
fn a_replay_through_the_kernel_says_the_same() {
    let start = Instant::now();
    let every = match env::var(VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{VARIABLE}={text} is no number")),
        Err(_) => 1,
    };
    let plans: Vec<_> = build::plans().into_iter().step_by(every).collect();
    let (mut cases, mut findings) = (0, 0);
    for group in plans.chunks(TOGETHER) {
        // Small tables: they are looked through for silent connections each second.
        let config = Config { flow_mask: 1023, dns_mask: 255, ..Config::replay() };
        let mut local = Packets::new(Driver::local(config));
        let mut kernel = Packets::new(Driver::kernel(&config).expect("the BPF object"));
        for (plan, later) in group.iter().zip((0..).step_by(APART as usize)) {
            let case = plan.make(SEED, Scale::FULL);
            let said_here = said(&case, &mut local, later);
            assert_eq!(said_here, said(&case, &mut kernel, later), "{}", case.name);
            cases += 1;
            findings += said_here.findings.len();
        }
    }
    println!("{findings} findings of {cases} cases, {:?}", start.elapsed());
    assert!(findings > 2 * cases, "{findings} findings of {cases} cases are too few to compare");
}
