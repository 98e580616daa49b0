//! From the ring buffer to judged findings: events in a second, and from which rate on they are lost.
//!
//! The kernel makes the events, by test runs of the very programs, in its own ring buffer. First the
//! ring is filled and then emptied by one thread that does nothing else: what the agent's side costs.
//! Then one CPU makes events while the other judges them, as it is live.

pub mod kinds;

use std::{
    hint,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aya::{
    maps::{MapData, RingBuf},
    programs::XdpMode,
};
use nix::net::if_::if_nametoindex;
use probe_common::{config::Config, counter::Counter, hash::HashKey};
use probe_user::{
    attribute::token::Tokens,
    judge::{Judge, Settings, Telling},
    source::{
        clock,
        event::Event,
        kernel::{live::drain, maps::Counters},
    },
    targets::TargetSet,
};

use self::kinds::{Kind, ROUND};
use super::{
    cost,
    group::Request,
    live::send::pin,
    object::{Bench, Program},
    sample::Sample,
    table::{Budget, Row, Table},
};
use crate::lab::namespace::Namespace;

/// Events in a second that are to be judged without loss.
const RATE: f64 = 1e6;

/// Octets of the ring where it is filled before it is emptied.
const LARGE: u32 = 1 << 27;

/// Connections of each kind with which it is filled.
const FILLING: u32 = 1 << 13;

/// Connections of one kind before another one has its turn, where both CPUs are at work.
const TURN: u32 = 256;

/// Which kinds have their turn, by their places: one forged connection in 64.
const MIX: [usize; 4] = [0, 3, 1, 3];

/// How many turns there are from one in which connections are forged to the next, and how many are.
const FORGED: (u64, u32) = (16, TURN / 4);

/// How much is measured.
struct Effort {
    runs: usize,
    /// How long events are made at one rate.
    lasting: Duration,
}

/// Measures the group.
///
/// # Errors
///
/// If the kernel refuses something.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let effort = if request.quick {
        Effort { runs: 3, lasting: Duration::from_millis(500) }
    } else {
        Effort { runs: 9, lasting: Duration::from_secs(3) }
    };
    // As live, but without a limit to the rate.
    let config = Config { event_rate: 0, ..Config { flags: 0, ..Config::replay() } };
    let config = Config { hash_key: cost::config().hash_key, ..config };
    let kinds = kinds::all();
    alone(request, &config, &kinds, &effort, table)?;
    if request.wants("a mix") {
        together(&config, &kinds, &effort, table)?;
    }
    Ok(())
}

/// Judged as they are live.
fn judge() -> Judge {
    let targets = TargetSet::builtin().into();
    let mut judge =
        Judge::new(Settings { telling: Telling::AtOnce, epoch: clock::epoch_of_boot(), targets });
    judge.keep_outcomes(Tokens::with_key(HashKey { k0: 1, k1: 2 }));
    judge
}

fn load(config: &Config, ring: Option<u32>) -> anyhow::Result<(Bench, RingBuf<MapData>)> {
    let mut bench = Bench::load_with_ring(config, &[Program::Probe], ring)?;
    cost::watch(&mut bench)?;
    let ring = bench.bpf.take_map("EVENTS").context("the object has no map EVENTS")?;
    Ok((bench, RingBuf::try_from(ring)?))
}

/// One thread empties a full ring.
fn alone(
    request: &Request,
    config: &Config,
    kinds: &[Kind],
    effort: &Effort,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (mut bench, mut ring) = load(config, Some(LARGE))?;
    let mut first = 0;
    for kind in kinds {
        let taken = format!("{}: taken from the ring only", kind.name);
        let judged = format!("{}: judged", kind.name);
        for (what, judges) in [(taken, false), (judged, true)] {
            if !request.wants(&what) {
                continue;
            }
            let mut judge = judge();
            let mut found = 0_u64;
            let rates = Sample::take(effort.runs, || {
                kind.happen(&mut bench, first, FILLING)?;
                first += ROUND.max(FILLING.into());
                let start = Instant::now();
                let (count, _) = drain(&mut ring, usize::MAX, |event| {
                    if judges {
                        judge.event(&event, |_| found += 1);
                        judge.interests();
                    } else {
                        hint::black_box(event.time());
                    }
                })?;
                Ok(count as f64 / start.elapsed().as_secs_f64())
            })?;
            let row = Row::new("events", what, &rates, "/s");
            table.add(if judges { row.note(format!("{found} findings")) } else { row });
        }
    }
    Ok(())
}

/// A device that nothing is sent by.
const IDLE: &str = "idle0";

/// A namespace with that device.
fn idle() -> anyhow::Result<Namespace> {
    let namespace = Namespace::alone("idle")?;
    namespace.ip(&format!("link add {IDLE} type veth peer name idle1"))?;
    Ok(namespace)
}

/// What came of making events on one CPU and judging them on the other.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    /// Judged in a second.
    rate: f64,
    lost: u64,
    findings: u64,
}

fn together(
    config: &Config,
    kinds: &[Kind],
    effort: &Effort,
    table: &mut Table,
) -> anyhow::Result<()> {
    let idle = idle()?;
    let (mut bench, mut ring) = load(config, None)?;
    // The kernel takes milliseconds to begin a test run of a program that is attached nowhere.
    let index = idle.enter(|| if_nametoindex(IDLE))??;
    let attach = || {
        let program = bench.program(Program::Probe)?;
        let attached = program.attach_to_if_index(index, XdpMode::Driver);
        attached.context("cannot attach the program to an idle device")
    };
    idle.enter(attach)??;
    let counters = Counters::take(&mut bench.bpf)?;
    let mut next = 0;
    let mut pass = |rate: f64| {
        let before = counters.read()?;
        let judged = at_rate(&mut bench, &mut ring, kinds, &mut next, (rate, effort.lasting))?;
        let lost = |counts: &[u64]| counts[Counter::RingFull as usize];
        Ok::<_, anyhow::Error>(Passed { lost: lost(&counters.read()?) - lost(&before), ..judged })
    };
    let (mut most, mut lossless, mut found) = (Vec::new(), Vec::new(), 0);
    for _ in 0..effort.runs {
        let flat_out = pass(f64::INFINITY)?;
        most.push(flat_out.rate);
        // From there down, until nothing is lost.
        let mut rate = flat_out.rate;
        loop {
            let passed = if rate == flat_out.rate && flat_out.lost == 0 {
                flat_out
            } else {
                rate *= 0.9;
                pass(rate)?
            };
            if passed.lost == 0 {
                lossless.push(passed.rate);
                found += passed.findings;
                break;
            }
            anyhow::ensure!(rate > 1e4, "events are lost at any rate");
        }
    }
    let row = Row::new("events", "a mix, two cores: judged at most", &Sample::new(most), "/s");
    table.add(row);
    let row = Row::new("events", "a mix, two cores: without loss", &Sample::new(lossless), "/s");
    table.add(row.budget(Budget::AtLeast(RATE)).note(format!("{found} findings")));
    Ok(())
}

/// Makes events at `rate` a second for some time on one CPU, and judges them on another.
fn at_rate(
    bench: &mut Bench,
    ring: &mut RingBuf<MapData>,
    kinds: &[Kind],
    next: &mut u64,
    (rate, lasting): (f64, Duration),
) -> anyhow::Result<Passed> {
    let (made, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut judge = judge();
    let mut findings = 0;
    thread::scope(|scope| {
        let maker = scope.spawn(|| {
            let result = pin(0).and_then(|()| make(bench, kinds, next, &made, (rate, lasting)));
            over.store(true, Ordering::Release);
            result
        });
        pin(1)?;
        let start = Instant::now();
        let (mut count, mut last) = (0, start);
        loop {
            let ended = over.load(Ordering::Acquire);
            let (taken, _) = drain(ring, 4_096, |event: Event<'_>| {
                judge.event(&event, |_| findings += 1);
                judge.interests();
            })?;
            count += taken;
            made.store(count, Ordering::Relaxed);
            if taken > 0 {
                last = Instant::now();
            } else if ended {
                break;
            } else {
                hint::spin_loop();
            }
        }
        maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let rate = count as f64 / (last - start).as_secs_f64();
        Ok(Passed { rate, lost: 0, findings })
    })
}

/// Has the mix happen, no faster than its events come at `rate`, as far as those judged tell how many
/// there are.
fn make(
    bench: &mut Bench,
    kinds: &[Kind],
    next: &mut u64,
    judged: &AtomicU64,
    (rate, lasting): (f64, Duration),
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut turn = 0_u64;
    while start.elapsed() < lasting {
        let (kind, count) = match turn % FORGED.0 {
            0 => (&kinds[2], FORGED.1),
            other => (&kinds[MIX[other as usize % MIX.len()]], TURN),
        };
        kind.happen(bench, *next, count)?;
        *next += u64::from(TURN);
        turn += 1;
        while rate.is_finite()
            && judged.load(Ordering::Relaxed) as f64 > rate * start.elapsed().as_secs_f64()
            && start.elapsed() < lasting
        {
            hint::spin_loop();
        }
    }
    Ok(())
}
