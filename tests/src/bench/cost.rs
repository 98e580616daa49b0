//! What the engine adds to a packet, in nanoseconds, by class of packet.
//!
//! The very engine, in the kernel, on another flow each time; what is told is the difference to the
//! same program without the engine, run in turns with it.

use anyhow::Context as _;
use aya::maps::{Array, MapData, RingBuf};
use probe_common::{
    bench::Vary,
    config::{Config, MARK_WORDS},
    flow::Bit,
    hash::HashKey,
    wire::{Address, tcp_flag},
};
use probe_user::{source::kernel::maps::WatchedNames, targets::TargetSet};

use super::{
    group::Request,
    object::{Bench, Program},
    packets::{self, Below, FLOWS, From, QUESTIONS, UNWATCHED, Varied, WATCHED},
    sample::Sample,
    table::{Budget, Row, Table},
};

/// Sets of the flow table: twice the room that a million flows need, so that few push out others.
const FLOW_SETS: u32 = 1 << 19;

/// Sets of the DNS table: as many questions as a router of some size has open.
const DNS_SETS: u32 = 1 << 14;

/// Sets of both tables where they lie in the caches: what is left is instructions.
const SETS_NEAR: u32 = 1 << 6;

/// Flows where there are few, whose records stay in the caches.
const FEW: u64 = 1 << 10;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Runs of each class.
    pub runs: usize,
    /// Packets in a run.
    pub packets: u32,
}

/// One class of packets.
struct Class {
    name: &'static str,
    /// What has to have passed before.
    before: Vec<Varied>,
    packet: Varied,
    /// What is held against the zero.
    program: Program,
    /// Flows, or questions, that there are.
    round: u64,
    budget: Option<f64>,
}

/// The engine as it is live: nothing followed but what is watched.
pub fn config() -> Config {
    Config {
        hash_key: HashKey { k0: 0x243f_6a88_85a3_08d3, k1: 0x1319_8a2e_0370_7344 },
        flow_mask: FLOW_SETS - 1,
        dns_mask: DNS_SETS - 1,
        flags: 0,
        ..Config::replay()
    }
}

/// The group.
///
/// # Errors
///
/// If the kernel refuses something.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let effort = if request.quick {
        Effort { runs: 5, packets: 1 << 18 }
    } else {
        Effort { runs: 15, packets: 1 << 20 }
    };
    measure(effort, |name| request.wants(name), table)
}

/// Measures the wanted classes.
///
/// # Errors
///
/// If the kernel refuses something.
pub fn measure(
    effort: Effort,
    wanted: impl Fn(&str) -> bool,
    table: &mut Table,
) -> anyhow::Result<()> {
    let near = Config { flow_mask: SETS_NEAR - 1, dns_mask: SETS_NEAR - 1, ..config() };
    for (config, classes) in [(config(), classes()), (near, classes_near())] {
        let classes = classes.into_iter().filter(|class| wanted(class.name));
        measure_each(&config, classes.collect(), effort, table)?;
    }
    Ok(())
}

/// Measures `classes` under `config`.
fn measure_each(
    config: &Config,
    classes: Vec<Class>,
    effort: Effort,
    table: &mut Table,
) -> anyhow::Result<()> {
    if classes.is_empty() {
        return Ok(());
    }
    let programs = [Program::Probe, Program::Touch, Program::Clock, Program::Zero];
    let mut bench = Bench::load(config, &programs)?;
    watch(&mut bench)?;
    let events = bench.bpf.take_map("EVENTS");
    let mut events = RingBuf::try_from(events.context("the object has no map EVENTS")?)?;
    for class in classes {
        let cost = class.measure(&mut bench, &mut events, effort)?;
        let row =
            Row::new("cost", class.name, &cost, "ns").budget(class.budget.map(Budget::AtMost));
        table.add(row);
    }
    Ok(())
}

/// What is new each time, and so costs the same in a small table but for the wait for memory.
fn classes_near() -> Vec<Class> {
    use Below::V4;
    let [query, _] = packets::lookup(V4, "www.example.org");
    let flood = |host, flags| packets::flood(V4, host, flags);
    let syns = "tables in the caches: SYNs of random clients";
    let watched = "tables in the caches: SYNs of random clients, watched";
    let resets = "tables in the caches: resets of unknown connections";
    vec![
        class(syns, flood(UNWATCHED, tcp_flag::SYN)),
        class(watched, flood(WATCHED, tcp_flag::SYN)),
        class(resets, flood(UNWATCHED, tcp_flag::RST)),
        Class { round: QUESTIONS, ..class("tables in the caches: DNS queries", query) },
    ]
}

/// A class that needs nothing before it.
const fn class(name: &'static str, packet: Varied) -> Class {
    Class { name, before: Vec::new(), packet, program: Program::Probe, round: FLOWS, budget: None }
}

fn classes() -> Vec<Class> {
    use Below::{V4, V6, Vlan};
    let flow = |name, packet, budget: f64| Class {
        budget: (budget > 0.0).then_some(budget),
        ..class(name, packet)
    };
    let followed = |name, below, packet, budget| Class {
        before: packets::handshake(below, WATCHED).to_vec(),
        ..flow(name, packet, budget)
    };
    let lookup = |name, below, of, budget| {
        let [query, reply] = packets::lookup(below, of);
        Class { before: vec![query], round: QUESTIONS, ..flow(name, reply, budget) }
    };
    let query = |name, below, of| {
        let [query, _] = packets::lookup(below, of);
        Class { round: QUESTIONS, ..flow(name, query, 0.0) }
    };
    let few = |class: Class| {
        let mut class = class;
        class.round = FEW;
        for one in class.before.iter_mut().chain([&mut class.packet]) {
            one.vary.mask = FEW - 1;
        }
        class
    };
    let bound = |name, program| Class {
        program,
        ..flow(name, packets::bulk(V4, From::Client, UNWATCHED), 0.0)
    };
    vec![
        bound("bound: the clock", Program::Clock),
        bound("bound: any word of the flow table", Program::Touch),
        few(followed(
            "bulk data, watched, a thousand flows",
            V4,
            packets::bulk(V4, From::Client, WATCHED),
            0.0,
        )),
        flow("bulk data, unwatched", packets::bulk(V4, From::Client, UNWATCHED), 12.0),
        flow("bulk data, unwatched, IPv6", packets::bulk(V6, From::Client, UNWATCHED), 0.0),
        flow("bulk data, unwatched, VLAN", packets::bulk(Vlan, From::Client, UNWATCHED), 0.0),
        flow(
            "bulk data, unwatched, from the server",
            packets::bulk(V4, From::Server, UNWATCHED),
            12.0,
        ),
        flow("pure acknowledgments, unwatched", packets::ack(V4, UNWATCHED), 12.0),
        flow("datagrams that are no DNS", packets::other(V4), 0.0),
        followed(
            "bulk data, watched, a million flows",
            V4,
            packets::bulk(V4, From::Client, WATCHED),
            60.0,
        ),
        followed("bulk data, watched, IPv6", V6, packets::bulk(V6, From::Client, WATCHED), 0.0),
        followed("bulk data, watched, VLAN", Vlan, packets::bulk(Vlan, From::Client, WATCHED), 0.0),
        followed(
            "bulk data, watched, from the server",
            V4,
            packets::bulk(V4, From::Server, WATCHED),
            60.0,
        ),
        flow("SYNs of random clients", packets::flood(V4, UNWATCHED, tcp_flag::SYN), 60.0),
        flow("SYNs of random clients, watched", packets::flood(V4, WATCHED, tcp_flag::SYN), 60.0),
        flow("SYNs of random clients, IPv6", packets::flood(V6, UNWATCHED, tcp_flag::SYN), 0.0),
        flow("resets of unknown connections", packets::flood(V4, UNWATCHED, tcp_flag::RST), 40.0),
        query("DNS queries", V4, "www.example.org"),
        lookup("DNS replies, unwatched name", V4, "www.example.org", 100.0),
        lookup("DNS replies, unwatched name, IPv6", V6, "www.example.org", 0.0),
        lookup("DNS replies, watched name, with event", V4, "www.linkedin.com", 200.0),
    ]
}

impl Class {
    fn measure(
        &self,
        bench: &mut Bench,
        events: &mut RingBuf<MapData>,
        effort: Effort,
    ) -> anyhow::Result<Sample> {
        // A question is answered once, so each turn asks anew, under the next id; connections last.
        let asks = self.round == QUESTIONS;
        let (turns, packets) = if asks { (16, self.round as u32) } else { (4, effort.packets) };
        if !asks {
            self.prepare(bench, 0)?;
        }
        let mut turn = 0_u32;
        Sample::take(effort.runs, || {
            let mut sums = [0.0; 2];
            // Several turns in a run: what one of the two loses by an interruption, so does the other.
            for _ in 0..turns {
                let mut vary = self.packet.vary;
                if asks {
                    self.prepare(bench, turn)?;
                    vary.number = vary.number.wrapping_add(turn.wrapping_mul(vary.number_step));
                } else {
                    vary.sequence = u64::from(turn) * u64::from(packets);
                }
                for (sum, program) in sums.iter_mut().zip([Program::Zero, self.program]) {
                    bench.vary(vary)?;
                    *sum += bench.run(program, &self.packet.frame, packets)?;
                }
                while events.next().is_some() {}
                turn = turn.wrapping_add(1);
            }
            Ok((sums[1] - sums[0]) / f64::from(turns))
        })
    }

    /// Sends what has to have passed before, in each flow, in round `round`.
    fn prepare(&self, bench: &mut Bench, round: u32) -> anyhow::Result<()> {
        for Varied { frame, vary } in &self.before {
            let number = vary.number.wrapping_add(round.wrapping_mul(vary.number_step));
            bench.vary(Vary { number, ..*vary })?;
            bench.run(Program::Probe, frame, self.round as u32)?;
        }
        Ok(())
    }
}

/// Watches the server that is to be watched, and the names of the targets.
///
/// # Errors
///
/// If the kernel refuses to write the map.
pub fn watch(bench: &mut Bench) -> anyhow::Result<()> {
    let map = bench.bpf.map_mut("WATCHED").context("the object has no map WATCHED")?;
    let mut bitmap: Array<&mut MapData, [u64; MARK_WORDS as usize]> = Array::try_from(map)?;
    let mut words = [0; MARK_WORDS as usize];
    for below in [Below::V4, Below::V6] {
        let bit = Bit::watched(Address::from(packets::server(below, WATCHED)));
        words[bit.word()] |= bit.mask();
    }
    bitmap.set(0, words, 0)?;
    let names = WatchedNames::take(&mut bench.bpf)?;
    names.replace(&TargetSet::builtin().names(config().hash_key));
    Ok(())
}
