//! Two CPUs at once: no record is torn, no packet is counted twice or not at all.
//!
//! The packets go through the very program (BPF_PROG_TEST_RUN, each repeated by the kernel so that the
//! two do meet in the same record) on two threads, each on a CPU of its own. Where there is only one
//! CPU the threads take turns, and the same has to hold.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use aya::{TestRun as _, TestRunOptions, programs::Xdp};
use probe_common::{
    config::{Config, FLAG_WATCH_ALL},
    counter::Counter,
    flow::{FlowKey, FlowRecord, Half, Side},
    set::WAYS,
    wire::{Address, tcp_flag},
};
use probe_tests::{
    bench::live::send::pin,
    craft::{frame, net::Ip, segment::Segment},
};
use probe_user::source::kernel::{
    maps::{Counters, FlowTable},
    object,
};

/// Client and server of flow `number`.
fn ends(number: u32) -> ((IpAddr, u16), (IpAddr, u16)) {
    let client = Ipv4Addr::from(0x0a00_0000 + number / 1_000);
    let server = Ipv4Addr::new(198, 51, 100, 20);
    ((client.into(), 40_000 + (number % 1_000) as u16), (server.into(), 443))
}

/// A segment of `payload` octets of flow `number`, from the client or from the server.
fn segment(number: u32, from_client: bool, flags: u16, payload: usize) -> Vec<u8> {
    let (client, server) = ends(number);
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    let one = Segment {
        ports: (from.1, to.1),
        seq: 1_000 + u32::from(from_client) * 500_000,
        ack: 1,
        flags,
        window: if from_client { 501 } else { 777 },
        payload: vec![0x5a; payload],
        ..Segment::default()
    };
    let hops = if from_client { 64 } else { 57 };
    frame::ethernet(&one.packet(&Ip { hops, ..Ip::new(from.0, to.0) }))
}

/// The key of flow `number`, and which side its client is.
fn key(number: u32) -> (FlowKey, Side) {
    let (client, server) = ends(number);
    let end = |(address, port): (IpAddr, u16)| (Address::from(address), port);
    FlowKey::new(end(client), end(server), [0, 0], 6)
}

/// What the two CPUs send: frames, each with how often.
type Turn = Vec<(Vec<u8>, u32)>;

/// The table and the counters after both have sent.
fn race(config: &Config, turns: &[Turn; 2]) -> (Vec<FlowRecord>, [u64; 2]) {
    let mut bpf = object::load(config).expect("an object that loads");
    object::load_xdp(&mut bpf).expect("the XDP program");
    let counters = Counters::take(&mut bpf).expect("counters");
    let table = FlowTable::take(&mut bpf, config.flow_mask + 1).expect("the flow table");
    let program: &Xdp =
        bpf.program(object::INGRESS).expect("the XDP program").try_into().expect("an XDP program");
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        for (cpu, turn) in turns.iter().enumerate() {
            let ready = &ready;
            scope.spawn(move || {
                // On a machine of one CPU it runs where it may.
                let _ = pin(cpu);
                ready.wait();
                for (frame, repeat) in turn {
                    send(program, frame, *repeat);
                }
            });
        }
    });
    let counts = counters.read().expect("counters");
    let mut records = Vec::new();
    table.scan(|_, record| records.push(*record));
    (records, [Counter::Packets, Counter::FlowsEvicted].map(|one| counts[one as usize]))
}

/// Has the program take a frame so often.
fn send(program: &Xdp, frame: &[u8], repeat: u32) {
    let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
    program.test_run(options).expect("a run");
}

fn config(flow_mask: u32) -> Config {
    Config { flags: FLAG_WATCH_ALL, flow_mask, event_rate: 1, ..Config::replay() }
}

/// What a half must say after `packets` segments of `payload` octets with these fields.
fn assert_whole(half: &Half, packets: u32, payload: u32, hops: u8, window: u16) {
    assert_eq!(half.packets, packets);
    assert_eq!(half.octets, packets.wrapping_mul(payload));
    assert_eq!((half.hops_min, half.hops_max), (hops, hops));
    assert_eq!(half.window, window);
    assert!(half.first != 0 && half.first <= half.last);
}

/// Both directions of the same flows, each on its own CPU: each half is exactly what its side sent.
#[test]
fn the_two_directions_of_a_flow_do_not_touch_each_others_half() {
    const FLOWS: u32 = 8;
    const ROUNDS: u32 = 20;
    const REPEAT: u32 = 5_000;
    let ack = tcp_flag::ACK;
    let turn = |from_client, payload| -> Turn {
        let rounds = (0..ROUNDS).flat_map(|_| 0..FLOWS);
        rounds.map(|flow| (segment(flow, from_client, ack, payload), REPEAT)).collect()
    };
    let config = config(1_023);
    // Opened beforehand, so that the two meet in records and not over places: that is the next test.
    let mut there = turn(true, 100);
    there.splice(0..0, (0..FLOWS).map(|flow| (segment(flow, true, ack, 100), 1)));
    let (records, [packets, evicted]) = race(&config, &[there, turn(false, 300)]);
    assert_eq!(packets, u64::from(FLOWS * ROUNDS * REPEAT * 2 + FLOWS));
    assert_eq!((records.len(), evicted), (FLOWS as usize, 0));
    for flow in 0..FLOWS {
        let (key, client) = key(flow);
        let record = records.iter().find(|record| record.key == key).expect("a record");
        assert_whole(record.half(client), ROUNDS * REPEAT + 1, 100, 64, 501);
        assert_whole(record.half(client.other()), ROUNDS * REPEAT, 300, 57, 777);
    }
}

/// Two CPUs in step through all sets, each to open a connection in the same one at the same time: as many
/// are on record as were not counted as given up, and each record is of one connection alone.
#[test]
fn two_cpus_do_not_open_a_record_in_one_place() {
    const SETS: usize = 1 << 14;
    let config = config(SETS as u32 - 1);
    let flows = by_set(&config, SETS);
    let mut bpf = object::load(&config).expect("an object that loads");
    object::load_xdp(&mut bpf).expect("the XDP program");
    let counters = Counters::take(&mut bpf).expect("counters");
    let table = FlowTable::take(&mut bpf, config.flow_mask + 1).expect("the flow table");
    let program: &Xdp =
        bpf.program(object::INGRESS).expect("the XDP program").try_into().expect("an XDP program");
    let arrived = AtomicUsize::new(0);
    thread::scope(|scope| {
        for cpu in 0..2 {
            let (flows, arrived) = (&flows, &arrived);
            scope.spawn(move || {
                let alone = pin(cpu).is_err();
                for (step, &number) in flows.iter().skip(cpu).step_by(2).enumerate() {
                    let frame = syn(number);
                    arrived.fetch_add(1, Ordering::SeqCst);
                    while arrived.load(Ordering::SeqCst) < 2 * (step + 1) {
                        if alone { thread::yield_now() } else { std::hint::spin_loop() }
                    }
                    send(program, &frame, 1);
                }
            });
        }
    });
    let counts = counters.read().expect("counters");
    let [contended, evicted, opened] =
        [Counter::FlowsContended, Counter::FlowsEvicted, Counter::TcpFlows]
            .map(|one| counts[one as usize]);
    let mut records = Vec::new();
    table.scan(|_, record| records.push(*record));
    assert_eq!(evicted, 0, "there is room for all");
    assert_eq!(records.len() as u64 + contended, flows.len() as u64, "a record was lost uncounted");
    assert_eq!(opened, records.len() as u64);
    let expected: HashMap<FlowKey, u32> =
        flows.iter().map(|&number| (key(number).0, number)).collect();
    for record in &records {
        let number = *expected.get(&record.key).expect("a key of these");
        let (_, client) = key(number);
        let half = record.half(client);
        assert_whole(half, 1, 0, 64, number as u16);
        assert_eq!((half.syn.isn, half.end), (number, number.wrapping_add(1)));
        assert_eq!((half.first, half.last), (record.opened, record.opened));
        assert_eq!(*record.half(client.other()), Half::default());
    }
}

/// Two CPUs send segments of twice as many connections as there are places, all in one set, so that each
/// pushes out connections of which the other has a segment under way. That happens, and is counted; and
/// whatever is shown is of one connection alone.
#[test]
fn a_segment_of_a_connection_that_makes_way_leaves_nothing_in_the_next_record() {
    const ROUNDS: usize = 100;
    const ENOUGH: usize = 20;
    const FLOWS: u32 = 2 * WAYS as u32;
    // Each run waits for all CPUs at its beginning and its end.
    const REPEAT: u32 = 2_000;
    let mut bpf = object::load(&config(0)).expect("an object that loads");
    object::load_xdp(&mut bpf).expect("the XDP program");
    let counters = Counters::take(&mut bpf).expect("counters");
    let table = FlowTable::take(&mut bpf, 1).expect("the flow table");
    let program: &Xdp =
        bpf.program(object::INGRESS).expect("the XDP program").try_into().expect("an XDP program");
    let counted = |one: Counter| counters.read().expect("counters")[one as usize];
    let several = thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    let begun = Barrier::new(2);
    let (mut shown, mut rounds) = (0, 0);
    while rounds < ENOUGH || several && counted(Counter::FlowsTorn) == 0 {
        assert!(rounds < ROUNDS, "the two have never met");
        thread::scope(|scope| {
            for cpu in 0..2 {
                let begun = &begun;
                scope.spawn(move || {
                    let _ = pin(cpu);
                    begun.wait();
                    for flow in (0..FLOWS).filter(|flow| *flow as usize % 2 == cpu) {
                        let frame = marked(flow);
                        send(program, &frame, REPEAT);
                    }
                });
            }
        });
        table.scan(|_, record| {
            let flow = (0..FLOWS).find(|&flow| key(flow).0 == record.key).expect("a known key");
            let (_, client) = key(flow);
            let half = record.half(client);
            let mark = mark(flow);
            assert_eq!((half.hops_min, half.hops_max), (mark, mark), "round {rounds}, flow {flow}");
            assert_eq!(half.window, u16::from(mark));
            assert_eq!(*record.half(client.other()), Half::default());
            shown += 1;
        });
        rounds += 1;
    }
    assert!(shown > rounds && counted(Counter::FlowsEvicted) > rounds as u64);
}

/// The TTL and window of flow `number`, which are no other flow's.
const fn mark(number: u32) -> u8 {
    100 + number as u8
}

/// A segment of flow `number` from the client, marked.
fn marked(number: u32) -> Vec<u8> {
    let (client, server) = ends(number);
    let mark = mark(number);
    let one = Segment {
        ports: (client.1, server.1),
        seq: 1_000,
        ack: 1,
        flags: tcp_flag::ACK,
        window: mark.into(),
        ..Segment::default()
    };
    frame::ethernet(&one.packet(&Ip { hops: mark, ..Ip::new(client.0, server.0) }))
}

/// Of each of `sets` sets as many flows as it has places, set by set.
fn by_set(config: &Config, sets: usize) -> Vec<u32> {
    let mut places = vec![Vec::new(); sets];
    let (mut number, mut missing) = (0, sets * WAYS);
    while missing > 0 {
        let (key, _) = key(number);
        let set = &mut places[(key.hash(config.hash_key, 0) as u32 & config.flow_mask) as usize];
        if set.len() < WAYS {
            set.push(number);
            missing -= 1;
        }
        number += 1;
    }
    places.into_iter().flatten().collect()
}

/// The SYN of flow `number`, told by its numbers from any other.
fn syn(number: u32) -> Vec<u8> {
    let (client, server) = ends(number);
    let one = Segment {
        ports: (client.1, server.1),
        seq: number,
        ack: 0,
        flags: tcp_flag::SYN,
        window: number as u16,
        ..Segment::default()
    };
    frame::ethernet(&one.packet(&Ip { hops: 64, ..Ip::new(client.0, server.0) }))
}
