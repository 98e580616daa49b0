//! How much work one packet can be: what the verifier has gone through, and a hunt for the costliest.
//!
//! The hunt begins with one packet of each shape that there is (`craft::shape`: tags, tunnels, extension
//! headers, options, fragments, names, quotes in ICMP) and the packets of whole conversations, and goes on
//! with those that cost most, damaged. What is drawn is the same at each run; which of them go on
//! is decided by a clock. Each is repeated as it is, so its records are in the caches: this is about
//! instructions. What memory costs is in the group `cost`.

use anyhow::Context as _;
use aya::{
    maps::{MapData, RingBuf},
    programs::XdpMode,
};
use nix::net::if_::if_nametoindex;
use probe_common::config::{Config, FLAG_WATCH_ALL};
use probe_user::source::kernel::{maps::take_ring, object};

use super::{
    group::Request,
    object::{Bench, Program},
    sample::Sample,
    table::{Budget, Row, Table},
};
use crate::{
    craft::{self, Rng, dns, frame, lookup, mutate, net::Ip, quic, shape, talk},
    lab::road::{self, Road},
};

/// Instructions that the verifier may go through for one program: two fifths of what it gives up at, since
/// other kernels go through up to twice as many.
const LIMIT: Budget = Budget::AtMost(400_000.0);

/// Candidates that go on.
const KEPT: usize = 32;

/// Packets of each capture that the hunt begins with, about.
const OF_EACH: usize = 40;

/// The shortest frame that the kernel runs, and the longest in one piece.
const LENGTHS: std::ops::RangeInclusive<usize> = 14..=3_400;

/// How hard to hunt.
#[derive(Clone, Copy, Debug)]
struct Effort {
    generations: usize,
    /// How often a packet is repeated in a run.
    repeat: u32,
}

/// A packet that may be costly.
#[derive(Clone, Debug)]
struct Candidate {
    name: String,
    frame: Vec<u8>,
    /// Nanoseconds.
    cost: f64,
}

/// The group.
///
/// # Errors
///
/// If the kernel refuses something.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let effort = if request.quick {
        Effort { generations: 60, repeat: 500 }
    } else {
        Effort { generations: 600, repeat: 1_000 }
    };
    // Everything is looked at and everything is told.
    let config = Config { flags: FLAG_WATCH_ALL, event_rate: 0, ..Config::replay() };
    let mut bench = Bench::load(&config, &[Program::Ingress, Program::Pass])?;
    verified(&mut bench, table)?;
    if request.wants("the costliest packet") {
        // A test run of a program that is attached nowhere costs twenty milliseconds: the kernel then
        // writes machine code to call it by, before and after.
        let road = Road::new(1)?;
        for (program, device) in [(Program::Ingress, road::IN), (Program::Pass, road::OUT)] {
            let attach = || {
                let index = if_nametoindex(device)?;
                bench.program(program)?.attach_to_if_index(index, XdpMode::Driver)?;
                anyhow::Ok(())
            };
            road.router.enter(attach)?.with_context(|| format!("cannot attach to {device}"))?;
        }
        let mut ring = take_ring(&mut bench.bpf)?;
        hunt(&mut bench, &mut ring, effort, table)?;
    }
    Ok(())
}

/// What the verifier has gone through, by program.
fn verified(bench: &mut Bench, table: &mut Table) -> anyhow::Result<()> {
    object::load_tc(&mut bench.bpf)?;
    for name in [object::EGRESS, object::INGRESS] {
        let names = std::iter::once(name.to_owned()).chain(object::branches(name));
        for (name, info) in names.zip(object::infos(&bench.bpf, name)?) {
            let count = info.verified_instruction_count();
            let count = count.context("a kernel that does not tell")?;
            let note = format!("{} octets of machine code", info.size_jitted());
            let what = format!("{name}: gone through by the verifier");
            let row = Row::new("work", what, &Sample::new(vec![f64::from(count)]), "insns");
            table.add(row.budget(LIMIT).note(note));
        }
    }
    Ok(())
}

fn hunt(
    bench: &mut Bench,
    ring: &mut RingBuf<MapData>,
    effort: Effort,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut rng = Rng::new(craft::SEED);
    let mut kept = Vec::new();
    let mut tried = 0;
    for (name, frame) in beginning(&mut rng) {
        if LENGTHS.contains(&frame.len()) {
            let cost = cost(bench, ring, Program::Ingress, &frame, effort.repeat)?;
            kept.push(Candidate { name, frame, cost });
            tried += 1;
        }
    }
    let first = kept.iter().max_by(|one, other| one.cost.total_cmp(&other.cost)).cloned();
    keep(&mut kept);
    for _ in 0..effort.generations {
        for at in 0..kept.len() {
            let Candidate { name, frame, .. } = &kept[at];
            let (mut frame, mut name) = (frame.clone(), name.clone());
            if rng.once_in(2) {
                mutate::turn_bits(&mut rng, &mut frame);
            } else {
                mutate::replace(&mut rng, &mut frame);
            }
            if !name.ends_with(", damaged") {
                name.push_str(", damaged");
            }
            let cost = cost(bench, ring, Program::Ingress, &frame, effort.repeat)?;
            kept.push(Candidate { name, frame, cost });
            tried += 1;
        }
        keep(&mut kept);
    }
    for (what, one) in [
        ("the costliest packet of a known shape", first),
        ("the costliest packet", kept.into_iter().next()),
    ] {
        let one = one.context("no packet could be run")?;
        // The least of a few is luck; these are what is told.
        let sample = Sample::take(9, || {
            let all = cost(bench, ring, Program::Ingress, &one.frame, 4 * effort.repeat)?;
            Ok(all - cost(bench, ring, Program::Pass, &one.frame, 4 * effort.repeat)?)
        })?;
        let note = format!("{}, {} octets; of {tried} packets", one.name, one.frame.len());
        table.add(Row::new("work", what, &sample, "ns").note(note));
    }
    Ok(())
}

/// The costliest, those that cost most first.
fn keep(candidates: &mut Vec<Candidate>) {
    candidates.sort_by(|one, other| other.cost.total_cmp(&one.cost));
    candidates.truncate(KEPT);
}

/// What the hunt begins with.
fn beginning(rng: &mut Rng) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> =
        shape::shapes().into_iter().map(|shape| (shape.name, shape.data)).collect();
    let captures = talk::captures(rng).into_iter().chain(lookup::captures(rng));
    for capture in captures.chain(quic::captures(rng)) {
        // A few of each: most conversations are alike.
        let every = (capture.packets.len() / OF_EACH).max(1);
        let packets = capture.packets.into_iter().step_by(every).map(|packet| packet.data);
        all.extend(packets.map(|data| (capture.name.clone(), data)));
    }
    for (name, label) in [("long labels", 63), ("labels of one octet", 1)] {
        let mut labels = vec!["x".repeat(label); 250 / (label + 1)];
        labels.push("linkedin.com".into());
        while labels.iter().map(|label| label.len() + 1).sum::<usize>() > 254 {
            labels.remove(0);
        }
        let asked = labels.join(".");
        let address = [std::net::IpAddr::from([203, 0, 113, 1])];
        let messages = [
            ("query", Ip::v4(), (40_000, 53), dns::query(1, &asked, 1, true)),
            ("reply", Ip::v4().back(), (53, 40_000), dns::reply(1, 0x8180, &asked, 1, &address)),
        ];
        for (kind, ip, ports, message) in messages {
            let data = frame::ethernet(&dns::datagram(&ip, ports, &message));
            all.push((format!("DNS {kind}, {name}"), data));
        }
    }
    all
}

/// What one packet takes: the least of three runs, since whatever disturbs one only adds to it.
fn cost(
    bench: &mut Bench,
    ring: &mut RingBuf<MapData>,
    program: Program,
    frame: &[u8],
    repeat: u32,
) -> anyhow::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        least = least.min(bench.run(program, frame, repeat)?);
        while ring.next().is_some() {}
    }
    Ok(least)
}
