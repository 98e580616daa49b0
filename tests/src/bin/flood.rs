//! Judges a flood of one kind of events, made by the engine in userspace: for a profiler, which can count
//! the instructions of an event so.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use probe_common::{config::Config, hash::HashKey};
use probe_tests::bench::{
    events::kinds::{self, Kind},
    packets::Varied,
};
use probe_user::{
    attribute::token::Tokens,
    judge::{Judge, Settings, Telling},
    source::{capture::Frame, event::Event, local::Local},
    targets::TargetSet,
};

/// Connections, or questions, that are at the same stage.
const TURN: u64 = 256;

/// Nanoseconds from one packet to the next.
const STEP: u64 = 1_000;

/// Judge a flood of one kind of events.
#[derive(Debug, Parser)]
#[command(name = "flood")]
struct Options {
    /// Which: the beginning of its name
    kind: String,
    /// How many connections, or questions, in turns of 256
    #[arg(long, default_value_t = 8_192)]
    count: u64,
    /// Make the events, and judge none
    #[arg(long)]
    only_make: bool,
}

fn main() -> ExitCode {
    judged(&Options::parse()).map_or_else(
        |error| {
            eprintln!("flood: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn judged(options: &Options) -> anyhow::Result<()> {
    let kinds = kinds::all();
    let kind = kinds.iter().find(|kind| kind.name.starts_with(&options.kind));
    let kind = kind.context("there is no such kind of events")?;
    let targets = TargetSet::builtin();
    let config = Config { flags: 0, ..Config::replay() };
    let mut engine = Local::new(config);
    engine.watch_names(&targets.names(config.hash_key));
    let settings = Settings { telling: Telling::AtOnce, epoch: 0, targets: targets.into() };
    let mut judge = Judge::new(settings);
    judge.keep_outcomes(Tokens::with_key(HashKey { k0: 1, k1: 2 }));
    let (mut events, mut findings, mut time) = (0_u64, 0_u64, 1_u64 << 40);
    for turn in 0..options.count / TURN {
        happen(kind, turn, &mut engine, &mut time, |event| {
            events += 1;
            if !options.only_make {
                judge.event(&event, |_| findings += 1);
                judge.interests();
                if judge.settled() >= 4_096 {
                    judge.outcomes();
                }
            }
        });
    }
    println!("{events} events, {findings} findings");
    Ok(())
}

/// Has it happen on the connections of a turn.
fn happen(
    kind: &Kind,
    turn: u64,
    engine: &mut Local,
    time: &mut u64,
    mut sink: impl FnMut(Event<'_>),
) {
    for Varied { frame, vary } in &kind.packets {
        let (mut frame, mut vary) = (frame.clone(), *vary);
        vary.sequence = turn * TURN;
        for _ in 0..TURN {
            let client = vary.step();
            write(&mut frame, vary.address_at, &client.address.to_be_bytes());
            write(&mut frame, vary.port_at, &client.port.to_be_bytes());
            if vary.number_at != 0 {
                write(&mut frame, vary.number_at, &client.number.to_be_bytes());
            }
            *time += STEP;
            let wire_len = frame.len() as u32;
            let frame = Frame { number: 0, time: *time, interface: 0, wire_len, data: &frame };
            engine.packet(&frame, &mut sink);
        }
    }
}

fn write(frame: &mut [u8], at: u32, octets: &[u8]) {
    frame[at as usize..][..octets.len()].copy_from_slice(octets);
}
