//! Somebody who knows the source tries to blind, to exhaust, or to have somebody innocent accused: what
//! `docs/threat-model.md` promises and no other suite shows.

mod memory;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use probe_common::{
    config::Config,
    counter::Counter,
    flow::FlowKey,
    hash::HashKey,
    wire::{Packet, tcp_flag},
};
use probe_tests::craft::{
    DAY, MS, Rng, SEED,
    ask::{Answer, Lookups, Question},
    dns,
    frame::ethernet,
    net::Ip,
    segment::Segment,
};
use probe_user::{
    judge::{Judge, Settings, Telling},
    report::{Finding, finding::Verdict},
    source::{capture::Frame, local::Local},
    targets::TargetSet,
};

/// Engine and judge, as they are live.
struct Watch {
    engine: Local,
    judge: Judge,
    events: u64,
    findings: Vec<Finding>,
    number: u64,
}

impl Watch {
    fn new() -> Self {
        let config = Config { flags: 0, ..Config::replay() };
        let targets = Arc::new(TargetSet::builtin());
        let mut engine = Local::new(config);
        engine.watch_names(&targets.names(config.hash_key));
        let judge = Judge::new(Settings { telling: Telling::AtOnce, epoch: 0, targets });
        Self { engine, judge, events: 0, findings: Vec::new(), number: 0 }
    }

    fn pass(&mut self, time: u64, data: &[u8]) {
        self.number += 1;
        let Self { engine, judge, events, findings, number } = self;
        let wire_len = data.len() as u32;
        let frame = Frame { number: *number, time, interface: 0, wire_len, data };
        engine.packet(&frame, |event| {
            *events += 1;
            judge.event(&event, |finding| findings.push(finding));
        });
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.engine.counts()[counter as usize]
    }

    fn lost(&self, name: &str) -> u64 {
        self.judge.losses()[name]
    }

    fn records(&self) -> usize {
        self.engine.flows().count()
    }

    fn finish(mut self) -> Vec<Finding> {
        let Self { judge, findings, .. } = &mut self;
        judge.finish(|finding| findings.push(finding));
        self.findings
    }
}

fn anyone(rng: &mut Rng) -> IpAddr {
    Ipv4Addr::from_bits(rng.word() as u32 | 0x0100_0000).into()
}

#[test]
fn resets_of_connections_that_nobody_has_leave_no_record_and_make_no_event() {
    const FLOOD: u64 = 100_000;
    let (mut watch, mut rng) = (Watch::new(), Rng::new(SEED));
    for number in 0..FLOOD {
        let (from, to) = (anyone(&mut rng), anyone(&mut rng));
        let segment = Segment {
            ports: (rng.word() as u16 | 1, 443),
            seq: rng.word() as u32,
            flags: tcp_flag::RST,
            ..Segment::default()
        };
        watch.pass(DAY + number * MS / 1_000, &ethernet(&segment.packet(&Ip::new(from, to))));
    }
    assert_eq!(watch.counted(Counter::ResetsUnknown), FLOOD);
    assert_eq!((watch.records(), watch.events), (0, 0));
    assert!(watch.finish().is_empty());
}

/// Questions for `name` between a question for a watched name and its first answer, which is forged:
/// how many questions had to make way, and whether the forgery was told of.
fn flooded(name: &str, flood: u64) -> (u64, bool) {
    let mut lookups = Lookups::new("flooded");
    let question = Question::new(1, "www.linkedin.com");
    let forged = Answer { hops: 90, ..Answer::genuine(9, [203, 0, 113, 66]) };
    lookups.ask(0, &question);
    lookups.reply(20_000, &question, &forged);
    lookups.reply(60_000, &question, &Answer::genuine(1, [108, 174, 10, 10]));
    let (mut watch, mut rng) = (Watch::new(), Rng::new(SEED));
    for (at, packet) in lookups.capture.packets.iter().enumerate() {
        watch.pass(packet.time, &packet.data);
        for number in 0..if at == 0 { flood } else { 0 } {
            let ip = Ip::new(anyone(&mut rng), Ipv4Addr::new(198, 18, 0, 99).into());
            let message = dns::query(rng.word() as u16, name, 1, false);
            let datagram = dns::datagram(&ip, (1_024 + rng.below(60_000) as u16, 53), &message);
            watch.pass(packet.time + number * 10, &ethernet(&datagram));
        }
    }
    let evicted = watch.counted(Counter::DnsEvicted);
    let told = watch.finish().iter().any(|finding| finding.verdict == Verdict::Injected);
    println!("{flood} questions for {name}: {evicted} evicted, told: {told}");
    (evicted, told)
}

#[test]
fn a_flood_of_questions_for_other_names_hides_no_forged_answer() {
    let (evicted, told) = flooded("a.name.test", 1_000_000);
    assert!(evicted > 500_000 && told, "{evicted} evicted, told: {told}");
}

#[test]
fn a_flood_of_questions_hides_a_forged_answer_only_if_an_eviction_says_so() {
    for flood in [0, 1_000, 1_000_000] {
        let (evicted, told) = flooded("a.linkedin.com", flood);
        assert!(told || evicted > 0, "{flood} questions hide it and no counter says so");
        assert!(flood > 1_000 || told, "{flood} questions are enough to hide it");
    }
}

#[test]
fn connections_that_meet_in_one_set_under_one_key_do_not_under_another() {
    const MEET: usize = 64;
    let mask = Config::replay().flow_mask;
    let mut rng = Rng::new(SEED);
    let set = |key: HashKey, flow: &FlowKey| flow.hash(key, 0) as u32 & mask;
    let guessed = HashKey { k0: 1, k1: 2 };
    // What somebody finds who has guessed the key of a run.
    let mut meeting = Vec::new();
    let mut wanted = None;
    let mut by_set: BTreeMap<u32, Vec<FlowKey>> = BTreeMap::new();
    while wanted.is_none() {
        let packet = Packet {
            source: anyone(&mut rng).into(),
            destination: IpAddr::from(Ipv4Addr::new(198, 51, 100, 20)).into(),
            source_port: rng.word() as u16,
            destination_port: 443,
            version: 4,
            ..Packet::default()
        };
        let (flow, _) = FlowKey::of(&packet);
        // Of few sets only, or there would be much to keep.
        let at = set(guessed, &flow);
        if at < 8 {
            let there = by_set.entry(at).or_default();
            there.push(flow);
            if there.len() == MEET {
                meeting.clone_from(there);
                wanted = Some(at);
            }
        }
    }
    let mut spread: BTreeMap<u32, usize> = BTreeMap::new();
    for flow in &meeting {
        *spread.entry(set(HashKey { k0: 3, k1: 2 }, flow)).or_default() += 1;
    }
    // The next key scatters them as any others.
    assert!(spread.len() > MEET - 4, "{} connections in {} sets", MEET, spread.len());
}
